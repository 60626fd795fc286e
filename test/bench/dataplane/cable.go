package dataplane

import (
	"context"
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/weir-ips/weir/internal/lab"
)

// cable is a veth pair between namespaces of its own: traffic is made at near, programs run at far.
type cable struct {
	lab       *lab.Lab
	near, far lab.End
	index     int // far's interface
}

func newCable(name string, keep *closers) (*cable, error) {
	return newCableTo(name, lab.End{Sink: true}, keep)
}

// newCableTo says what becomes of frames that arrive at the near end.
func newCableTo(name string, near lab.End, keep *closers) (*cable, error) {
	l, err := lab.New(name)
	if err != nil {
		return nil, err
	}
	keep.add(l.Close)
	c := &cable{lab: l}
	var ends [2]*lab.Namespace
	for i, host := range []string{"near", "far"} {
		if ends[i], err = l.Namespace(host); err != nil {
			return nil, err
		}
		if err := ends[i].Sysctl("net/ipv6/conf/default/disable_ipv6", "1"); err != nil { // it would speak of its own accord
			return nil, err
		}
	}
	near.NS, near.Name, near.MTU, near.Addrs = ends[0], "eth0", 2000, []netip.Prefix{netip.MustParsePrefix("10.77.9.1/24")}
	c.near, c.far, err = l.Cable(
		near,
		lab.End{NS: ends[1], Name: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix("10.77.9.10/24")}, MTU: 2000, Queues: near.Queues})
	if err != nil {
		return nil, err
	}
	c.index, err = ends[1].Index("eth0")
	return c, err
}

// attach puts a program on the far end until the returned function is called.
func (c *cable) attach(p *ebpf.Program) (detach func() error, err error) {
	err = c.far.NS.Run(func() error {
		l, err := link.AttachXDP(link.XDPOptions{Program: p, Interface: c.index, Flags: link.XDPDriverMode})
		if err == nil {
			detach = l.Close
		}
		return err
	})
	if err != nil {
		err = fmt.Errorf("attach to veth: %w", err)
	}
	return detach, err
}

// synFlood is made of SYNs from 2^29 sources.
func (c *cable) synFlood() lab.Flood {
	return lab.Flood{
		Kind: lab.SYNFlood, From: &lab.Host{Namespace: c.near.NS, MAC: [6]byte(c.near.MAC), RouterMAC: [6]byte(c.far.MAC)},
		Src: netip.MustParsePrefix("64.0.0.0/3"), Dst: netip.MustParseAddrPort("10.77.9.10:443"),
	}
}

// tunnelled is made of UDP datagrams of one flow, or with port 0 of flows from all ports of one source, as a load balancer sends them.
func (c *cable) tunnelled(port uint16) lab.Flood {
	return lab.Flood{
		SrcPort: port,
		Kind:    lab.UDPFlood, From: &lab.Host{Namespace: c.near.NS}, Payload: 36, Src: netip.PrefixFrom(flowSource, 32), Dst: flowTarget,
		Outer: &lab.Geneve{SrcMAC: [6]byte(c.near.MAC), DstMAC: [6]byte(c.far.MAC), Src: netip.MustParseAddr("10.77.9.1"),
			Dst: netip.MustParseAddr("10.77.9.10"), SrcPort: 4000, Endpoint: endpointID, Cookie: 9},
	}
}

// spent is what a run cost.
type spent struct {
	packets   uint64
	wall, cpu time.Duration // cpu: of the whole process, the kernel's receive path included
}

func (s spent) rate() float64 { return float64(s.packets) / s.wall.Seconds() }

func (s spent) cpuNS() float64 { return float64(s.cpu.Nanoseconds()) / float64(s.packets) }

// send runs a flood for one burst.
func send(f lab.Flood, burst int) (spent, error) {
	f.Burst = burst
	start, cpu := time.Now(), processCPU()
	sent, err := f.RunLive(context.Background(), time.Nanosecond) // the first burst is sent in any case
	return spent{sent, time.Since(start), processCPU() - cpu}, err
}

func processCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0 // cannot fail: the arguments are right
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
