package suricatayaml

import (
	"slices"
	"strings"
)

// meaningless are settings that say nothing to this engine: how Suricata captures, allocates, schedules and logs about
// itself. They are passed over in silence.
var meaningless = []string{
	"af-packet", "af-xdp", "asn1-max-frames", "autofp-scheduler", "capture", "coredump", "cuda", "daemon-directory",
	"default-log-dir", "default-packet-size", "dpdk", "engine-analysis", "flow.emergency-recovery", "flow.hash-size",
	"flow.managers", "flow.prealloc", "flow.recyclers", "defrag.hash-size", "defrag.prealloc", "host", "host-mode",
	"ippair", "ipfw", "landlock", "legacy", "logging", "luajit", "magic-file", "max-pending-packets", "mpipe", "mpm-algo", "napatech",
	"netmap", "nflog", "nfq", "pcap", "pf-ring", "pfring", "pid-file", "plugins", "profiling", "rule-files", "run-as",
	"runmode", "security.landlock", "security.limit-noproc", "sensor-name", "spm-algo", "stats.interval", "stats.enabled",
	"stream.memcap", "stream.prealloc-sessions", "stream.reassembly.randomize-chunk-size", "stream.reassembly.raw",
	"stream.reassembly.randomize-chunk-range", "stream.reassembly.segment-prealloc", "stream.reassembly.chunk-prealloc",
	"stream.reassembly.segments", "stream.reassembly.zero-copy-size", "suricata-version", "threading", "unix-command",
	"unified2-alert", "windivert", "detect.profile", "detect.custom-values", "detect.sgh-mpm-context", "detect.grouping",
	"detect.delayed-detect", "detect.profiling", "detect.prefilter", "detect.sgh-mpm-caching", "detect.sgh-mpm-caching-path",
	"exception-policy-logging", "heartbeat", "pcap-file", "ignore-unknown-requirements",
}

// unknown warns of the settings that nothing has asked for, each at its topmost level.
func (r *reader) unknown(n *node, path string) {
	for _, c := range n.children {
		here := c.key
		if path != "" {
			here = path + "." + c.key
		}
		switch {
		case slices.Contains(meaningless, here):
		case !c.used:
			r.warn(c, here, "not known here, ignored")
		default:
			r.unknown(c, here)
		}
	}
}

// oneOf lists names for an error, in order.
func oneOf(names []string) string {
	slices.Sort(names)
	return strings.Join(names, ", ")
}
