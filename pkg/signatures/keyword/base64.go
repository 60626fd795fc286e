package keyword

import (
	"errors"
	"fmt"
	"strings"

	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

// maxBase64 bounds decoded bytes.
const maxBase64 = 65535

// base64Decode decodes a part of the buffer; its items look at the result.
type base64Decode struct {
	bytes  int // encoded bytes to take; 0 for all
	offset int
	rel    bool
	items  []item
}

func (d *base64Decode) relative() bool { return d.rel }

func (d *base64Decode) match(in *Inspection) bool {
	from := d.offset
	if d.rel {
		from += in.pos
	}
	if from < 0 || from >= len(in.buf) {
		return false
	}
	b := in.buf[from:]
	if d.bytes > 0 {
		b = b[:min(d.bytes, len(b))]
	}
	x := in.ctx
	decoded := appendBase64(x.own(len(b)/4*3 + 3)[:0], b, strictBase64)
	if len(decoded) == 0 {
		return false
	}
	if len(d.items) == 0 {
		return true
	}
	saved := *in
	in.items, in.buf, in.base, in.pos, in.end = d.items, decoded, 0, 0, true
	ok := in.run(0)
	vars := in.vars
	*in = saved
	in.vars = vars
	return ok
}

type base64Mode uint8

const (
	strictBase64 base64Mode = iota // RFC 4648: ends at the first byte that is none; spaces are left out
	looseBase64                    // RFC 2045: bytes that are none are left out
)

var base64Values = func() (t [256]int8) {
	for i := range t {
		t[i] = -1
	}
	for i, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
		t[c] = int8(i)
	}
	return t
}()

// appendBase64 decodes as far as b goes; an incomplete group at the end gives the bytes that it holds.
func appendBase64(dst, b []byte, mode base64Mode) []byte {
	var group uint32
	n := 0
	for _, c := range b {
		v := base64Values[c]
		if v < 0 {
			if c == '=' || mode == strictBase64 && c != ' ' && c != '\r' && c != '\n' {
				break
			}
			continue
		}
		group = group<<6 | uint32(v)
		if n++; n == 4 {
			dst = append(dst, byte(group>>16), byte(group>>8), byte(group))
			group, n = 0, 0
			if len(dst) >= maxBase64 {
				return dst
			}
		}
	}
	switch n {
	case 2:
		dst = append(dst, byte(group>>4))
	case 3:
		dst = append(dst, byte(group>>10), byte(group>>2))
	}
	return dst
}

var base64DecodeKeyword = Keyword{
	Name: "base64_decode", Family: FamilyContent, Arg: "bytes N, offset N, relative", Optional: true, Doc: "decode base64 for base64_data",
	setup: func(c *compiler, o *syntax.Option) error {
		d := &base64Decode{}
		if o.Value != "" {
			for _, w := range words(o.Value) {
				name, arg, _ := strings.Cut(w, " ")
				var err error
				switch name {
				case "bytes":
					d.bytes, err = parseInt(arg, 1, maxBase64)
				case "offset":
					d.offset, err = parseInt(arg, 0, 65535)
				case "relative":
					d.rel = true
				default:
					err = fmt.Errorf("%q is not bytes, offset or relative", w)
				}
				if err != nil {
					return err
				}
			}
		}
		if c.base64 != nil {
			return errors.New("a rule can have one base64_decode")
		}
		c.appendTo(c.behind(d.rel), d)
		c.base64 = d
		return nil
	},
}

var base64Data = Keyword{
	Name: "base64_data", Family: FamilyBuffer, Doc: "what base64_decode has decoded",
	setup: func(c *compiler, _ *syntax.Option) error {
		if c.base64 == nil {
			return errors.New("needs a base64_decode before it")
		}
		c.sticky, c.transforms = base64Buffer, nil
		c.open = &Group{Buffer: base64Buffer, Key: base64Buffer.Name}
		c.decoded = append(c.decoded, c.open)
		return nil
	},
}

// base64Buffer stands for the decoded bytes while a rule is compiled; its items go to base64_decode.
var base64Buffer = &Buffer{Name: "base64_data"}

var fromBase64 = withArgument("from_base64", "bytes N, offset N, mode rfc4648|rfc2045|strict", "decode base64", true, func(arg string) (func(*Context, []byte) []byte, error) {
	count, offset, mode := 0, 0, strictBase64
	strict := false
	if arg != "" {
		for _, w := range words(arg) {
			name, value, _ := strings.Cut(w, " ")
			value = strings.TrimSpace(value)
			var err error
			switch name {
			case "bytes":
				count, err = parseInt(value, 1, 65535)
			case "offset":
				offset, err = parseInt(value, 0, 65535)
			case "mode":
				switch value {
				case "rfc4648":
				case "rfc2045":
					mode = looseBase64
				case "strict":
					strict = true
				default:
					err = fmt.Errorf("mode %q is not rfc4648, rfc2045 or strict", value)
				}
			default:
				err = fmt.Errorf("%q is not bytes, offset or mode", w)
			}
			if err != nil {
				return nil, err
			}
		}
	}
	return func(x *Context, b []byte) []byte {
		if offset >= len(b) {
			return b[:0:0]
		}
		in := b[offset:]
		if count > 0 {
			if count > len(in) {
				return b[:0:0]
			}
			in = in[:count]
		}
		if strict && !wholeBase64(in) {
			return b[:0:0]
		}
		return appendBase64(x.own(len(in)/4*3 + 3)[:0], in, mode)
	}, nil
})

// wholeBase64 reports whether b is nothing but base64 of full groups.
func wholeBase64(b []byte) bool {
	trimmed := strings.TrimRight(string(b), "=")
	if len(b)%4 != 0 || len(b)-len(trimmed) > 2 {
		return false
	}
	for i := range len(trimmed) {
		if base64Values[trimmed[i]] < 0 {
			return false
		}
	}
	return true
}
