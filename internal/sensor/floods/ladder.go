package floods

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/pkg/threshold"
)

// How fingerprints are tried.
const (
	searchFresh  = 64                     // packets seen since the last search
	searchEvery  = 500 * time.Millisecond // at most
	trialLooks   = 3                      // looks for which a fingerprint counts before it drops
	printsOfOne  = 4                      // attack; a destination has room for more, so that two attacks do not compete
	renewPrint   = time.Second
	armedMost    = 8192 // addresses of a network that are limited
	filteredMost = 256  // of them, that get filters of their own
)

// ladder is what is known of the steps against one attack.
type ladder struct {
	prints   []*tried
	refused  map[string]bool // fingerprints that did not hold what they promised
	searched time.Time
	unasked  map[netip.Addr]uint64 // the filter's counters at the last look
	arriving float64               // packets a second of the attack's classes, average of about a second
	most     float64               // the highest of that
	left     float64               // of them, after fingerprints and unrequested answers
	rate     uint64                // of the limit, to each address
	eased    bool                  // the limit is lifted: the selective steps are enough
}

// tried is a fingerprint that is on trial, or in force.
type tried struct {
	likeness
	looks   int // of its trial; trialLooks: in force
	counted map[netip.Addr]uint64
	trial   uint64 // packets alike during the trial
	of      uint64 // packets that came meanwhile
	renewed time.Time
}

// climb takes the steps against an attack, the most selective first: what nobody asked for, what looks like the attack, and as long
// as those leave too much a limit before which sources known to be real come first and a SYN must be sent again. The limit comes
// at once, because nothing else is known yet, and is lifted when the others are enough.
func (c *Control) climb(a *attack, w *wanted, drops map[armKey]uint64, now time.Time) {
	if c.o.OneSide && !a.counted && (unrequested(a.Vector) || a.ordered.IsZero()) {
		return // answers that were asked for cannot be told
	}
	if c.proved(a) {
		c.limitSource(a, now)
		return
	}
	l := &a.ladder
	all := c.targets(a)
	dsts := all[:min(len(all), filteredMost)]
	came := c.came(a, all)
	answers := c.unasked(a, dsts, w, now)
	if unrequested(a.Vector) { // what was asked for is not part of it
		came = answers
	}
	filtered := answers + c.fingerprints(a, dsts, w, now)
	l.average(float64(came), float64(came-min(came, filtered)))
	c.hold(a, all, w, drops, now)
	a.Top = a.seen.top(a.Packets)
}

// targets are the addresses that measures are for.
func (c *Control) targets(a *attack) []netip.Addr {
	var out []netip.Addr
	for dst := range c.directed(&a.Detection) {
		if out = append(out, dst); len(out) >= armedMost {
			break
		}
	}
	return out
}

// came is how many packets that may belong to an attack came to some addresses since the last look.
func (c *Control) came(a *attack, dsts []netip.Addr) (n uint64) {
	for _, dst := range dsts {
		for _, class := range seenClasses(a.Vector) {
			n += c.counters.grown[dst][class]
		}
	}
	return n
}

// average takes one look's packets into the averages.
func (l *ladder) average(came, left float64) {
	const perSecond = float64(time.Second / lookEvery)
	l.arriving += (came*perSecond - l.arriving) / 5
	l.most = max(l.most, l.arriving)
	l.left += (left*perSecond - l.left) / 5
}

// unrequested reports whether an attack is made of answers that nobody asked for.
func unrequested(v threshold.Vector) bool {
	return v == threshold.Amplification || v == threshold.Reflection
}

