package keyword

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

type byteMath struct {
	reader
	op       string
	value    uint64
	from     number
	variable int
}

func (m *byteMath) relative() bool { return m.reader.relative }

func (m *byteMath) match(in *Inspection) bool {
	v, end, ok := m.read(in)
	if !ok {
		return false
	}
	r := m.value
	if m.from.set {
		r = in.vars[m.from.value]
	}
	switch m.op {
	case "+":
		v += r
	case "-":
		v -= r
	case "*":
		v *= r
	case "/":
		if r == 0 {
			return false
		}
		v /= r
	case "<<":
		v <<= min(r, 64)
	case ">>":
		v >>= min(r, 64)
	}
	in.vars[m.variable] = v
	in.pos = end
	return true
}

var byteMathKeyword = Keyword{
	Name: "byte_math", Family: FamilyContent,
	Arg: "bytes N, offset N, oper OP, rvalue N, result NAME[, relative, endian big|little|dce, string hex|dec|oct, dce, bitmask N]",
	Doc: "read a number in the buffer, calculate with it, keep the result in a variable; OP is + - * / << >>",
	setup: func(c *compiler, o *syntax.Option) error {
		m := &byteMath{variable: -1}
		m.offset.set = true
		for _, word := range words(o.Value) {
			if err := m.word(c, word); err != nil {
				return err
			}
		}
		if m.variable < 0 || m.op == "" || !m.countVar.set && m.count == 0 {
			return errors.New("bytes, offset, oper, rvalue and result are needed")
		}
		if err := m.check(); err != nil {
			return err
		}
		c.appendTo(c.behind(m.reader.relative), m)
		return nil
	},
}

func (m *byteMath) word(c *compiler, word string) error {
	name, arg, _ := strings.Cut(word, " ")
	arg = strings.TrimSpace(arg)
	var err error
	switch name {
	case "bytes":
		if m.countVar, err = c.number(arg, 1, 10); err == nil && !m.countVar.isVar {
			m.count, m.countVar = int(m.countVar.value), number{}
		}
	case "offset":
		m.offset, err = c.number(arg, -65535, 65535)
	case "oper":
		switch m.op = arg; arg {
		case "+", "-", "*", "/", "<<", ">>":
		default:
			err = fmt.Errorf("oper %q is not one of + - * / << >>", arg)
		}
	case "rvalue":
		if m.value, err = strconv.ParseUint(arg, 0, 32); err == nil {
			break
		}
		i, ok := c.variable(arg)
		if !ok {
			return fmt.Errorf("rvalue %q is neither a number nor a variable", arg)
		}
		m.from, err = number{set: true, isVar: true, value: int32(i)}, nil
	case "result":
		m.variable, err = c.name(arg)
	case "endian":
		err = m.named(arg, "big", "little", "dce")
	case "string":
		m.text = true
		err = m.named(arg, "hex", "dec", "oct")
	default:
		known, problem := m.option(word)
		if !known {
			return fmt.Errorf("%q is not an option", word)
		}
		err = problem
	}
	return err
}

func (m *byteMath) named(arg string, allowed ...string) error {
	for _, a := range allowed {
		if a == arg {
			_, err := m.option(arg)
			return err
		}
	}
	return fmt.Errorf("%q is not one of %s", arg, strings.Join(allowed, ", "))
}
