package keyword

import (
	"fmt"
	"strings"

	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

// asn1Test looks for attacks on ASN.1 decoders (X.690 BER).
type asn1Test struct {
	bitstring, double bool
	oversize          int // 0: not asked for
	offset            int
	rel               bool
}

func (t *asn1Test) relative() bool { return t.rel }

// maxASN1 bounds how many elements are looked at and how deep they nest.
const maxASN1 = 30

func (t *asn1Test) match(in *Inspection) bool {
	at := t.offset
	if t.rel {
		at += in.pos
	}
	if at < 0 || at >= len(in.buf) {
		return false
	}
	left := maxASN1
	return t.walk(in.buf[at:], &left, 0)
}

func (t *asn1Test) walk(b []byte, left *int, depth int) bool {
	for len(b) >= 2 && *left > 0 && depth < maxASN1 {
		*left--
		tag, constructed := b[0]&0x1f, b[0]&0x20 != 0
		size, header, ok := berLength(b)
		if !ok {
			return false
		}
		if t.oversize > 0 && size > t.oversize {
			return true
		}
		body := b[header:]
		body = body[:min(size, len(body))]
		switch {
		case tag == 3 && b[0]&0xc0 == 0 && t.bitstring && len(body) > 0 && size > 0 && (size-1)*8 < int(body[0]):
			return true
		case tag == 9 && b[0]&0xc0 == 0 && t.double && len(body) > 0 && body[0]&0xc0 == 0 && size+1 > 256:
			return true
		case constructed && t.walk(body, left, depth+1):
			return true
		}
		if header+size > len(b) {
			return false
		}
		b = b[header+size:]
	}
	return false
}

// berLength reads the length behind a one-byte tag; multi-byte tags end the walk.
func berLength(b []byte) (size, header int, ok bool) {
	if b[0]&0x1f == 0x1f {
		return 0, 0, false
	}
	if b[1] < 0x80 {
		return int(b[1]), 2, true
	}
	n := int(b[1] & 0x7f)
	if n == 0 || n > 4 || len(b) < 2+n {
		return 0, 0, false
	}
	for _, c := range b[2 : 2+n] {
		size = size<<8 | int(c)
	}
	return size, 2 + n, true
}

var asn1 = Keyword{
	Name: "asn1", Family: FamilyContent, Arg: "bitstring_overflow, double_overflow, oversize_length N, absolute_offset N, relative_offset N", Doc: "attacks on decoders of ASN.1",
	setup: func(c *compiler, o *syntax.Option) error {
		t := &asn1Test{}
		fields := strings.FieldsFunc(o.Value, func(r rune) bool { return r == ',' || r == ' ' })
		for i := 0; i < len(fields); i++ {
			arg := func(lo, hi int) (int, error) {
				if i++; i == len(fields) {
					return 0, fmt.Errorf("%s needs a number", fields[i-1])
				}
				return parseInt(fields[i], lo, hi)
			}
			var err error
			switch fields[i] {
			case "bitstring_overflow":
				t.bitstring = true
			case "double_overflow":
				t.double = true
			case "oversize_length":
				t.oversize, err = arg(1, 1<<31-1)
			case "absolute_offset":
				t.offset, err = arg(0, 65535)
			case "relative_offset":
				t.rel = true
				t.offset, err = arg(-65535, 65535)
			default:
				err = fmt.Errorf("%q is not an option", fields[i])
			}
			if err != nil {
				return err
			}
		}
		c.appendTo(c.behind(t.rel), t)
		return nil
	},
}
