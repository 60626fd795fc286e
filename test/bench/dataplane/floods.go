package dataplane

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cilium/ebpf"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/internal/lab"
	"github.com/weir-ips/weir/pkg/verdict/enforce"
)

const floodBurst = 1 << 21

// flooded is a program under a flood, and what it reached: packets a second of CPU time, of the generator and the receiving end
// together, since others may use the machine.
type flooded struct {
	name  string
	prog  *ebpf.Program
	rates map[int][]float64 // by number of generators, each on a queue and processor of its own
}

// floods compares packets a second of CPU time of a spoofed flood over veth, all of them dropped: by nothing but XDP_DROP, by us with the
// destination armed, by the published design that counts each source in an LRU map.
func (b *bench) floods() error {
	var keep closers
	defer keep.close()
	c, err := newCableTo("benchflood", lab.End{Sink: true, Queues: 2}, &keep)
	if err != nil {
		return err
	}
	floor, err := bare(&keep)
	if err != nil {
		return err
	}
	ours, err := armed(c, &keep)
	if err != nil {
		return err
	}
	field := []*flooded{{name: "XDP_DROP", prog: floor}, {name: "ours", prog: ours.Program()}}
	for _, l := range []struct {
		name             string
		bySource, byFlow uint32
	}{{"LRU by source", 1, 0}, {"LRU by source flow", 0, 1}, {"LRU by source, and by source flow", 1, 1}} {
		p, err := lru(l.bySource, l.byFlow, &keep)
		if err != nil {
			return err
		}
		field = append(field, &flooded{name: l.name, prog: p})
	}
	for range b.runs {
		for _, f := range field {
			if err := f.measure(c); err != nil {
				return err
			}
		}
	}
	counters, err := ours.Counters()
	if err != nil {
		return err
	}
	if sent, let := uint64(3*b.runs*floodBurst), counters.Paths[bpf.PathPass]; let > sent/100 {
		return fmt.Errorf("of %d packets of the flood %d were let through", sent, let)
	}
	b.addFloods(field)
	return nil
}

func (b *bench) addFloods(field []*flooded) {
	for i, where := range []string{"on one processor", "on each of two"} {
		generators := i + 1
		our := median(field[1].rates[generators])
		for n, f := range field {
			rate := median(f.rates[generators])
			r := row{what: "spoofed SYN flood dropped, veth, " + where, ours: mpps(our), beside: f.name + " " + mpps(rate), ratio: times(our / rate)}
			switch n {
			case 0:
				r.ratio, r.reach, r.aim = fmt.Sprintf("%.0f %%", 100*our/rate), "≥ 60 %", "75 %"
			case 1:
				continue
			default:
				r.reach, r.aim = "≥ 3×", "5×"
			}
			b.add(r)
		}
	}
}

// lru is the peers' design with the counters that are asked for, and a rule that limits each of them to 1,000 packets a second.
func lru(bySource, byFlow uint32, keep *closers) (*ebpf.Program, error) {
	spec, err := loadLru()
	if err != nil {
		return nil, err
	}
	for name, on := range map[string]uint32{lruVarBySource: bySource, lruVarByFlow: byFlow} {
		if err := spec.Variables[name].Set(on); err != nil {
			return nil, fmt.Errorf("LRU program: %w", err)
		}
	}
	var objects lruObjects
	if err := spec.LoadAndAssign(&objects, nil); err != nil {
		return nil, fmt.Errorf("LRU program: %w", err)
	}
	keep.add(objects.Close)
	rules := make([]lruRule, ebpf.MustPossibleCPU())
	for i := range rules {
		rules[i] = lruRule{SourcePPS: 1000, FlowPPS: 1000, Block: 60, On: 1}
	}
	return objects.Lru, objects.Rules.Put(uint32(0), rules)
}

// lruRule is struct rule of src/lru.bpf.c.
type lruRule struct {
	SourcePPS, FlowPPS, Block uint64
	On                        uint32
	Proto                     uint8
	_                         [3]byte
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

func (f *flooded) measure(c *cable) error {
	if f.rates == nil {
		f.rates = map[int][]float64{}
	}
	detach, err := c.attach(f.prog)
	if err != nil {
		return err
	}
	for _, generators := range []int{1, 2} {
		rate, err := c.floodRate(generators)
		if err != nil {
			return err
		}
		f.rates[generators] = append(f.rates[generators], rate)
	}
	return detach()
}

// floodRate sends a burst from each of so many threads at once.
func (c *cable) floodRate(generators int) (float64, error) {
	cpu, sent := processCPU(), make([]uint64, generators)
	errs := make([]error, generators)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			s, err := send(c.synFlood(), floodBurst)
			sent[i], errs[i] = s.packets, err
		})
	}
	all.Wait()
	var packets uint64
	for _, n := range sent {
		packets += n
	}
	return float64(packets) * 1e9 / float64(processCPU()-cpu), errors.Join(errs...)
}
