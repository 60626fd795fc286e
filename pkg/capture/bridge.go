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

// BridgeConfig is what OpenBridge needs. Frames, FrameSize, Chains and ZeroCopy are as in XSKConfig.
type BridgeConfig struct {
	Ports             [2]Port
	Sockets           *ebpf.Map
	Credits           []bpf.Credit
	Frames, FrameSize int
	Chains, ZeroCopy  bool
	Inherited         []Inherited // as in XSKConfig
}

// OpenBridge opens the sockets of a bridge's two ports: what is forwarded leaves by the other port, copied once, as the two have their
// buffers apart. A bundle holds queues of one port and those of the other by which they send.
func OpenBridge(cfg BridgeConfig) ([]Bundle, error) {
	if cfg.Frames == 0 {
		cfg.Frames = defaultFrames
	}
	var opened [2][]*XSK
	for side, p := range cfg.Ports {
		var err error
		if opened[side], err = cfg.port(side, p); err != nil {
			return nil, errors.Join(err, Bundle(opened[0]).Close(), Bundle(opened[1]).Close())
		}
	}
	bundles := make([]Bundle, min(len(opened[0]), len(opened[1])))
	for side, xs := range opened {
		others := opened[1-side]
		for q, x := range xs {
			x.peer = others[q%len(others)]
			bundles[q%len(bundles)] = append(bundles[q%len(bundles)], x)
		}
	}
	return bundles, nil
}

// port opens one port's sockets, and returns also on error those that are open.
func (cfg *BridgeConfig) port(side int, p Port) (opened []*XSK, err error) {
	if p.Queues < 1 || p.Queues > bpf.PortQueues {
		return nil, fmt.Errorf("capture: bridge: interface %d has %d receive queues, 1 to %d can be served: "+
			"reduce them (ethtool -L NAME combined %d)", p.Ifindex, p.Queues, bpf.PortQueues, bpf.PortQueues)
	}
	for q := range p.Queues {
		slot := side*bpf.PortQueues + q
		x, err := OpenXSK(XSKConfig{
			Ifindex: p.Ifindex, Queue: q, Slot: slot, Sockets: cfg.Sockets, Credit: &cfg.Credits[slot],
			Frames: cfg.Frames, FrameSize: cfg.FrameSize, Spare: cfg.Frames, Chains: cfg.Chains, ZeroCopy: cfg.ZeroCopy, Inherited: cfg.Inherited,
		})
		if err != nil {
			return opened, err
		}
		opened = append(opened, x)
	}
	return opened, nil
}