// unasked drops answers that nobody asked for, and returns how many since the last look.
func (c *Control) unasked(a *attack, dsts []netip.Addr, w *wanted, now time.Time) (dropped uint64) {
	if !unrequested(a.Vector) {
		return 0
	}
	if a.ladder.unasked == nil {
		a.ladder.unasked = map[netip.Addr]uint64{}
	}
	for _, dst := range dsts {
		if a.Vector == threshold.Amplification {
			w.port(dst, a.Port)
		} else {
			w.step(dst, bpf.StepSYNACK)
		}
		if f, ok := c.o.Kernel.Filter(dst); ok {
			n := f.SYNACKs
			if a.Vector == threshold.Amplification {
				n = f.Unasked
			}
			dropped += n - min(n, a.ladder.unasked[dst])
			a.ladder.unasked[dst] = n
		}
	}
	what := "SYN-ACKs that answer no SYN of the address"
	if a.Vector == threshold.Amplification {
		what = fmt.Sprintf("UDP from port %d that the address has not sent to for 4 s", a.Port)
	}
	a.note(stepUnasked, what, "answers that were asked for pass, and so does everything else", dropped, c.o.Enforce, now)
	return dropped
}

// fingerprints looks for what the attack's packets have in common, tries what it finds, and drops what looks alike; it returns how
// many packets did since the last look.
func (c *Control) fingerprints(a *attack, dsts []netip.Addr, w *wanted, now time.Time) (dropped uint64) {
	came := c.came(a, dsts)
	for _, dst := range dsts {
		w.step(dst, bpf.StepSight)
	}
	l := &a.ladder
	kept := l.prints[:0]
	for _, p := range l.prints {
		n := c.alike(p, dsts)
		if p.looks < trialLooks {
			if !c.try(a, p, dsts, n, came, now) {
				continue
			}
		} else {
			dropped += n
			a.note(stepPrint, p.words, p.why(), n, c.o.Enforce, now)
			c.place(p, dsts, 0, now)
		}
		kept = append(kept, p)
	}
	clear(l.prints[len(kept):])
	l.prints = kept
	if c.due(a, now) {
		c.search(a, now)
	}
	return dropped
}

// alike is how many packets looked like p since the last look.
func (c *Control) alike(p *tried, dsts []netip.Addr) (n uint64) {
	for _, dst := range dsts {
		f, ok := c.o.Kernel.Filter(dst)
		if !ok {
			continue
		}
		for i := range f.Prints {
			if g := &f.Prints[i]; g.Value == p.Value && g.Mask == p.Mask {
				n += g.Packets - min(g.Packets, p.counted[dst])
				p.counted[dst] = g.Packets
			}
		}
	}
	return n
}

// try counts what looks alike before anything is dropped: a fingerprint must cover at least half of what it promised.
func (c *Control) try(a *attack, p *tried, dsts []netip.Addr, n, came uint64, now time.Time) bool {
	if p.looks < 0 { // it is put in place only now
		c.place(p, dsts, bpf.PrintObserve, now)
		p.looks++
		return true
	}
	p.trial += n
	p.of += came
	if p.looks++; p.looks < trialLooks {
		return true
	}
	if p.trial*200 < p.of*uint64(p.share) {
		a.ladder.refused[p.words] = true
		c.stats.GivenUp++
		for _, dst := range dsts {
			c.o.Kernel.LiftLike(dst, p.Fingerprint)
		}
		return false
	}
	c.stats.Fingerprints++
	p.share = int(100 * p.trial / max(p.of, 1))
	p.renewed = time.Time{}
	c.place(p, dsts, 0, now)
	a.note(stepPrint, p.words, p.why(), 0, c.o.Enforce, now)
	return true
}

func (p *tried) why() string {
	return fmt.Sprintf("%d %% of the attack look so, and what is normal does not", min(p.share, 100))
}

// place puts a fingerprint in force, or prolongs it.
func (c *Control) place(p *tried, dsts []netip.Addr, flags uint8, now time.Time) {
	if now.Sub(p.renewed) < renewPrint {
		return
	}
	p.renewed = now
	p.Flags = flags
	for _, dst := range dsts {
		if err := c.o.Kernel.DropLike(dst, p.Fingerprint, armFor); err != nil {
			c.stats.NotArmed++
			if ok, skipped := c.refusals.Allow(now); ok {
				c.o.Log.Warn("no fingerprint for a destination under attack", "error", err, "similar", skipped)
			}
			return
		}
	}
}

