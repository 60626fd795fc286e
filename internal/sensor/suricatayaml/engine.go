package suricatayaml

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/signatures/keyword"
)

// detection takes over how rules are evaluated.
func (s *Settings) detection(r *reader) {
	r.count("packet-alert-max", &s.Rules.PacketAlertMax)
	r.count("detect.inspection-recursion-limit", &s.Rules.RecursionLimit)
	r.count("pcre.match-limit", &s.Rules.MatchLimit)
	var recursion int
	r.count("pcre.match-limit-recursion", &recursion)
	r.flag("detect.guess-applayer-tx", &s.Rules.GuessTx)
	s.actionOrder(r)
	r.flag("stats.exception-policy.global-stats", &s.Stats.Policies)
	r.flag("stats.exception-policy.per-app-proto-errors", &s.Stats.PerProto)
	for _, known := range []string{"stats.decoder-events", "stats.stream-events", "stats.decoder-events-prefix", "security.lua"} {
		if n := r.at(known); n != nil {
			n.markAll()
		}
	}
}

func (s *Settings) actionOrder(r *reader) {
	names := r.strings("action-order")
	if names == nil {
		return
	}
	actions := map[string]keyword.Action{"pass": keyword.Pass, "drop": keyword.Drop, "reject": keyword.Reject, "alert": keyword.Alert}
	for _, name := range names {
		a, ok := actions[name]
		if !ok || slices.Contains(s.Rules.ActionOrder, a) {
			r.fail(r.at("action-order"), "action-order", "%q: want pass, drop, reject and alert once each, in the order of evaluation", name)
			return
		}
		s.Rules.ActionOrder = append(s.Rules.ActionOrder, a)
	}
	if len(s.Rules.ActionOrder) != len(actions) {
		r.fail(r.at("action-order"), "action-order", "want all of pass, drop, reject and alert")
	}
}

// stream takes over TCP reassembly.
func (s *Settings) stream(r *reader) {
	f := s.Flow
	r.flag("stream.checksum-validation", &f.Checksums)
	r.flag("stream.midstream", &f.Midstream)
	r.flag("stream.async-oneside", &f.AsyncOneside)
	r.auto("stream.inline", &f.Inline)
	r.flag("stream.bypass", &f.Bypass)
	r.flag("stream.drop-invalid", &f.DropInvalid)
	r.count("stream.max-syn-queued", &f.MaxSynQueued)
	r.count("stream.max-synack-queued", &f.MaxSynAckQueued)
	r.size("stream.reassembly.depth", &f.Depth)
	r.size("stream.reassembly.memcap", &f.ReassemblyMemcap)
	for dir, key := range [...]string{"stream.reassembly.toserver-chunk-size", "stream.reassembly.toclient-chunk-size"} {
		v := uint64(f.ChunkSize[dir])
		r.size(key, &v)
		f.ChunkSize[dir] = uint32(min(v, 1<<20))
	}
	r.count("stream.reassembly.max-regions", &f.MaxSegments)
	urgent := map[string]flow.UrgentPolicy{"oob": flow.UrgentOOB, "inline": flow.UrgentInline, "drop": flow.UrgentDrop, "gap": flow.UrgentGap}
	choice(r, "stream.reassembly.urgent.policy", &f.Urgent, urgent)
	choice(r, "stream.reassembly.urgent.oob-limit-policy", &f.UrgentLimit, urgent)
	f.OS = slices.Concat(f.OS, osPolicies(r))
}

// osPolicies takes over which receivers read overlapping data in which way.
func osPolicies(r *reader) []flow.OSPolicy {
	n := r.at("host-os-policy")
	if n == nil {
		return nil
	}
	styles := map[string]flow.OverlapStyle{
		"bsd": flow.BSD, "bsd-right": flow.BSDRight, "old-linux": flow.OldLinux, "linux": flow.Linux,
		"old-solaris": flow.OldSolaris, "solaris": flow.Solaris, "hpux10": flow.HPUX10, "hpux11": flow.HPUX11,
		"irix": flow.IRIX, "macos": flow.MacOS, "windows": flow.Windows, "vista": flow.Vista, "windows2k3": flow.Windows2003,
	}
	var out []flow.OSPolicy
	for _, c := range n.children {
		path := "host-os-policy." + c.key
		style, ok := styles[c.key]
		if !ok {
			continue // reported as unknown
		}
		for _, text := range r.strings(path) {
			p, err := prefix(text)
			if err != nil {
				r.fail(c, path, "%q is neither an address nor a prefix", text)
				return nil
			}
			out = append(out, flow.OSPolicy{Prefix: p, Style: style})
		}
	}
	return out
}

func prefix(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	return netip.ParsePrefix(s)
}

