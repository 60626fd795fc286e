package event

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/weir-ips/weir/pkg/decode"
)

func TestText(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"plain", "GET /", `"GET /"`},
		{"quotes and backslash", `a"b\c`, `"a\"b\\c"`},
		{"line ends", "a\r\n\tb", `"a\r\n\tb"`},
		{"control", "\x00\x1f\x7f", `"\u0000\u001f\u007f"`},
		{"utf-8 stays", "grün", `"grün"`},
		{"latin-1 is not utf-8", "gr\xfcn", `"gr\\xfcn"`},
		{"cut utf-8", "a\xc3", `"a\\xc3"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var e encoder
			e.quoteBytes([]byte(c.in))
			if string(e.b) != c.want {
				t.Errorf("bytes: %s, want %s", e.b, c.want)
			}
			e.reset()
			e.quote(c.in)
			if string(e.b) != c.want {
				t.Errorf("string: %s, want %s", e.b, c.want)
			}
		})
	}
}

func TestPrintable(t *testing.T) {
	var e encoder
	e.printable("p", []byte("A\x00\xff\x7f\r\n\t\"\\~"))
	if got, want := string(e.b), `"p":"A...\r\n.\"\\~"`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestNesting(t *testing.T) {
	var e encoder
	e.b = append(e.b, '{')
	e.num("a", 1)
	e.open("b")
	e.flag("c", true)
	mark := e.mark()
	e.list("empty")
	e.closeOrDrop(mark, ']')
	e.list("d")
	e.elemNum(1)
	e.elemStr("x")
	e.item()
	e.signed("y", -1)
	e.close()
	e.end()
	e.close()
	e.hexColon("m", []byte{0, 0xab})
	e.close()
	want := `{"a":1,"b":{"c":true,"d":[1,"x",{"y":-1}]},"m":"00:ab"}`
	if string(e.b) != want {
		t.Errorf("%s, want %s", e.b, want)
	}
}

func TestAddr(t *testing.T) {
	for _, c := range []struct {
		in   decode.Addr
		want string
	}{
		{decode.Addr{10: 0xff, 11: 0xff, 12: 10, 13: 0, 14: 200, 15: 7}, "10.0.200.7"},
		{decode.Addr{0: 0x20, 1: 1, 2: 0x0d, 3: 0xb8, 15: 1}, "2001:0db8:0000:0000:0000:0000:0000:0001"},
	} {
		if got := string(AppendAddr(nil, c.in)); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

func TestStamp(t *testing.T) {
	var s stamp
	for _, c := range []struct {
		ns   int64
		want string
	}{
		{1491603877251547000, "2017-04-07T22:24:37.251547+0000"},
		{1491603877000001999, "2017-04-07T22:24:37.000001+0000"},
		{1491603878000000000, "2017-04-07T22:24:38.000000+0000"},
		{0, "1970-01-01T00:00:00.000000+0000"},
		{-1000, "1969-12-31T23:59:59.999999+0000"},
	} {
		if got := string(s.append(nil, c.ns)); got != c.want {
			t.Errorf("%d: %s, want %s", c.ns, got, c.want)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\n"))
	f.Add([]byte("\x00\x1f\"\\\xff\xc3\x28"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var e encoder
		e.b = append(e.b, '{')
		e.text("text", in)
		e.printable("printable", in)
		e.base64("base64", in)
		e.close()
		var got struct {
			Text, Printable string
			Base64          []byte
		}
		if err := json.Unmarshal(e.b, &got); err != nil {
			t.Fatalf("%v in %s", err, e.b)
		}
		if string(got.Base64) != string(in) || len(got.Printable) != len(in) {
			t.Errorf("read back %+v of %q", got, in)
		}
		if utf8.Valid(in) && got.Text != string(in) {
			t.Errorf("read back %q of %q", got.Text, in)
		}
	})
}

// TestQuoteAnywhere holds the search for plain text, eight bytes at a time, against one byte at a time: every byte at every place.
func TestQuoteAnywhere(t *testing.T) {
	for size := range 19 {
		for at := range size {
			for c := range 256 {
				v := bytes.Repeat([]byte{'a'}, size)
				v[at] = byte(c)
				want := encoder{b: []byte{'"'}}
				for _, b := range v {
					want.escapeHigh(b)
				}
				want.b = append(want.b, '"')
				var text, str encoder
				text.quoteBytes(v)
				str.quote(string(v))
				if string(text.b) != string(want.b) || string(str.b) != string(want.b) {
					t.Fatalf("byte %#02x at %d of %d: %s and %s; want %s", c, at, size, text.b, str.b, want.b)
				}
			}
		}
	}
}
