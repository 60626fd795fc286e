package floods

import (
	"net/netip"
	"testing"
	"time"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/pkg/wire"
)

// BenchmarkLookAtMany looks at 50,000 destinations, a fifth of which have got packets since the last time; a look is due every 100 ms.
func BenchmarkLookAtMany(b *testing.B) {
	s := newScene(b, nil)
	var dsts []netip.Addr
	for i := range 50_000 {
		dsts = append(dsts, netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))
		s.count(dsts[i], bpf.ClassSYN, 1)
	}
	s.Look(s.now)
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		for n := i % 5; n < len(dsts); n += 5 {
			s.count(dsts[n], bpf.ClassSYN, 2)
		}
		s.now = s.now.Add(lookEvery)
		b.StartTimer()
		s.Look(s.now)
	}
}

// BenchmarkTally fills in what half a second has brought of them.
func BenchmarkTally(b *testing.B) {
	s := newScene(b, nil)
	for range 3 {
		for i := range 50_000 {
			s.count(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), bpf.ClassSYN, 2)
		}
		s.now = s.now.Add(lookEvery)
		s.Look(s.now)
	}
	s.plan = &wire.SketchPlan{Epoch: 1, Seed: 2}
	for b.Loop() {
		s.tallied = time.Time{}
		var t wire.Tally
		s.Tally(&t, s.now)
	}
}
