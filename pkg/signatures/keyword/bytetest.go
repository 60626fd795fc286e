package keyword

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

type byteTest struct {
	reader
	op     byte // < > = & ^ l (<=) g (>=)
	negate bool
	value  uint64
	from   number // variable instead of value
}

func (t *byteTest) relative() bool { return t.reader.relative }

func (t *byteTest) match(in *Inspection) bool {
	v, _, ok := t.read(in)
	if !ok {
		return false
	}
	want := t.value
	if t.from.set {
		want = in.vars[t.from.value]
	}
	var holds bool
	switch t.op {
	case '<':
		holds = v < want
	case '>':
		holds = v > want
	case '=':
		holds = v == want
	case 'l':
		holds = v <= want
	case 'g':
		holds = v >= want
	case '&':
		holds = v&want != 0
	case '^':
		holds = v^want != 0
	}
	return holds != t.negate
}

var byteTestKeyword = Keyword{
	Name: "byte_test", Family: FamilyContent, Arg: "BYTES, [!]OP, VALUE, OFFSET[, relative, little, string, hex|dec|oct, dce, bitmask N]",
	Doc: "compare a number in the buffer; OP is < > = <= >= & ^",
	setup: func(c *compiler, o *syntax.Option) error {
		w := words(o.Value)
		if len(w) < 4 {
			return fmt.Errorf("%q is not BYTES, OP, VALUE, OFFSET", o.Value)
		}
		t := &byteTest{}
		var err error
		if t.countVar, err = c.number(w[0], 0, 23); err != nil {
			return fmt.Errorf("bytes: %w", err)
		}
		if !t.countVar.isVar {
			t.count, t.countVar = int(t.countVar.value), number{}
		}
		if err := t.operator(w[1]); err != nil {
			return err
		}
		if v, err := strconv.ParseUint(w[2], 0, 64); err == nil {
			t.value = v
		} else if n, ok := c.variable(w[2]); ok {
			t.from = number{set: true, isVar: true, value: int32(n)}
		} else {
			return fmt.Errorf("value %q is neither a number nor a variable", w[2])
		}
		if t.offset, err = c.number(w[3], -1<<31, 1<<31-1); err != nil {
			return fmt.Errorf("offset: %w", err)
		}
		for _, word := range w[4:] {
			known, err := t.option(word)
			if err != nil {
				return err
			}
			if !known {
				return fmt.Errorf("%q is not an option", word)
			}
		}
		if err := t.check(); err != nil {
			return err
		}
		c.appendTo(c.behind(t.reader.relative), t)
		return nil
	},
}

func (t *byteTest) operator(s string) error {
	if rest, ok := strings.CutPrefix(s, "!"); ok {
		s, t.negate = strings.TrimSpace(rest), true
	}
	switch s {
	case "<=":
		t.op = 'l'
	case ">=":
		t.op = 'g'
	case "<", ">", "=", "&", "^":
		t.op = s[0]
	case "":
		if t.negate {
			t.op = '='
			return nil
		}
		fallthrough
	default:
		return fmt.Errorf("operator %q is not one of < > = <= >= & ^", s)
	}
	return nil
}
