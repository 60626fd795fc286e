package threshold

import (
	"net/netip"
	"sync"
	"time"

	"github.com/weir-ips/weir/pkg/decode"
)

// Baselines learn how much of each class is usual for the destinations of a network (IPv4 /24, IPv6 /64) at each hour of the
// week (UTC), so that a threshold can follow it: FloodConfig. What is learned of an hour is the greatest rate to one
// destination that 99 % of its seconds stay within, so that a short burst teaches nothing; weeks are averaged, the newest
// counts for a third. While an attack on the network is on nothing is learned, and neither of the seconds just before it.
//
// Memory is bounded: 4,096 networks and classes; of further ones nothing is learned, and they are counted. It is safe for
// concurrent use.
type Baselines struct {
	mu      sync.Mutex
	entries map[baselineKey]*baseline
	since   int64  // second from which on everything was seen
	Refused uint64 // networks that there was no room for
}

const (
	maxBaselines   = 4096
	hoursOfWeek    = 7 * 24
	secondsOfHour  = 3600
	usualPermille  = 990
	leastSeconds   = 900 // of an hour, to learn from it
	leastHours     = 6   // learned from before thresholds follow
	doubtedSeconds = 10  // before an attack, which may have belonged to it
	quietWeeks     = 4   // after so long without a packet a network gives way to a new one
)

type baselineKey struct {
	network decode.Addr
	class   FloodClass
}

// baseline is what is known of one network and class.
type baseline struct {
	level   [hoursOfWeek]uint32 // packets a second
	weeks   [hoursOfWeek]uint8  // learned from; 0: nothing is known of the hour
	pinned  uint32              // an operator's word, instead of all that; 0: none
	hour    int64               // of which rates are collected, since 1970
	rates   histogram           // of its seconds with packets
	skipped uint32              // seconds of the hour in which nothing was learned
	doubted [doubtedSeconds]uint32
	second  int64 // of the newest rate
	frozen  bool
	asked   int64 // hour that answer holds for; 0: it must be worked out
	answer  usual
}

// NewBaselines returns baselines that know nothing; now is Unix ns.
func NewBaselines(now int64) *Baselines {
	return &Baselines{entries: map[baselineKey]*baseline{}, since: now / 1e9}
}

// note takes the rate to one destination in a second that is over.
func (b *Baselines) note(dst decode.Addr, class FloodClass, rate uint64, second int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.entry(baselineKey{Network(dst), class}, second)
	if e == nil {
		return
	}
	e.advance(second, b.since)
	e.doubted[second%doubtedSeconds] = max(e.doubted[second%doubtedSeconds], uint32(min(rate, 1<<32-1)))
}

// entry returns the network's baseline, making one where there is room.
func (b *Baselines) entry(k baselineKey, second int64) *baseline {
	e := b.entries[k]
	if e != nil {
		return e
	}
	if len(b.entries) >= maxBaselines && !b.forget(second) {
		b.Refused++
		return nil
	}
	e = &baseline{hour: second / secondsOfHour, second: second}
	b.entries[k] = e
	return e
}

// Len returns how many networks and classes something is known of, and how often there was no room for one more.
func (b *Baselines) Len() (known, refused uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return uint64(len(b.entries)), b.Refused
}

// forget makes room where a network has been silent for long.
func (b *Baselines) forget(second int64) bool {
	for k, e := range b.entries {
		if e.pinned == 0 && !e.frozen && second-e.second > quietWeeks*hoursOfWeek*secondsOfHour {
			delete(b.entries, k)
			return true
		}
	}
	return false
}

// advance lets time pass: seconds that are no longer in doubt are learned from, and so is an hour that is over.
func (e *baseline) advance(second, since int64) {
	for n := 0; e.second < second && n < doubtedSeconds; n++ {
		e.second++
		e.settle(e.second % doubtedSeconds)
		e.turn(e.second/secondsOfHour, since)
	}
	if e.second < second { // all that was in doubt is settled
		e.second = second
		e.turn(second/secondsOfHour, since)
	}
}

// settle learns the rate of a second that was in doubt.
func (e *baseline) settle(i int64) {
	rate := e.doubted[i]
	e.doubted[i] = 0
	switch {
	case e.frozen:
		e.skipped++
	case rate > 0:
		e.rates.add(rate)
	}
}

// turn learns from the hour that is over.
func (e *baseline) turn(hour, since int64) {
	if hour == e.hour {
		return
	}
	from := max(since, e.hour*secondsOfHour)
	seen := max((e.hour+1)*secondsOfHour-from, 0) - int64(e.skipped)
	if seen >= leastSeconds {
		e.learn(hourOfWeek(e.hour), e.rates.quantile(usualPermille, uint32(seen)))
	}
	e.hour, e.rates, e.skipped = hour, histogram{}, 0
}

func (e *baseline) learn(at int, level uint32) {
	if e.weeks[at] > 0 {
		level = uint32((2*uint64(e.level[at]) + uint64(level)) / 3)
	}
	e.level[at] = level
	if e.weeks[at] < 255 {
		e.weeks[at]++
	}
	e.asked = 0
}

// hourOfWeek is 0 for Sunday 00:00 UTC; hour counts from 1970, which began on a Thursday.
func hourOfWeek(hour int64) int { return int((hour + int64(time.Thursday)*24) % hoursOfWeek) }

// freeze stops learning while an attack on the network is on, and forgets the seconds just before it.
func (b *Baselines) freeze(dst decode.Addr, class FloodClass, on bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.entries[baselineKey{Network(dst), class}]
	if e == nil {
		return
	}
	e.frozen = on
	e.skipped += doubtedSeconds
	e.doubted = [doubtedSeconds]uint32{}
}

// usual is what is known of the usual rate to one destination.
type usual struct {
	rate    uint64 // packets a second
	learned bool   // of the network's baseline, and from enough hours
	hour    bool   // this very hour of the week has been seen: the threshold may be below the floor
}

// level returns what is usual. Of the hour and its neighbours the busiest counts; where none is known, the busiest of all.
func (b *Baselines) level(dst decode.Addr, class FloodClass, now int64) usual {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.entries[baselineKey{Network(dst), class}]
	if e == nil {
		return usual{}
	}
	if hour := now / (secondsOfHour * 1e9); hour != e.asked {
		e.asked = hour
		e.answer = e.usual(hourOfWeek(hour))
	}
	return e.answer
}

func (e *baseline) usual(at int) usual {
	if e.pinned > 0 {
		return usual{uint64(e.pinned), true, true}
	}
	var all, near uint32
	hours := 0
	for h, weeks := range e.weeks {
		if weeks == 0 {
			continue
		}
		hours++
		all = max(all, e.level[h])
		if off := (h - at + hoursOfWeek) % hoursOfWeek; off <= 1 || off == hoursOfWeek-1 {
			near = max(near, e.level[h])
		}
	}
	if e.weeks[at] > 0 {
		all = near
	}
	return usual{uint64(all), hours >= leastHours, hours >= leastHours && e.weeks[at] > 0}
}

// prefix is the network that a key stands for.
func (k baselineKey) prefix() netip.Prefix {
	if k.network.Is4() {
		return netip.PrefixFrom(k.network.IP(), 24)
	}
	return netip.PrefixFrom(k.network.IP(), 64)
}
