package capture

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/weir-ips/weir/bpf"
)

// Port is one side of a bridge.
type Port struct {
	Ifindex int
	Queues  int // receive queues, all of which are served
}

// BridgeConfig is what OpenBridge needs. Frames and FrameSize are as in XSKConfig.
type BridgeConfig struct {
	Ports             [2]Port
	Sockets           *ebpf.Map
	Credits           []bpf.Credit
	Frames, FrameSize int
	Inherited         []Inherited // as in XSKConfig
}

// OpenBridge opens the sockets of a bridge's two ports as one Source: what is forwarded leaves by the other port, copied once, as
// the two have their buffers apart. A flow's directions come by different ports, and meet in the one goroutine that uses the Source.
func OpenBridge(cfg BridgeConfig) (*Group, error) {
	if cfg.Frames == 0 {
		cfg.Frames = defaultFrames
	}
	var opened [2][]*XSK
	var members []Source
	fail := func(err error) (*Group, error) {
		for _, m := range members {
			err = errors.Join(err, m.Close())
		}
		return nil, err
	}
	for side, p := range cfg.Ports {
		if p.Queues < 1 || p.Queues > bpf.PortQueues {
			return fail(fmt.Errorf("capture: bridge: interface %d has %d receive queues, 1 to %d can be served: "+
				"reduce them (ethtool -L NAME combined %d)", p.Ifindex, p.Queues, bpf.PortQueues, bpf.PortQueues))
		}
		for q := range p.Queues {
			slot := side*bpf.PortQueues + q
			x, err := OpenXSK(XSKConfig{
				Ifindex: p.Ifindex, Queue: q, Slot: slot, Sockets: cfg.Sockets, Credit: &cfg.Credits[slot],
				Frames: cfg.Frames, FrameSize: cfg.FrameSize, Spare: cfg.Frames, Inherited: cfg.Inherited,
			})
			if err != nil {
				return fail(err)
			}
			opened[side], members = append(opened[side], x), append(members, x)
		}
	}
	for side, xs := range opened {
		others := opened[1-side]
		for q, x := range xs {
			x.peer = others[q%len(others)]
		}
	}
	return NewGroup(members...), nil
}
