package identity

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// Limited says that somebody has tried too often.
type Limited struct {
	Wait time.Duration // until it is worth trying again
}

func (l *Limited) Error() string {
	return fmt.Sprintf("too many attempts; try again in %s", l.Wait.Round(time.Second))
}

// pace is how often something may be tried: burst at once, then one every refill.
type pace struct {
	burst  float64
	refill time.Duration
}

// limiter slows guessing down: of one name from one place hard, of one name from anywhere and of any name from one place less,
// so that nobody is locked out by others.
type limiter struct {
	mu      sync.Mutex
	buckets *lru.Cache[string, bucket]
}

type bucket struct {
	left float64
	at   time.Time
}

const maxBuckets = 30_000

func newLimiter() *limiter {
	buckets, _ := lru.New[string, bucket](maxBuckets) // fails for sizes below 1 alone
	return &limiter{buckets: buckets}
}

func keys(name, remote string) map[string]pace {
	place := network(remote)
	return map[string]pace{
		"p" + place + " " + name: {5, 15 * time.Second},
		"n" + name:               {50, 5 * time.Second},
		"a" + place:              {30, 2 * time.Second},
	}
}

// network is what one attacker is counted as: an IPv4 address, an IPv6 /64.
func network(remote string) string {
	a, err := netip.ParseAddr(remote)
	if err != nil {
		return remote
	}
	a = a.Unmap().WithZone("")
	if a.Is6() {
		p, _ := a.Prefix(64)
		return p.String()
	}
	return a.String()
}

// take counts an attempt; when one may not be made it says how long to wait.
func (l *limiter) take(name, remote string, now time.Time) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := keys(name, remote)
	next := make(map[string]bucket, len(all))
	for key, p := range all {
		b, ok := l.buckets.Get(key)
		if !ok {
			b = bucket{p.burst, now}
		}
		b.left = min(p.burst, b.left+float64(now.Sub(b.at))/float64(p.refill))
		b.at = now
		if b.left < 1 {
			wait = max(wait, time.Duration((1-b.left)*float64(p.refill)))
		}
		b.left--
		next[key] = b
	}
	if wait > 0 {
		return wait
	}
	for key, b := range next {
		l.buckets.Add(key, b)
	}
	return 0
}

// forgive forgets the attempts of who has signed in.
func (l *limiter) forgive(name, remote string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key := range keys(name, remote) {
		l.buckets.Remove(key)
	}
}
