package keyword

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

var flowbits = Keyword{
	Name: "flowbits", Family: FamilyState, Arg: "set|unset|isset|isnotset|toggle, NAME[|NAME…] or noalert", Doc: "a mark on the flow",
	setup: func(c *compiler, o *syntax.Option) error {
		cmd, name, _ := strings.Cut(o.Value, ",")
		cmd, name = strings.TrimSpace(cmd), strings.Trim(strings.TrimSpace(name), `"`)
		if cmd == "noalert" {
			c.sig.NoAlert = true
			return nil
		}
		if name == "" || strings.ContainsAny(name, " ,") {
			return fmt.Errorf("%q is not the name of a flowbit", name)
		}
		var ids []uint32
		for part := range strings.SplitSeq(name, "|") {
			if part = strings.TrimSpace(part); part == "" {
				return fmt.Errorf("%q holds an empty name", name)
			}
			ids = append(ids, c.env.Names.id(kindFlowbit, part))
		}
		if len(ids) > 1 && cmd != "isset" && cmd != "isnotset" {
			return fmt.Errorf("%s takes one name", cmd)
		}
		return c.flowbit(cmd, ids)
	},
}

func (c *compiler) flowbit(cmd string, ids []uint32) error {
	first := ids[0]
	any := func(x *Context) bool {
		for _, id := range ids {
			if x.State.bit(id) {
				return true
			}
		}
		return false
	}
	switch cmd {
	case "isset":
		c.sig.FlowBits |= UseReads
		c.stateTests++
		c.test(func(x *Context) bool { return x.Flow != nil && any(x) })
	case "isnotset":
		c.sig.FlowBits |= UseReads
		c.stateTests++
		if len(ids) == 1 {
			c.test(func(x *Context) bool { return x.Flow != nil && !x.State.bit(first) })
			break
		}
		c.test(func(x *Context) bool { // a|b: at least one is not set
			for _, id := range ids {
				if !x.State.bit(id) {
					return x.Flow != nil
				}
			}
			return false
		})
	case "set", "unset", "toggle":
		c.sig.FlowBits |= UseSets
		c.effect(func(x *Context) {
			if s := x.State; s != nil {
				s.setBit(first, cmd == "set" || cmd == "toggle" && !s.bit(first))
			}
		})
	default:
		return fmt.Errorf("%q is not set, unset, isset, isnotset, toggle or noalert", cmd)
	}
	return nil
}

var flowint = Keyword{
	Name: "flowint", Family: FamilyState, Arg: "NAME, =|+|-|>|<|>=|<=|==|!=|isset|notset[, N or NAME]", Doc: "a variable of the flow",
	setup: func(c *compiler, o *syntax.Option) error {
		w := words(o.Value)
		if len(w) < 2 || w[0] == "" {
			return fmt.Errorf("%q is not NAME, OPERATION[, VALUE]", o.Value)
		}
		id := c.env.Names.id(kindFlowint, w[0])
		switch w[1] {
		case "isset":
			return c.flowintTest(func(x *Context) bool { return x.State.integer(id) != nil })
		case "notset", "isnotset":
			return c.flowintTest(func(x *Context) bool { return x.State.integer(id) == nil })
		}
		if len(w) != 3 || w[2] == "" {
			return fmt.Errorf("%s needs a value", w[1])
		}
		value := c.flowintValue(w[2])
		if cmp, ok := flowintCompare[w[1]]; ok {
			return c.flowintTest(func(x *Context) bool {
				v, known := value(x)
				i := x.State.integer(id)
				return i != nil && known && cmp(i.Value, v)
			})
		}
		return c.flowintChange(w[1], id, value)
	},
}

var flowintCompare = map[string]func(a, b uint32) bool{
	"<": func(a, b uint32) bool { return a < b }, "<=": func(a, b uint32) bool { return a <= b },
	">": func(a, b uint32) bool { return a > b }, ">=": func(a, b uint32) bool { return a >= b },
	"==": func(a, b uint32) bool { return a == b }, "!=": func(a, b uint32) bool { return a != b },
}

func (c *compiler) flowintTest(t test) error {
	c.sig.FlowInts |= UseReads
	c.stateTests++
	c.test(func(x *Context) bool { return x.Flow != nil && t(x) })
	return nil
}

// flowintValue returns a number, or what another variable holds.
func (c *compiler) flowintValue(s string) func(*Context) (uint32, bool) {
	if n, err := strconv.ParseUint(s, 10, 32); err == nil {
		return func(*Context) (uint32, bool) { return uint32(n), true }
	}
	id := c.env.Names.id(kindFlowint, s)
	return func(x *Context) (uint32, bool) {
		if i := x.State.integer(id); i != nil {
			return i.Value, true
		}
		return 0, false
	}
}

// flowintChange: + and - begin from 0 when the variable is not set, and stop at the ends of 32 bits.
func (c *compiler) flowintChange(op string, id uint32, value func(*Context) (uint32, bool)) error {
	var change func(old, v uint32) uint32
	switch op {
	case "=":
		change = func(_, v uint32) uint32 { return v }
	case "+":
		change = func(old, v uint32) uint32 { return uint32(min(uint64(old)+uint64(v), math.MaxUint32)) }
	case "-":
		change = func(old, v uint32) uint32 { return old - min(old, v) }
	default:
		return fmt.Errorf("%q is not one of = + - < <= > >= == != isset notset", op)
	}
	c.sig.FlowInts |= UseSets
	c.effect(func(x *Context) {
		v, known := value(x)
		s := x.State
		if s == nil || !known {
			return
		}
		i := s.integer(id)
		if i == nil {
			s.Ints = append(s.Ints, FlowInt{ID: id})
			i = &s.Ints[len(s.Ints)-1]
		}
		i.Value = change(i.Value, v)
	})
	return nil
}
