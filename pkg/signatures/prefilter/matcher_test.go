package prefilter

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// naive is the definition: which patterns occur.
func naive(patterns []Pattern, buf []byte) (found []uint32) {
	for i, p := range patterns {
		b, s := buf, p.Bytes
		if p.NoCase {
			b, s = lowered(b), lowered(s)
		}
		if len(s) > 0 && bytes.Contains(b, s) {
			found = append(found, uint32(i))
		}
	}
	return found
}

func check(t *testing.T, patterns []Pattern, m *Matcher, s *Scratch, buf []byte) {
	t.Helper()
	got := m.Scan(buf, s, nil)
	slices.Sort(got)
	if want := naive(patterns, buf); !slices.Equal(got, want) {
		t.Fatalf("in %q found %v, want %v of %v", buf, got, want, patterns)
	}
}

func TestScan(t *testing.T) {
	patterns := []Pattern{
		{[]byte("a"), false}, {[]byte("B"), true}, {[]byte("xy"), false}, {[]byte("Xyz"), true}, {[]byte("abcd"), false},
		{[]byte("abcde"), false}, {[]byte("ABCDEF"), true}, {[]byte("User-Agent"), false}, {[]byte("user-agent: evil"), true},
		{bytes.Repeat([]byte{0}, 16), false}, {[]byte("/cgi-bin/../../etc/passwd"), false}, {[]byte("@@@@"), true}, {[]byte("````"), true}, {nil, false},
	}
	m := Build(patterns)
	var s Scratch
	for _, text := range []string{"", "a", "A", "xyZ", "ABCDEFG", "abcdef", "xxUser-Agent: EVIL", "GET /cgi-bin/../../etc/passwd HTTP/1.0",
		string(make([]byte, 15)), string(make([]byte, 16)), string(make([]byte, 500)), "@@@@", "````"} {
		for pad := range 8 {
			check(t, patterns, m, &s, append(bytes.Repeat([]byte("-"), pad), text...))
		}
	}
}

func TestScanAtRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = "abAB\x00 "[r.IntN(6)]
		}
		return b
	}
	var s Scratch
	for range 200 {
		var patterns []Pattern
		for range 1 + r.IntN(60) {
			patterns = append(patterns, Pattern{random(1 + r.IntN(16)), r.IntN(2) == 0})
		}
		m := Build(patterns)
		for range 20 {
			check(t, patterns, m, &s, random(r.IntN(200)))
		}
	}
}

func FuzzScan(f *testing.F) {
	f.Add([]byte("\x03abc\x85Hello\x0bhello world"), []byte("say HELLO WORLD abc"))
	f.Fuzz(func(t *testing.T, set, buf []byte) {
		var patterns []Pattern
		for len(set) > 0 && len(patterns) < 64 {
			n := min(int(set[0]&0x1f), len(set)-1)
			patterns = append(patterns, Pattern{set[1 : 1+n], set[0]&0x80 != 0})
			set = set[1+n:]
		}
		var s Scratch
		check(t, patterns, Build(patterns), &s, buf)
	})
}

func TestScanAllocatesNothing(t *testing.T) {
	m := Build([]Pattern{{[]byte("needle in it"), false}, {[]byte("hay"), true}})
	var s Scratch
	found := make([]uint32, 0, 8)
	buf := []byte("a HAY stack with a needle in it")
	if n := testing.AllocsPerRun(100, func() {
		if len(m.Scan(buf, &s, found)) != 2 {
			t.Fatal("not found")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkScan(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	words := bytes.Fields([]byte("get post index admin login user agent mozilla windows cookie session token content type accept host update config shell exec"))
	var patterns []Pattern
	for range 5000 {
		var p []byte
		for range 2 + r.IntN(3) {
			p = append(append(p, "/=&.?"[r.IntN(5)]), words[r.IntN(len(words))]...)
		}
		patterns = append(patterns, Pattern{p, r.IntN(2) == 0})
	}
	m := Build(patterns)
	buf := []byte("GET /images/logo/header.png?v=20240101&cache=true HTTP/1.1\r\nHost: static.example.org\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n" +
		"Accept: image/webp,image/apng,*/*;q=0.8\r\nReferer: https://www.example.org/\r\nAccept-Encoding: gzip, deflate\r\n\r\n")
	buf = bytes.Repeat(buf, 8)[:1460]
	var s Scratch
	var found []uint32
	b.SetBytes(int64(len(buf)))
	for b.Loop() {
		found = m.Scan(buf, &s, found[:0])
	}
}
