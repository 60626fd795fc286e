package prefilter_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/weir-ips/weir/pkg/signatures/prefilter"
	"github.com/weir-ips/weir/pkg/signatures/prefilter/prefiltertest"
)

// BenchmarkScan scans real payloads for real groups of patterns with the kernels of this machine.
func BenchmarkScan(b *testing.B) { scan(b, prefilter.Build) }

// BenchmarkPortable does the same in plain Go.
func BenchmarkPortable(b *testing.B) { scan(b, prefilter.BuildPortable) }

func scan(b *testing.B, build func([]prefilter.Pattern) *prefilter.Matcher) {
	dir, reason := prefiltertest.Data()
	if dir == "" {
		b.Skip(reason)
	}
	groups, err := prefiltertest.Groups(dir, 100)
	if err != nil {
		b.Fatal(err)
	}
	traffic, err := prefiltertest.Payloads(dir, 512<<10)
	if err != nil {
		b.Fatal(err)
	}
	names := []string{"http.uri to server", "tcp to client", "http.user_agent to server", "http.response_body to client"}
	for _, g := range groups {
		if !slices.Contains(names, g.Name) {
			continue
		}
		m := build(g.Patterns)
		for _, tr := range traffic {
			for _, size := range []int{64, 512, 1460, 16384} {
				b.Run(fmt.Sprintf("%s/%d/%s/%d", g.Name, len(g.Patterns), tr.Name, size), func(b *testing.B) {
					scanChunks(b, m, tr.Chunks(size))
				})
			}
		}
	}
}

// BenchmarkPortableGroups reports how fast plain Go is on the groups of up to a thousand patterns: the geometric mean, by class of
// traffic and size of the buffers.
func BenchmarkPortableGroups(b *testing.B) {
	dir, reason := prefiltertest.Data()
	if dir == "" {
		b.Skip(reason)
	}
	groups, err := prefiltertest.Groups(dir, 20)
	if err != nil {
		b.Fatal(err)
	}
	groups = slices.DeleteFunc(groups, func(g prefiltertest.Group) bool { return len(g.Patterns) > 1000 })
	traffic, err := prefiltertest.Payloads(dir, 64<<10)
	if err != nil {
		b.Fatal(err)
	}
	var matchers []*prefilter.Matcher
	for _, g := range groups {
		matchers = append(matchers, prefilter.BuildPortable(g.Patterns))
	}
	for _, tr := range traffic {
		for _, size := range []int{64, 1460} {
			b.Run(fmt.Sprintf("%s/%d", tr.Name, size), func(b *testing.B) { portableGroups(b, matchers, tr.Chunks(size), len(tr.Data)) })
		}
	}
}

func portableGroups(b *testing.B, matchers []*prefilter.Matcher, chunks [][]byte, size int) {
	var s prefilter.Scratch
	var found []uint32
	fastest := make([]time.Duration, len(matchers))
	for b.Loop() {
		for i, m := range matchers {
			begin := time.Now()
			for _, c := range chunks {
				found = m.Scan(c, &s, found[:0])
			}
			if d := time.Since(begin); fastest[i] == 0 || d < fastest[i] { // what others on the machine take is not counted
				fastest[i] = d
			}
		}
	}
	sum := 0.0
	for _, d := range fastest {
		sum += math.Log(float64(size) / float64(d))
	}
	b.ReportMetric(math.Exp(sum/float64(len(matchers))), "GB/s")
	b.ReportMetric(float64(len(matchers)), "groups")
}

func scanChunks(b *testing.B, m *prefilter.Matcher, chunks [][]byte) {
	var s prefilter.Scratch
	var found []uint32
	total := 0
	for _, c := range chunks {
		total += len(c)
	}
	b.SetBytes(int64(total))
	b.ReportAllocs()
	for b.Loop() {
		for _, c := range chunks {
			found = m.Scan(c, &s, found[:0])
		}
	}
}

// BenchmarkBuild builds the matcher of the largest group.
func BenchmarkBuild(b *testing.B) {
	dir, reason := prefiltertest.Data()
	if dir == "" {
		b.Skip(reason)
	}
	groups, err := prefiltertest.Groups(dir, 1)
	if err != nil {
		b.Fatal(err)
	}
	var all []prefilter.Pattern
	for _, g := range groups {
		all = append(all, g.Patterns...)
	}
	all = all[:min(len(all), 25000)]
	for b.Loop() {
		b.ReportMetric(float64(prefilter.Build(all).Size())/1e6, "MB")
	}
	b.ReportMetric(float64(len(all)), "patterns")
}
