package peers

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-ips/weir/pkg/signatures/prefilter"
	"github.com/weir-ips/weir/pkg/signatures/prefilter/prefiltertest"
	"github.com/weir-ips/weir/test/peers/hyperscan"
)

// threadTime returns the processor time of this thread.
func threadTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		panic(err)
	}
	return time.Duration(t.Nano())
}

func took(f func()) time.Duration {
	begin := threadTime()
	f()
	return threadTime() - begin
}

// pair is one group on one kind of traffic in pieces of one size.
type pair struct {
	m      *prefilter.Matcher
	db     *hyperscan.Database
	s      prefilter.Scratch
	found  []uint32
	chunks [][]byte
}

func (p *pair) ours() {
	for _, c := range p.chunks {
		p.found = p.m.Scan(c, &p.s, p.found[:0])
	}
}

func (p *pair) theirs() {
	for _, c := range p.chunks {
		p.db.Count(c)
	}
}

// measure runs both by turns and returns the median of the ratios, Hyperscan's time over ours, and our median time.
func (p *pair) measure(runs int) (ratio float64, ours time.Duration) {
	var ratios []float64
	var times []time.Duration
	for range runs {
		a, b := took(p.ours), took(p.theirs)
		ratios, times = append(ratios, float64(b)/float64(a)), append(times, a)
	}
	slices.Sort(ratios)
	slices.Sort(times)
	return ratios[runs/2], times[runs/2]
}

// BenchmarkAgainstHyperscan reports how many times as fast as Hyperscan through cgo we are: the geometric mean over groups,
// for each class of traffic and size of chunk. Both report each pattern once in a chunk.
func BenchmarkAgainstHyperscan(b *testing.B) {
	dir, reason := prefiltertest.Data()
	if dir == "" {
		b.Skip(reason)
	}
	groups, err := prefiltertest.Groups(dir, 150)
	if err != nil {
		b.Fatal(err)
	}
	traffic, err := prefiltertest.Payloads(dir, 512<<10)
	if err != nil {
		b.Fatal(err)
	}
	grams, short := prefilter.Kernels()
	b.Logf("hyperscan %s; kernels %s and %s", hyperscan.Version(), grams, short)
	pairs := make([]pair, len(groups))
	for i, g := range groups {
		pairs[i].m, pairs[i].db = prefilter.Build(g.Patterns), compile(b, g.Patterns, true)
	}
	for _, tr := range traffic {
		for _, size := range []int{64, 512, 1460, 16384} {
			b.Run(fmt.Sprintf("%s/%d", tr.Name, size), func(b *testing.B) {
				runtime.LockOSThread() // its time is what is measured
				defer runtime.UnlockOSThread()
				for b.Loop() {
					sum, rate := 0.0, 0.0
					for i := range pairs {
						p := &pairs[i]
						p.chunks = tr.Chunks(size)
						ratio, t := p.measure(5)
						sum += math.Log(ratio)
						rate += math.Log(float64(len(tr.Data)) / float64(t))
						b.Logf("%-40s %5d patterns %6.2f GB/s %5.2f", groups[i].Name, p.m.Len(), float64(len(tr.Data))/float64(t), ratio)
					}
					b.ReportMetric(math.Exp(sum/float64(len(pairs))), "times-hyperscan")
					b.ReportMetric(math.Exp(rate/float64(len(pairs))), "GB/s")
				}
			})
		}
	}
}
