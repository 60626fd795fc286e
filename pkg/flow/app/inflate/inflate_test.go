package inflate

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"math/rand"
	"testing"
)

func samples() [][]byte {
	rng := rand.New(rand.NewSource(1))
	noise := make([]byte, 70000)
	rng.Read(noise)
	words := []byte{}
	for range 40000 {
		words = append(words, "abcdefgh "[rng.Intn(9)])
	}
	return [][]byte{nil, []byte("a"), []byte("hello hello hello hello"), bytes.Repeat([]byte("x"), 200000), noise, words}
}

func pack(t testing.TB, f Format, level int, data []byte) []byte {
	var b bytes.Buffer
	var w io.WriteCloser
	var err error
	switch f {
	case Raw:
		w, err = flate.NewWriter(&b, level)
	case Zlib:
		w, err = zlib.NewWriterLevel(&b, level)
	case Gzip:
		var g *gzip.Writer
		g, err = gzip.NewWriterLevel(&b, level)
		g.Name, g.Comment, g.Extra = "name", "comment", []byte("extra")
		w = g
	}
	if err != nil {
		t.Fatal(err)
	}
	w.Write(data)
	w.Close()
	return b.Bytes()
}

func unpack(r *Reader, data []byte, piece int) ([]byte, error) {
	var got []byte
	for len(data) > 0 {
		n := min(piece, len(data))
		if err := r.Write(data[:n], func(b []byte) bool { got = append(got, b...); return len(got) < 1<<22 }); err != nil {
			return got, err
		}
		data = data[n:]
	}
	return got, nil
}

func TestRoundTrip(t *testing.T) {
	for _, f := range []Format{Raw, Zlib, Gzip} {
		for _, level := range []int{flate.NoCompression, flate.BestSpeed, flate.BestCompression, flate.HuffmanOnly} {
			for i, want := range samples() {
				for _, piece := range []int{1, 7, 1460, 1 << 20} {
					r := New(f)
					got, err := unpack(r, pack(t, f, level, want), piece)
					if err != nil || !bytes.Equal(got, want) || !r.Done() {
						t.Fatalf("format %d level %d sample %d pieces of %d: %d of %d bytes, done %v: %v", f, level, i, piece, len(got), len(want), r.Done(), err)
					}
				}
			}
		}
	}
}

func TestGzipMembers(t *testing.T) {
	two := append(pack(t, Gzip, 6, []byte("one ")), pack(t, Gzip, 6, []byte("two"))...)
	got, err := unpack(New(Gzip), append(two, "trailing garbage"...), 3)
	if err != nil || string(got) != "one two" {
		t.Errorf("got %q, %v; want both members without what follows", got, err)
	}
}

func TestCorrupt(t *testing.T) {
	good := pack(t, Gzip, 6, samples()[5])
	bad := append([]byte{}, good...)
	bad[len(bad)/2] ^= 0xff
	if got, _ := unpack(New(Gzip), bad, 100); len(got) == 0 {
		t.Error("nothing decoded before the corrupt byte")
	}
	for name, data := range map[string][]byte{"not gzip": []byte("plain text, long enough"), "block type 3": append(good[:0:0], 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0, 7)} {
		if _, err := unpack(New(Gzip), data, 100); err != ErrCorrupt {
			t.Errorf("%s: error %v; want ErrCorrupt", name, err)
		}
	}
}

func TestStop(t *testing.T) {
	r, n := New(Raw), 0
	r.Write(pack(t, Raw, 9, make([]byte, 1<<24)), func(b []byte) bool { n += len(b); return n < 100000 })
	if n > 300000 {
		t.Errorf("%d bytes handed over after the taker said stop", n)
	}
	if err := r.Write([]byte{0}, func([]byte) bool { t.Error("called again"); return true }); err == nil {
		t.Error("no error after stopping")
	}
}

// FuzzInflate compares with the standard library: all that it decodes we decode too, whatever the pieces.
func FuzzInflate(f *testing.F) {
	for _, s := range samples()[:3] {
		f.Add(pack(f, Raw, 6, s), byte(5))
		f.Add(pack(f, Gzip, 6, s), byte(1))
	}
	f.Fuzz(func(t *testing.T, data []byte, piece byte) {
		want, wantErr := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(data)), 1<<20))
		got, err := unpack(New(Raw), data, int(piece)+1)
		if wantErr == nil && len(want) < 1<<20 && (err != nil || !bytes.Equal(got, want)) {
			t.Errorf("decoded %d bytes, %v; compress/flate decodes %d", len(got), err, len(want))
		}
		unpack(New(Gzip), data, int(piece)+1)
		unpack(New(Zlib), data, int(piece)+1)
	})
}
