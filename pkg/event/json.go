package event

import (
	"encoding/base64"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/weir-ips/weir/pkg/decode"
)

// encoder appends JSON to a buffer. A comma is due whenever the last byte does not open an object or a list, so no
// state is kept: every value ends in a quote, a digit, a letter or a closing bracket.
type encoder struct{ b []byte }

func (e *encoder) reset() { e.b = e.b[:0] }

func (e *encoder) comma() {
	if n := len(e.b); n > 0 && e.b[n-1] != '{' && e.b[n-1] != '[' && e.b[n-1] != ':' {
		e.b = append(e.b, ',')
	}
}

// key begins a member of an object. name is ours and needs no escape.
func (e *encoder) key(name string) {
	b := slices.Grow(e.b, len(name)+4)
	if n := len(b); n > 0 && b[n-1] != '{' && b[n-1] != '[' && b[n-1] != ':' {
		b = append(b, ',')
	}
	b = append(b, '"')
	b = append(b, name...)
	e.b = append(b, '"', ':')
}

func (e *encoder) open(name string) { e.key(name); e.b = append(e.b, '{') }
func (e *encoder) close()           { e.b = append(e.b, '}') }
func (e *encoder) list(name string) { e.key(name); e.b = append(e.b, '[') }
func (e *encoder) end()             { e.b = append(e.b, ']') }

// item begins an object in a list; close ends it.
func (e *encoder) item() { e.comma(); e.b = append(e.b, '{') }

// mark and dropEmpty let an object be opened before it is known whether it has members.
func (e *encoder) mark() int { return len(e.b) }

// closeOrDrop closes what was opened after mark, or takes it back if it is empty.
func (e *encoder) closeOrDrop(mark int, end byte) {
	if c := e.b[len(e.b)-1]; c == '{' || c == '[' {
		e.b = e.b[:mark]
		return
	}
	e.b = append(e.b, end)
}

func (e *encoder) str(name, v string)          { e.key(name); e.quote(v) }
func (e *encoder) text(name string, v []byte)  { e.key(name); e.quoteBytes(v) }
func (e *encoder) num(name string, v uint64)   { e.key(name); e.b = strconv.AppendUint(e.b, v, 10) }
func (e *encoder) signed(name string, v int64) { e.key(name); e.b = strconv.AppendInt(e.b, v, 10) }
func (e *encoder) flag(name string, v bool)    { e.key(name); e.b = strconv.AppendBool(e.b, v) }

// textIf writes v unless it is empty.
func (e *encoder) textIf(name string, v []byte) {
	if len(v) > 0 {
		e.text(name, v)
	}
}

// strIf writes v unless it is empty.
func (e *encoder) strIf(name, v string) {
	if v != "" {
		e.str(name, v)
	}
}

func (e *encoder) elemStr(v string)  { e.comma(); e.quote(v) }
func (e *encoder) elemText(v []byte) { e.comma(); e.quoteBytes(v) }
func (e *encoder) elemNum(v uint64)  { e.comma(); e.b = strconv.AppendUint(e.b, v, 10) }

func (e *encoder) base64(name string, v []byte) {
	e.key(name)
	e.b = append(e.b, '"')
	e.b = base64.StdEncoding.AppendEncode(e.b, v)
	e.b = append(e.b, '"')
}

const hexDigits = "0123456789abcdef"

func (e *encoder) hex(name string, v []byte) {
	e.key(name)
	e.b = append(e.b, '"')
	for _, c := range v {
		e.b = append(e.b, hexDigits[c>>4], hexDigits[c&15])
	}
	e.b = append(e.b, '"')
}

// hexColon writes aa:bb:cc, as MAC addresses, serial numbers and fingerprints are.
func (e *encoder) hexColon(name string, v []byte) { e.key(name); e.elemHexColon(v) }

func (e *encoder) elemHexColon(v []byte) {
	e.comma()
	e.b = append(e.b, '"')
	for i, c := range v {
		if i > 0 {
			e.b = append(e.b, ':')
		}
		e.b = append(e.b, hexDigits[c>>4], hexDigits[c&15])
	}
	e.b = append(e.b, '"')
}