// tables takes over the bounds of flows and fragments.
func (s *Settings) tables(r *reader) {
	f := s.Flow
	if n, ok := r.scalar("flow.memcap"); ok {
		if v, err := parseSize(n.value); err != nil {
			r.fail(n, "flow.memcap", "%v", err)
		} else if limit := int(v / flowBytes); limit > 0 {
			f.MaxFlows = limit
		}
	}
	r.count("defrag.trackers", &f.Defrag.MaxDatagrams)
	r.count("defrag.max-frags", &f.Defrag.MaxFragments)
	r.intSize("defrag.memcap", &f.Defrag.Memcap)
	r.seconds("defrag.timeout", &f.Defrag.Timeout)
	r.flag("vlan.use-for-tracking", &f.UseVLAN)
	for _, p := range []struct {
		name              string
		normal, emergency *flow.StateTimeouts
	}{
		{"default", &f.Timeouts.Other, &f.Timeouts.EmergencyOther}, {"tcp", &f.Timeouts.TCP, &f.Timeouts.EmergencyTCP},
		{"udp", &f.Timeouts.UDP, &f.Timeouts.EmergencyUDP}, {"icmp", &f.Timeouts.ICMP, &f.Timeouts.EmergencyICMP},
	} {
		for prefix, t := range map[string]*flow.StateTimeouts{"": p.normal, "emergency-": p.emergency} {
			base := "flow-timeouts." + p.name + "." + prefix
			r.seconds(base+"new", &t.New)
			r.seconds(base+"established", &t.Established)
			r.seconds(base+"closed", &t.Closed)
			r.seconds(base+"bypassed", &t.Bypassed)
		}
	}
}

// flowBytes is what one flow costs Suricata, to turn its flow.memcap into a number of flows.
const flowBytes = 512

// policies takes over what happens to traffic that cannot be inspected. Invalid combinations are refused as in Suricata.
func (s *Settings) policies(r *reader) {
	p := &s.Flow.Policies
	r.policy("exception-policy", &p.Default)
	r.text("exception-policy", &s.MasterPolicy)
	for _, k := range []struct {
		path       string
		into       *flow.Policy
		packetOnly bool
	}{
		{"stream.memcap-policy", &p.StreamMemcap, false},
		{"stream.reassembly.memcap-policy", &p.ReassemblyMemcap, false},
		{"stream.midstream-policy", &p.Midstream, false},
		{"flow.memcap-policy", &p.FlowMemcap, true},
		{"defrag.memcap-policy", &p.DefragMemcap, true},
		{"app-layer.error-policy", &p.AppError, false},
	} {
		r.policy(k.path, k.into)
		if n := r.at(k.path); n != nil && k.packetOnly && flowScoped(*k.into) {
			r.warn(n, k.path, "%s needs a flow, which is what is missing here; the packet alone is treated so", *k.into)
			*k.into = packetScope(*k.into)
		}
	}
	if n := r.at("stream.midstream-policy"); n != nil && (p.Midstream == flow.PolicyDropPacket || p.Midstream == flow.PolicyPassPacket) {
		r.fail(n, "stream.midstream-policy", "%s is not possible for a session picked up midstream: want a policy for the whole flow", p.Midstream)
	}
}

func flowScoped(p flow.Policy) bool {
	return p == flow.PolicyDropFlow || p == flow.PolicyPassFlow || p == flow.PolicyBypass
}

func packetScope(p flow.Policy) flow.Policy {
	switch p {
	case flow.PolicyDropFlow:
		return flow.PolicyDropPacket
	case flow.PolicyPassFlow, flow.PolicyBypass:
		return flow.PolicyPassPacket
	}
	return p
}

// decoding takes over which tunnels are opened.
func (s *Settings) decoding(r *reader) {
	d := s.Decoder
	for _, t := range []struct {
		name  string
		ports *[]uint16
	}{{"vxlan", &d.VXLAN}, {"geneve", &d.GENEVE}, {"teredo", &d.Teredo}} {
		base := "decoder." + t.name
		on := true
		r.flag(base+".enabled", &on)
		if ports := r.strings(base + ".ports"); ports != nil {
			*t.ports = s.ports(r, base+".ports", ports, *t.ports)
		}
		if !on {
			*t.ports = nil
		}
	}
	r.flag("decoder.erspan.typeI.enabled", &d.ERSPAN1)
	for _, known := range []string{"decoder.ipv4", "decoder.ipv6", "decoder.recursion-level", "decoder.max-layers"} {
		if n := r.at(known); n != nil {
			n.markAll()
		}
	}
}

// ports reads port numbers; a variable stands for its value, and one that is not defined for the tunnel's usual ports.
func (s *Settings) ports(r *reader, path string, texts []string, usual []uint16) []uint16 {
	var out []uint16
	for _, t := range texts {
		if name, ok := strings.CutPrefix(t, "$"); ok {
			if t, ok = s.Rules.Variables[name]; !ok {
				out = append(out, usual...)
				continue
			}
		}
		v, err := strconv.ParseUint(t, 10, 16)
		if err != nil {
			r.fail(r.at(path), path, "%q is not a port", t)
			return nil
		}
		out = append(out, uint16(v))
	}
	return out
}