// due reports whether a search may find something.
func (c *Control) due(a *attack, now time.Time) bool {
	l := &a.ladder
	return a.seen.fresh >= searchFresh && len(l.prints) < printsOfOne && now.Sub(l.searched) >= searchEvery &&
		!unrequested(a.Vector) && l.left*2 >= float64(a.Threshold)
}

func (c *Control) search(a *attack, now time.Time) {
	l := &a.ladder
	l.searched, a.seen.fresh = now, 0
	if l.refused == nil {
		l.refused = map[string]bool{}
	}
	class := a.seen.class()
	normal := append(c.normals.before(threshold.Network(a.Dst), class, a.Since), a.seen.good...)
	for _, p := range search(a.unlike(class), normal, class, printsOfOne-len(l.prints)) {
		if !l.refused[p.words] && len(l.refused) < 64 {
			l.prints = append(l.prints, &tried{likeness: p, looks: -1, counted: map[netip.Addr]uint64{}})
		}
	}
}

// unlike are the packets seen that no fingerprint covers yet.
func (a *attack) unlike(class bpf.Class) []bpf.Features {
	out := make([]bpf.Features, 0, len(a.seen.list))
	for i := range a.seen.list {
		f := &a.seen.list[i]
		known := a.seen.of[i] != class
		for _, p := range a.ladder.prints {
			known = known || p.matches(f)
		}
		if !known {
			out = append(out, *f)
		}
	}
	return out
}

// hold limits what the selective steps leave.
func (c *Control) hold(a *attack, dsts []netip.Addr, w *wanted, drops map[armKey]uint64, now time.Time) {
	l := &a.ladder
	classes := a.limited()
	if len(classes) == 0 {
		return
	}
	switch least := float64(a.Threshold); {
	case l.left >= least:
		l.eased = false
	case l.inForce() && l.left < least/2 && l.arriving >= least/2:
		l.eased = true
	}
	if l.eased {
		return
	}
	if l.rate == 0 || a.Vector != threshold.Carpet {
		l.rate = c.rateOf(a, len(dsts))
	}
	var lost uint64
	for _, dst := range dsts {
		for _, class := range classes {
			k := armKey{dst, class}
			w.limit(k, c.allowance(l.rate, dst, class))
			lost += drops[k]
		}
	}
	if slices.Contains(classes, bpf.ClassSYN) {
		for _, dst := range dsts {
			w.step(dst, bpf.StepChallenge)
		}
		a.note(stepChallenge, "a SYN is answered in the address's place and dropped, unless it repeats an earlier one",
			"a client resets the answer with the number in it and is known good, or repeats its SYN; who forges its source does neither", 0, c.o.Enforce, now)
	}
	a.note(stepLimit, fmt.Sprintf("more than %d a second to each address, or twice what is usual there", l.rate),
		"sources that have completed a handshake come first and are not counted", lost, c.o.Enforce, now)
}

// limited are the classes to limit: of a carpet those that it is made of, once that has been seen.
func (a *attack) limited() []bpf.Class {
	classes := limitedClasses(a.Vector)
	if a.Vector != threshold.Carpet || a.seen.total < talkerKept {
		return classes
	}
	return slices.DeleteFunc(classes, func(class bpf.Class) bool { return a.seen.classes[class]*20 < len(a.seen.list) })
}

// lift ends what is done about an attack that is over.
func (c *Control) lift(a *attack) {
	for _, p := range a.ladder.prints {
		for dst := range p.counted {
			c.o.Kernel.LiftLike(dst, p.Fingerprint)
		}
	}
}

// inForce reports whether a fingerprint drops.
func (l *ladder) inForce() bool {
	for _, p := range l.prints {
		if p.looks >= trialLooks {
			return true
		}
	}
	return false
}
