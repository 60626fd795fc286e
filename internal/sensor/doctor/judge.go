package doctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weir-ips/weir/bpf"
)

// Capabilities that the sensor needs, by bit (kernel, include/uapi/linux/capability.h).
var capabilities = []struct {
	bit  uint
	name string
}{{39, "CAP_BPF"}, {12, "CAP_NET_ADMIN"}, {13, "CAP_NET_RAW"}, {38, "CAP_PERFMON"}}

const (
	inlineMTU    = bpf.SingleMTU // largest that run takes in gwlb and bridge mode where a frame that is inspected must fit one buffer
	tunnel       = 68            // bytes that the load balancer adds (AWS, Gateway Load Balancers, "MTU")
	largestInner = 8500          // that it carries
	mirrorMTU    = 1554          // 1500 bytes and 54 of VXLAN over IPv4
	enaSingleMTU = 3498          // largest that ENA attaches XDP to without multi-buffer (kernel, drivers/net/ethernet/amazon/ena/ena_xdp.h)
	umem         = 16 << 20
	capIPCLock   = 14
)

// Judge says of each fact whether it is right.
func Judge(f Facts) []Finding {
	out := []Finding{
		judgeError("configuration", f.Configuration, "it can be read", "correct what the message names"),
		f.kernel(), f.bpffs(), f.capable(), f.memory(),
		judgeError("bpf", f.Program, "the kernel takes the XDP program", "run as root or with the unit's capabilities, on a kernel of 5.10 or later that allows BPF"),
		f.clock(), f.routes(), f.sourceDest(),
	}
	for _, i := range f.Interfaces {
		out = append(out, i.judge(f.Mode)...)
	}
	return out
}

func judgeError(check, failure, good, advice string) Finding {
	if failure != "" {
		return Finding{Check: check, Level: Failure, Found: failure, Advice: advice}
	}
	return Finding{Check: check, Level: OK, Found: good}
}

func (f Facts) kernel() Finding {
	g := Finding{Check: "kernel", Level: OK, Found: f.Kernel}
	var major, minor int
	switch n, _ := fmt.Sscanf(f.Kernel, "%d.%d", &major, &minor); {
	case n != 2:
		g.Level, g.Advice = Warning, "its version cannot be read; 5.10 is the oldest that works, 5.18 the oldest with jumbo frames in XDP"
	case before(major, minor, 5, 10):
		g.Level, g.Advice = Failure, "use a kernel of 5.10 or later"
	case before(major, minor, 5, 18):
		g.Level, g.Advice = Warning, "use a kernel of 5.18 or later: this one has no XDP for frames of several buffers, so jumbo MTUs fall back to generic XDP"
	}
	return g
}

func before(major, minor, wantMajor, wantMinor int) bool {
	return major < wantMajor || major == wantMajor && minor < wantMinor
}

func (f Facts) bpffs() Finding {
	if f.BPFFSMounted {
		return Finding{Check: "bpffs", Level: OK, Found: f.BPFFS + " is a BPF file system"}
	}
	return Finding{Check: "bpffs", Level: Failure, Found: f.BPFFS + " is not a BPF file system",
		Advice: "mount -t bpf bpf " + f.BPFFS + " (run-weirbpf.mount does it for /run/weirbpf); else verdicts would end with the process"}
}

func (f Facts) capable() Finding {
	var missing []string
	for _, c := range capabilities {
		if f.Capabilities&(1<<c.bit) == 0 {
			missing = append(missing, c.name)
		}
	}
	if missing == nil {
		return Finding{Check: "capabilities", Level: OK, Found: "all four that the sensor needs"}
	}
	return Finding{Check: "capabilities", Level: Failure, Found: "this process lacks " + strings.Join(missing, ", "),
		Advice: "run as root, or as the unit does with AmbientCapabilities"}
}

func (f Facts) memory() Finding {
	g := Finding{Check: "locked memory", Level: OK, Found: "enough for the frames of AF_XDP"}
	if f.Mode == "gwlb" && f.LockedMemory < umem && f.Capabilities&(1<<capIPCLock) == 0 {
		g.Level, g.Found = Failure, fmt.Sprintf("the limit is %d KiB, the frames of AF_XDP need %d KiB a queue", f.LockedMemory>>10, umem>>10)
		g.Advice = "LimitMEMLOCK=infinity in the unit, or ulimit -l unlimited"
	}
	return g
}

func (f Facts) clock() Finding {
	if f.ClockSynced {
		return Finding{Check: "clock", Level: OK, Found: "synchronised"}
	}
	return Finding{Check: "clock", Level: Warning, Found: "not synchronised",
		Advice: "run chronyd against 169.254.169.123: verdicts expire by the clock, and records of several sensors are ordered by it"}
}

func (f Facts) routes() Finding {
	outs := slices.Compact(slices.Sorted(slices.Values(f.DefaultRoutes)))
	switch len(outs) {
	case 0:
		return Finding{Check: "routes", Level: Warning, Found: "no default route",
			Advice: "see that the collector and whatever probes /healthz are reached by another route"}
	case 1:
		return Finding{Check: "routes", Level: OK, Found: "one way out, by " + outs[0]}
	}
	return Finding{Check: "routes", Level: Warning, Found: "several ways out, by " + strings.Join(outs, ", "),
		Advice: "give each interface a routing table of its own (ip rule add from ADDRESS table N): an answer that leaves by another interface is dropped by AWS"}
}

// sourceDest says what the host cannot see.
func (f Facts) sourceDest() Finding {
	g := Finding{Check: "source/dest check", Level: Hint, Found: "only AWS knows: aws ec2 describe-network-interface-attribute --attribute sourceDestCheck"}
	switch f.Mode {
	case "gwlb":
		g.Advice = "it may stay on: outer addresses are the interface's own. The security group must let UDP 6081 out to the load balancer's subnets, for the answer is no answer to it"
	case "mirror":
		g.Advice = "it may stay on. The security group must let UDP 4789 in from the sources"
	default:
		g.Advice = "leave it on, unless this host forwards packets that are not addressed to it (a NAT instance, a router): then switch it off, or AWS drops them without a trace"
	}
	return g
}
