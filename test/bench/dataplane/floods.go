package dataplane

import (
	"fmt"
	"time"

	"github.com/cilium/ebpf"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/pkg/verdict/enforce"
)

const floodBurst = 1 << 21

// floods compares packets a second of CPU time of a spoofed flood over veth, all of them dropped: by nothing but XDP_DROP, by us with the
// destination armed, by the program with LRU maps.
func (b *bench) floods() error {
	var keep closers
	defer keep.close()
	c, err := newCable("benchflood", &keep)
	if err != nil {
		return err
	}
	var objects lruObjects
	if err := loadLruObjects(&objects, nil); err != nil {
		return fmt.Errorf("LRU program: %w", err)
	}
	keep.add(objects.Close)
	floor, err := bare(&keep)
	if err != nil {
		return err
	}
	ours, err := armed(c, &keep)
	if err != nil {
		return err
	}
	rates := map[*ebpf.Program][]float64{}
	for range b.runs {
		for _, p := range []*ebpf.Program{floor, ours.Program(), objects.Lru} {
			rate, err := c.floodRate(p)
			if err != nil {
				return err
			}
			rates[p] = append(rates[p], rate)
		}
	}
	counters, err := ours.Counters()
	if err != nil {
		return err
	}
	if sent, let := uint64(b.runs*floodBurst), counters.Paths[bpf.PathPass]; let > sent/100 {
		return fmt.Errorf("of %d packets of the flood %d were let through", sent, let)
	}
	bareRate, ourRate, lruRate := median(rates[floor]), median(rates[ours.Program()]), median(rates[objects.Lru])
	b.add(row{"spoofed SYN flood dropped, veth, a core", mpps(ourRate), "XDP_DROP " + mpps(bareRate), fmt.Sprintf("%.0f %%", 100*ourRate/bareRate), "≥ 60 %", "75 %"})
	b.add(row{"spoofed SYN flood dropped, veth, a core", mpps(ourRate), "LRU map by source " + mpps(lruRate), times(ourRate / lruRate), "≥ 3×", "5×"})
	return nil
}

// armed is our program with the flood's destination armed.
func armed(c *cable, keep *closers) (*bpf.Sensor, error) {
	s, err := bpf.Load(bpf.Options{Mode: bpf.ModeHost, Name: "bench", NoPin: true})
	if err != nil {
		return nil, err
	}
	keep.add(s.Close)
	e, err := enforce.New(s, enforce.Options{})
	if err != nil {
		return nil, err
	}
	keep.add(e.Close)
	return s, e.Arm(c.synFlood().Dst.Addr(), bpf.ClassSYN, 1000, time.Hour)
}

func (c *cable) floodRate(p *ebpf.Program) (float64, error) {
	detach, err := c.attach(p)
	if err != nil {
		return 0, err
	}
	s, err := send(c.synFlood(), floodBurst)
	if err != nil {
		return 0, err
	}
	return 1e9 / s.cpuNS(), detach() // by CPU time: others may use the machine
}
