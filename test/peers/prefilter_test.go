// Package peers compares parts of Weir with other programs' by cgo: a module of its own, so that the product needs no C.
package peers

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/weir-ips/weir/pkg/signatures/prefilter"
	"github.com/weir-ips/weir/pkg/signatures/prefilter/prefiltertest"
	"github.com/weir-ips/weir/test/peers/hyperscan"
)

func literals(patterns []prefilter.Pattern) (all []hyperscan.Literal) {
	for _, p := range patterns {
		all = append(all, hyperscan.Literal(p))
	}
	return all
}

func compile(t testing.TB, patterns []prefilter.Pattern, once bool) *hyperscan.Database {
	t.Helper()
	db, err := hyperscan.Compile(literals(patterns), once)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

// same compares every occurrence that both find.
func same(t *testing.T, m *prefilter.Matcher, db *hyperscan.Database, s *prefilter.Scratch, buf []byte) int {
	t.Helper()
	got := m.Ends(buf, s, nil)
	var want []prefilter.Match
	for _, x := range db.Scan(buf) {
		want = append(want, prefilter.Match(x))
	}
	slices.SortFunc(want, func(a, b prefilter.Match) int {
		return cmp.Or(cmp.Compare(a.Pattern, b.Pattern), cmp.Compare(a.End, b.End))
	})
	if !slices.Equal(got, want) {
		t.Fatalf("in %q: found %v, hyperscan %v", buf, got, want)
	}
	ids := m.Scan(buf, s, nil)
	slices.Sort(ids)
	once := slices.CompactFunc(want, func(a, b prefilter.Match) bool { return a.Pattern == b.Pattern })
	if !slices.EqualFunc(ids, once, func(id uint32, m prefilter.Match) bool { return id == m.Pattern }) {
		t.Fatalf("in %q: found %v once, hyperscan %v", buf, ids, once)
	}
	return len(want)
}

// TestSameAsHyperscan compares occurrences on groups of ET Open in real payloads, cut to many sizes.
func TestSameAsHyperscan(t *testing.T) {
	dir, reason := prefiltertest.Data()
	if dir == "" {
		t.Skip(reason)
	}
	groups, err := prefiltertest.Groups(dir, 32)
	if err != nil {
		t.Fatal(err)
	}
	traffic, err := prefiltertest.Payloads(dir, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	var s prefilter.Scratch
	for _, g := range groups {
		m, db := prefilter.Build(g.Patterns), compile(t, g.Patterns, false)
		found := 0
		for _, tr := range traffic {
			for i, size := range []int{7, 13, 64, 67, 130, 512, 1460, 9000} {
				part := prefiltertest.Traffic{Data: tr.Data[i*len(tr.Data)/8 : (i+1)*len(tr.Data)/8]}
				for _, c := range part.Chunks(size) {
					found += same(t, m, db, &s, c)
				}
			}
		}
		t.Logf("%s: %d patterns, %d occurrences", g.Name, len(g.Patterns), found)
	}
}

// TestSameAsHyperscanAtRandom compares on patterns and buffers of few different bytes.
func TestSameAsHyperscanAtRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = "abAB@`\x00\xff"[r.IntN(8)]
		}
		return b
	}
	var s prefilter.Scratch
	for i := range 150 {
		var patterns []prefilter.Pattern
		for range 1 + r.IntN([]int{20, 200, 1500}[i%3]) {
			patterns = append(patterns, prefilter.Pattern{Bytes: random(1 + r.IntN(20)), NoCase: r.IntN(2) == 0})
		}
		m, db := prefilter.Build(patterns), compile(t, patterns, false)
		for range 20 {
			same(t, m, db, &s, random(r.IntN(300)))
		}
	}
}
