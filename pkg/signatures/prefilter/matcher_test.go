package prefilter

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func lowered(b []byte) []byte {
	out := bytes.Clone(b)
	for i, c := range out {
		if 'A' <= c && c <= 'Z' {
			out[i] = c + 0x20
		}
	}
	return out
}

// naive is the definition: where which patterns occur.
func naive(patterns []Pattern, buf []byte) (all []Match) {
	for i, p := range patterns {
		b, s := buf, p.Bytes
		if p.NoCase {
			b, s = lowered(b), lowered(s)
		}
		for at := 0; len(s) > 0 && at+len(s) <= len(b); at++ {
			if bytes.HasPrefix(b[at:], s) {
				all = append(all, Match{uint32(i), at + len(s)})
			}
		}
	}
	return all
}

func idsOf(all []Match) (ids []uint32) {
	for _, m := range all {
		ids = append(ids, m.Pattern)
	}
	return slices.Compact(ids)
}

// kernels are all that this machine can run: each for both loops.
func kernels() (all []kernel) {
	for _, i := range available() {
		k := kernel{grams: i, short: i}
		if !i.hasGrams() {
			k.grams = portable
		}
		if !i.hasShort() {
			k.short = portable
		}
		all = append(all, k)
	}
	return all
}

// check scans each of bufs alone and all of them in a batch, on every kernel.
func check(t *testing.T, patterns []Pattern, s *Scratch, bufs ...[]byte) {
	t.Helper()
	m := build(patterns, kernel{})
	for _, m.kernel = range kernels() {
		var want []Found
		for i, buf := range bufs {
			all := naive(patterns, buf)
			if got := m.Ends(buf, s, nil); !slices.Equal(got, all) {
				t.Fatalf("%v: in %q found %v, want %v of %v", m.kernel, buf, got, all, patterns)
			}
			got := m.Scan(buf, s, nil)
			slices.Sort(got)
			if want := idsOf(all); !slices.Equal(got, want) {
				t.Fatalf("%v: in %q found %v, want %v of %v", m.kernel, buf, got, want, patterns)
			}
			for _, id := range idsOf(all) {
				want = append(want, Found{i, id})
			}
		}
		got := m.ScanBatch(bufs, s, nil)
		if got = compact(got); !slices.Equal(got, want) {
			t.Fatalf("%v: in the batch of %d found %v, want %v", m.kernel, len(bufs), got, want)
		}
	}
}

func TestScan(t *testing.T) {
	patterns := []Pattern{
		{[]byte("a"), false}, {[]byte("B"), true}, {[]byte("xy"), false}, {[]byte("Xyz"), true}, {[]byte("abcd"), false},
		{[]byte("abcde"), false}, {[]byte("ABCDEF"), true}, {[]byte("User-Agent"), false}, {[]byte("user-agent: evil"), true},
		{bytes.Repeat([]byte{0}, 16), false}, {[]byte("/cgi-bin/../../etc/passwd"), false}, {[]byte("@@@@"), true}, {[]byte("````"), true}, {nil, false},
		{append(make([]byte, 40), "end of zeros"...), false}, {append([]byte("begin of zeros"), make([]byte, 40)...), true}, {[]byte("[@`{"), true},
	}
	more := filler(2000)
	var s Scratch
	for _, text := range []string{"", "a", "A", "xyZ", "ABCDEFG", "abcdef", "xxUser-Agent: EVIL", "GET /cgi-bin/../../etc/passwd HTTP/1.0",
		string(make([]byte, 15)), string(make([]byte, 16)), string(make([]byte, 500)), "@@@@", "````",
		"begin of zeros" + string(make([]byte, 300)) + "end of zeros", "{`@["} {
		for pad := range 8 {
			buf := append(bytes.Repeat([]byte("-"), pad), text...)
			check(t, patterns, &s, buf)
			if pad < 2 {
				check(t, append(patterns[:len(patterns):len(patterns)], more...), &s, buf)
			}
		}
	}
}

// filler makes patterns so many that every tier has a table of its own.
func filler(n int) (all []Pattern) {
	r := rand.New(rand.NewPCG(3, 4))
	for i := range n {
		all = append(all, Pattern{fmt.Appendf(nil, "%x", r.Uint64())[:2+i%14], i%3 == 0})
	}
	return all
}

