// Package floods is the sensor's control loop against attacks that are a matter of how often: it reads the kernel's counters of
// destinations, takes what inspection reports, decides what is an attack and what is done about it, and explains both.
//
// An attack has one name from its start to its end, whoever sees it. What is done about it are measures on packets
// to its destination, each with an end that is put off while the attack lasts, so that a dead sensor's measures lapse.
package floods

import (
	"iter"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/internal/telemetry"
	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/threshold"
	"github.com/weir-ips/weir/pkg/verdict"
	"github.com/weir-ips/weir/pkg/verdict/enforce"
	"github.com/weir-ips/weir/pkg/wire"
)

// Kernel counts packets by destination and limits those to armed ones; *enforce.Enforcer is one.
type Kernel interface {
	Destinations() iter.Seq[enforce.Destination]
	Counters() (bpf.Counters, error)
	Arm(dst netip.Addr, class bpf.Class, rate uint32, life time.Duration) error
	Disarm(dst netip.Addr, class bpf.Class)
	DropLike(dst netip.Addr, f bpf.Fingerprint, life time.Duration) error
	LiftLike(dst netip.Addr, f bpf.Fingerprint)
	DropUnasked(dst netip.Addr, ports []uint16, life time.Duration) error
	TakeStep(dst netip.Addr, step bpf.Step, life time.Duration) error
	EndStep(dst netip.Addr, step bpf.Step)
	Filter(dst netip.Addr) (f bpf.Filter, ok bool)
	MarkGood(src netip.Addr)
	Apply(v verdict.Verdict) error
}

// Options are what a Control works with.
type Options struct {
	Kernel  Kernel
	Floods  threshold.FloodConfig        // of what the kernel counts; Baselines is filled in
	Limits  threshold.Limits             // of what inspection counts
	Carpet  uint32                       // packets a second to many addresses of one network, of what the kernel counts; 0: not looked at
	Learn   bool                         // baselines
	OneSide bool                         // the sensor sees what arrives and not what is sent: answers look as if nobody had asked
	Host    func() (HostCounters, error) // what the host counts, with OneSide; nil: ReadHost
	Enforce bool                         // else measures count what they would drop
	Dir     string                       // folder for what was learned; "" keeps nothing
	Publish func(*threshold.Detection)
	Log     *slog.Logger
}

// Control is the loop and what it knows. Its methods are safe for concurrent use, but for Look and Close, which one goroutine calls.
type Control struct {
	o         Options
	baselines *threshold.Baselines // nil: not learned
	detector  *threshold.Floods
	carpets   carpets
	counters  counters
	saved     time.Time
	saving    sync.Mutex

	handshakes handshakes
	own        own // of the host, with OneSide; guarded by mu
	refusals   telemetry.Throttle

	mu      sync.Mutex
	attacks map[attackKey]*attack
	strikes map[decode.Addr]strikes
	normals normals
	wanted  wanted        // in force
	dropped *bpf.Counters // at the last look

	begun    bool // an attack has begun that the collector was not told of
	said     bool // the last tally had something in it
	tallied  time.Time
	told     told
	revision uint64           // of the collector\'s last order
	plan     *wire.SketchPlan // of that; nil: no sketch is wanted
	stats    Stats
	begunBy  [threshold.NumVectors]uint64
}

// New returns a control that has seen nothing but what earlier runs have learned. A file that cannot be used is put aside, and said so.
func New(o Options, now time.Time) *Control {
	c := &Control{o: o, attacks: map[attackKey]*attack{}, normals: normals{known: map[normalKey]*normal{}},
		strikes: map[decode.Addr]strikes{},
		wanted:  newWanted(), counters: newCounters(), saved: now, refusals: telemetry.Throttle{Every: time.Second}}
	if c.o.Host == nil {
		c.o.Host = ReadHost
	}
	if o.Learn {
		c.baselines = c.load(now)
	}
	c.o.Floods.Baselines = c.baselines
	c.detector = threshold.NewFloods(c.o.Floods)
	c.carpets = newCarpets(&o)
	return c
}

// Baselines returns what is usual; nil when it is not learned.
func (c *Control) Baselines() *threshold.Baselines { return c.baselines }

// Look reads the counters, and begins, renews and ends attacks and measures by them; call it every 100 ms.
func (c *Control) Look(now time.Time) {
	c.counters.read(c.o.Kernel)
	c.spare(now)
	for dst, grown := range c.counters.grown {
		for class, kernel := range classes {
			if e, starts := c.detector.Add(decode.AddrFrom(dst), threshold.FloodClass(class), grown[kernel], now.UnixNano()); starts {
				c.floodTells(&e)
			}
		}
	}
	for _, e := range c.detector.Tick(now.UnixNano()) {
		c.floodTells(&e)
	}
	c.mu.Lock()
	c.stats.Forgotten = c.detector.Evicted
	c.mu.Unlock()
	c.lookAtNetworks(now)
	c.refresh(now)
	c.settle(now)
	c.renew(now)
	c.update(now)
	if now.Sub(c.saved) >= saveEvery {
		c.saved = now
		c.save(now)
	}
}

// Close keeps what was learned.
func (c *Control) Close(now time.Time) { c.save(now) }

// classes are the kernel's names of the classes that are compared with a threshold.
var classes = [threshold.NumFloodClasses]bpf.Class{
	threshold.FloodSYN: bpf.ClassSYN, threshold.FloodUDP: bpf.ClassUDP, threshold.FloodICMP: bpf.ClassICMP,
	threshold.FloodFragment: bpf.ClassFragment,
}

// vectors are the names under which floods that the kernel counts are reported.
var vectors = [threshold.NumFloodClasses]threshold.Vector{
	threshold.FloodSYN: threshold.SYNFlood, threshold.FloodUDP: threshold.UDPFlood, threshold.FloodICMP: threshold.ICMPFlood,
	threshold.FloodFragment: threshold.FragmentFlood,
}

func protocol(class threshold.FloodClass, dst *decode.Addr) uint8 {
	switch class {
	case threshold.FloodUDP:
		return decode.ProtoUDP
	case threshold.FloodICMP:
		if !dst.Is4() {
			return decode.ProtoICMPv6
		}
		return decode.ProtoICMP
	case threshold.FloodFragment:
		return 0
	}
	return decode.ProtoTCP
}