// addr writes an address; IPv6 in full groups without :: as Suricata does.
func (e *encoder) addr(name string, a decode.Addr) {
	e.key(name)
	e.b = append(e.b, '"')
	e.b = AppendAddr(e.b, a)
	e.b = append(e.b, '"')
}

// AppendAddr appends a in EVE's form: dotted quad, or eight groups of four hexadecimal digits without compression.
func AppendAddr(b []byte, a decode.Addr) []byte {
	if a.Is4() {
		for i := 12; i < 16; i++ {
			if i > 12 {
				b = append(b, '.')
			}
			b = strconv.AppendUint(b, uint64(a[i]), 10)
		}
		return b
	}
	for i := 0; i < 16; i += 2 {
		if i > 0 {
			b = append(b, ':')
		}
		b = append(b, hexDigits[a[i]>>4], hexDigits[a[i]&15], hexDigits[a[i+1]>>4], hexDigits[a[i+1]&15])
	}
	return b
}

// printable writes v with every byte that is not printable ASCII, carriage return or newline as a dot.
func (e *encoder) printable(name string, v []byte) {
	e.key(name)
	e.b = append(e.b, '"')
	for _, c := range v {
		if (c < 0x20 && c != '\r' && c != '\n') || c > 0x7e {
			c = '.'
		}
		e.escape(c)
	}
	e.b = append(e.b, '"')
}

// quote writes s as it is when it is UTF-8, else with each byte above 0x7f as \xHH.
func (e *encoder) quote(s string) {
	e.b = append(e.b, '"')
	if n := plain(s); n == len(s) {
		e.b = append(e.b, s...)
	} else if utf8.ValidString(s) {
		escaped(e, s, n)
	} else {
		for i := range len(s) {
			e.escapeHigh(s[i])
		}
	}
	e.b = append(e.b, '"')
}

// quoteBytes is quote for bytes.
func (e *encoder) quoteBytes(v []byte) {
	e.b = append(e.b, '"')
	if n := plain(v); n == len(v) {
		e.b = append(e.b, v...)
	} else if utf8.Valid(v) {
		escaped(e, v, n)
	} else {
		for _, c := range v {
			e.escapeHigh(c)
		}
	}
	e.b = append(e.b, '"')
}

// escaped writes s, the first n bytes of which are plain.
func escaped[T string | []byte](e *encoder, s T, n int) {
	for {
		e.b = append(e.b, s[:n]...)
		if n == len(s) {
			return
		}
		e.escape(s[n])
		s = s[n+1:]
		n = plain(s)
	}
}

// plain returns how many of the first bytes of s are printable ASCII that JSON takes as it is: most text is plain to its end,
// which is found eight bytes at a time.
func plain[T string | []byte](s T) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(s); i += 8 {
		w := s[i : i+8]
		x := uint64(w[0]) | uint64(w[1])<<8 | uint64(w[2])<<16 | uint64(w[3])<<24 | uint64(w[4])<<32 | uint64(w[5])<<40 | uint64(w[6])<<48 | uint64(w[7])<<56
		quote, slash, del := x^ones*'"', x^ones*'\\', x^ones*0x7f
		// a byte that is zero, or below 0x20, borrows into its top bit; what is above 0x7f has it set
		if (x|(x-ones*0x20)|(quote-ones)|(slash-ones)|(del-ones))&tops != 0 {
			break
		}
	}
	for ; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			break
		}
	}
	return i
}

func (e *encoder) escapeHigh(c byte) {
	if c < utf8.RuneSelf {
		e.escape(c)
		return
	}
	e.b = append(e.b, '\\', '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
}

func (e *encoder) escape(c byte) {
	switch {
	case c == '"' || c == '\\':
		e.b = append(e.b, '\\', c)
	case c >= 0x20 && c != 0x7f:
		e.b = append(e.b, c)
	case c == '\n':
		e.b = append(e.b, '\\', 'n')
	case c == '\r':
		e.b = append(e.b, '\\', 'r')
	case c == '\t':
		e.b = append(e.b, '\\', 't')
	default:
		e.b = append(e.b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
	}
}

// numValue writes a number after its key.
func (e *encoder) numValue(v uint64) { e.b = strconv.AppendUint(e.b, v, 10) }