// TestScanAtRandom has patterns and buffers of few different bytes, so that much almost fits, of sizes around those of vectors.
func TestScanAtRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = "abAB\x00 \xe1\xc1"[r.IntN(8)]
			if i > 0 && r.IntN(2) == 0 {
				b[i] = b[i-1]
			}
		}
		return b
	}
	var s Scratch
	for i := range 120 {
		var patterns []Pattern
		for range 1 + r.IntN([]int{20, 100, 800}[i%3]) {
			patterns = append(patterns, Pattern{random(1 + r.IntN(20)), r.IntN(2) == 0})
		}
		if i%10 == 9 {
			patterns = append(patterns, filler(1500)...)
		}
		var bufs [][]byte
		for range 8 {
			bufs = append(bufs, random(r.IntN(300)))
		}
		check(t, patterns, &s, append(bufs, random(600+r.IntN(200)))...)
	}
}

// TestScanLongBuffers crosses the blocks in which kernels are called.
func TestScanLongBuffers(t *testing.T) {
	patterns := append(filler(1500), Pattern{[]byte("here it is at last"), true}, Pattern{[]byte("bc"), false}, Pattern{make([]byte, 30), false})
	var s Scratch
	m := build(patterns, kernel{})
	for _, at := range []int{hitsMax - 9, hitsMax - 1, 2*hitsMax + 5, 4*hitsMax - 12, 4*hitsMax - 2, 8*hitsMax + 1} {
		buf := bytes.Repeat([]byte{'.'}, 10*hitsMax)
		copy(buf[at:], "Here it is at last")
		copy(buf[at+500:], make([]byte, 700))
		want := naive(patterns, buf)
		for _, m.kernel = range kernels() {
			if got := m.Ends(buf, &s, nil); !slices.Equal(got, want) {
				t.Errorf("%v: at %d found %v, want %v", m.kernel, at, got, want)
			}
			got := m.Scan(buf, &s, nil)
			if slices.Sort(got); !slices.Equal(got, idsOf(want)) {
				t.Errorf("%v: at %d found %v, want %v", m.kernel, at, got, idsOf(want))
			}
		}
	}
}

func FuzzScan(f *testing.F) {
	f.Add([]byte("\x03abc\x85Hello\x0bhello world"), []byte("say HELLO WORLD abc"), false)
	f.Add([]byte("\x0c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00a"), make([]byte, 100), true)
	more := filler(1000)
	f.Fuzz(func(t *testing.T, set, buf []byte, many bool) {
		var patterns []Pattern
		for len(set) > 0 && len(patterns) < 64 {
			n := min(int(set[0]&0x1f), len(set)-1)
			patterns = append(patterns, Pattern{set[1 : 1+n], set[0]&0x80 != 0})
			set = set[1+n:]
		}
		if many {
			patterns = append(patterns, more...)
		}
		var s Scratch
		half := len(buf) / 2
		check(t, patterns, &s, buf, buf[:half], buf[half:])
	})
}

func TestScanAllocatesNothing(t *testing.T) {
	m := Build(append(filler(1500), Pattern{[]byte("needle in it"), false}, Pattern{[]byte("hAy"), true}, Pattern{[]byte("Q"), true}))
	var s Scratch
	found := make([]uint32, 0, 8)
	pairs := make([]Found, 0, 8)
	buf := []byte("a HAY stack with a needle in it, a q")
	bufs := [][]byte{buf, buf, nil}
	scan := func() {
		if len(m.Scan(buf, &s, found)) != 3 || len(m.ScanBatch(bufs, &s, pairs)) != 6 {
			t.Fatal("not found")
		}
	}
	if n := testing.AllocsPerRun(100, scan); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestEpochsWrap finds the same before and after the counter of scans begins again.
func TestEpochsWrap(t *testing.T) {
	patterns := []Pattern{{[]byte("needle"), false}}
	var s Scratch
	check(t, patterns, &s, []byte("a needle"))
	for s.epoch = 1<<32 - 4; s.epoch > 1<<31; {
		check(t, patterns, &s, []byte("a needle"), []byte("no"), []byte("needle, needle"))
	}
}

// TestRuns has buffers of long runs, parts of which are skipped, and patterns that begin, end and lie in such runs.
func TestRuns(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	runs := func(n int) (b []byte) {
		for range n {
			b = append(b, bytes.Repeat([]byte{"\x00 aA"[r.IntN(4)]}, 1+r.IntN(1+r.IntN(60)))...)
		}
		return b
	}
	more := filler(1000)
	var s Scratch
	for range 60 {
		buf, other := runs(12), runs(12)
		var patterns []Pattern
		for range 20 {
			from := [...][]byte{buf, other}[r.IntN(2)]
			at := r.IntN(len(from))
			patterns = append(patterns, Pattern{from[at:min(at+2+r.IntN(24), len(from))], r.IntN(2) == 0})
		}
		check(t, patterns, &s, buf)
		check(t, append(patterns, more...), &s, buf, other)
	}
}
