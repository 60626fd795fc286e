package keyword

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

// uintShape is the argument of every keyword that compares an integer.
const uintShape = "[!|<|<=|>|>=]N, N-M or &MASK=N"

// compare is a test of an unsigned integer.
type compare struct {
	op   compareOp
	a, b uint64
}

type compareOp uint8

const (
	opEqual compareOp = iota
	opNot
	opLess
	opLessEqual
	opGreater
	opGreaterEqual
	opBetween    // exclusive, as in Suricata
	opNotBetween // not opBetween
	opMask       // v&a == b
	opNotMask
)

func (t compare) holds(v uint64) bool {
	switch t.op {
	case opMask:
		return v&t.a == t.b
	case opNotMask:
		return v&t.a != t.b
	}
	return ordered(t.op, v, t.a, t.b)
}

// top returns the largest number that holds, and whether there is one.
func (t compare) top() (uint64, bool) {
	switch t.op {
	case opEqual, opLessEqual:
		return t.a, true
	case opLess:
		return max(t.a, 1) - 1, true
	case opBetween:
		return t.b - 1, true
	}
	return 0, false
}

// ordered is every comparison that does not look at single bits.
func ordered[T cmp.Ordered](op compareOp, v, a, b T) bool {
	switch op {
	case opEqual:
		return v == a
	case opNot:
		return v != a
	case opLess:
		return v < a
	case opLessEqual:
		return v <= a
	case opGreater:
		return v > a
	case opGreaterEqual:
		return v >= a
	case opBetween:
		return v > a && v < b
	default:
		return v <= a || v >= b
	}
}

// parseCompare reads uintShape. names gives numbers to words; top is the largest value the field can have.
func parseCompare(arg string, top uint64, names map[string]uint64) (compare, error) {
	s := strings.TrimSpace(arg)
	for _, p := range [...]struct {
		prefix string
		op     compareOp
	}{{"<=", opLessEqual}, {">=", opGreaterEqual}, {"<", opLess}, {">", opGreater}} {
		if rest, ok := strings.CutPrefix(s, p.prefix); ok && !strings.Contains(rest, "<>") {
			n, err := parseUint(rest, top, names)
			return compare{op: p.op, a: n}, err
		}
	}
	not := compareOp(0)
	if rest, ok := strings.CutPrefix(s, "!"); ok {
		s, not = strings.TrimSpace(rest), 1
	}
	if rest, ok := strings.CutPrefix(s, "&"); ok {
		return parseMask(rest, top, not)
	}
	for _, sep := range [...]string{"<>", "-"} {
		if lo, hi, ok := strings.Cut(s, sep); ok && lo != "" {
			return parseRange(lo, hi, top, names, not)
		}
	}
	n, err := parseUint(strings.TrimPrefix(s, "="), top, names)
	return compare{op: opEqual + not, a: n}, err
}

func parseMask(s string, top uint64, not compareOp) (compare, error) {
	mask, value, ok := strings.Cut(s, "=")
	m, err := parseUint(mask, top, nil)
	if err != nil {
		return compare{}, err
	}
	if !ok { // &MASK alone: any bit
		return compare{op: opNotMask - not, a: m}, nil
	}
	if rest, negated := strings.CutSuffix(strings.TrimSpace(mask), "!"); negated {
		if m, err = parseUint(rest, top, nil); err != nil {
			return compare{}, err
		}
		not ^= 1
	}
	v, err := parseUint(value, top, nil)
	return compare{op: opMask + not, a: m, b: v}, err
}

func parseRange(lo, hi string, top uint64, names map[string]uint64, not compareOp) (compare, error) {
	a, err := parseUint(lo, top, names)
	if err != nil {
		return compare{}, err
	}
	b, err := parseUint(hi, top, names)
	if err != nil {
		return compare{}, err
	}
	if a >= b {
		return compare{}, fmt.Errorf("range %d-%d is empty: the first number must be the smaller", a, b)
	}
	if b == a+1 {
		return compare{}, fmt.Errorf("range %d-%d is empty: the ends of a range do not belong to it", a, b)
	}
	return compare{op: opBetween + not, a: a, b: b}, nil
}

// parseUint reads a decimal or 0x number with an optional kb, mb or gb.
func parseUint(s string, top uint64, names map[string]uint64) (uint64, error) {
	s = strings.TrimSpace(s)
	if n, ok := names[strings.ToLower(s)]; ok {
		return n, nil
	}
	digits, unit := s, uint64(1)
	lower := strings.ToLower(s)
	for suffix, u := range map[string]uint64{"kb": 1 << 10, "kib": 1 << 10, "mb": 1 << 20, "mib": 1 << 20, "gb": 1 << 30, "gib": 1 << 30} {
		if d, ok := strings.CutSuffix(lower, suffix); ok && d != "" && !strings.HasPrefix(lower, "0x") {
			digits, unit = strings.TrimSpace(d), u
		}
	}
	n, err := strconv.ParseUint(digits, 0, 64)
	if strings.HasPrefix(digits, "0") && !strings.HasPrefix(strings.ToLower(digits), "0x") {
		n, err = strconv.ParseUint(digits, 10, 64)
	}
	if err != nil || strings.ContainsAny(digits, "_bBoO") && !strings.HasPrefix(strings.ToLower(digits), "0x") {
		return 0, fmt.Errorf("%q is not a number", s)
	}
	if n > math.MaxUint64/unit || n*unit > top {
		return 0, fmt.Errorf("%q is not in 0-%d", s, top)
	}
	return n * unit, nil
}

// uintField is a keyword that compares an integer of the packet, the flow or the transaction. get returns false when
// there is none.
func uintField(name, doc string, top uint64, get func(*Context) (uint64, bool), props ...prop) Keyword {
	return Keyword{Name: name, Family: FamilyPacket, Arg: uintShape, Doc: doc, setup: func(c *compiler, o *syntax.Option) error {
		t, err := parseCompare(o.Value, top, nil)
		if err != nil {
			return err
		}
		c.props(props)
		c.test(func(x *Context) bool {
			v, ok := get(x)
			return ok && t.holds(v)
		})
		return nil
	}}
}

// or gives the keyword another name.
func (k Keyword) or(alias string) Keyword {
	k.Aliases = append(k.Aliases, alias)
	return k
}

// parseInt reads a signed decimal number in lo-hi.
func parseInt(s string, lo, hi int) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil {
		return 0, fmt.Errorf("%q is not a number", s)
	}
	if n < lo || n > hi {
		return 0, fmt.Errorf("%d is not in %d-%d", n, lo, hi)
	}
	return n, nil
}
