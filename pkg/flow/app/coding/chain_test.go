package coding

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
)

func pack(w func(io.Writer) io.WriteCloser, s string) string {
	var b bytes.Buffer
	c := w(&b)
	io.WriteString(c, s)
	c.Close()
	return b.String()
}

func gz(s string) string {
	return pack(func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }, s)
}
func zl(s string) string {
	return pack(func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }, s)
}
func br(s string) string {
	return pack(func(w io.Writer) io.WriteCloser { return brotli.NewWriter(w) }, s)
}

func TestChain(t *testing.T) {
	text := strings.Repeat("what is looked for ", 500)
	for _, c := range []struct{ value, data, want, event string }{
		{"gzip", gz(text), text, ""}, {"X-GZIP", gz(text), text, ""}, {"deflate", zl(text), text, ""}, {"br", br(text), text, ""},
		{"gzip, br", br(gz(text)), text, ""}, {"deflate", gz(text), text, ""}, {"gzip", zl(text), text, ""},
		{"identity", text, text, ""}, {"", text, text, ""},
		{"gzip", text, text, Failed}, {"br", "\xff\xff\xff" + text, "", Failed},
		{"my-gzip", gz(text), text, AbnormalName}, {"nonsense", text, text, AbnormalName},
		{"gzip, gzip, gzip", gz(gz(gz(text))), gz(text), TooManyLayers},
	} {
		for _, n := range []int{1, 100, 1 << 20} {
			var got []byte
			var events []string
			sink := func(d []byte) bool { got = append(got, d...); return true }
			ch := New([]byte(c.value), Config{Layers: 2, Bomb: 1 << 20}, func(e string) { events = append(events, e) })
			for data := []byte(c.data); len(data) > 0; data = data[min(n, len(data)):] {
				ch.Write(data[:min(n, len(data))], sink)
			}
			ch.Flush(sink)
			if c.want != "" && string(got) != c.want || c.event != "" && !slices.Contains(events, c.event) || c.event == "" && len(events) > 0 {
				t.Errorf("%q in pieces of %d: %d bytes, want %d; events %v, want %q", c.value, n, len(got), len(c.want), events, c.event)
			}
		}
	}
}

func TestNil(t *testing.T) {
	var c *Chain
	n := 0
	c.Write([]byte("abc"), func(d []byte) bool { n += len(d); return true })
	c.Flush(nil)
	c.Drop()
	if n != 3 {
		t.Errorf("%d bytes pass a nil chain, want 3", n)
	}
}
