package keyword

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

// entropyTest compares the Shannon entropy of a part of the buffer, in bits a byte.
type entropyTest struct {
	buffer        string // name for records
	offset, bytes int
	op            compareOp
	a, b          float64
}

func (t *entropyTest) match(in *Inspection) bool {
	if t.offset > len(in.buf) {
		return false
	}
	b := in.buf[t.offset:]
	if t.bytes > 0 {
		if t.bytes > len(b) {
			return false
		}
		b = b[:t.bytes]
	}
	if len(b) == 0 {
		return false
	}
	v := entropyOf(b)
	in.ctx.State.setEntropy(t.buffer, v)
	return ordered(t.op, v, t.a, t.b)
}

func entropyOf(b []byte) float64 {
	var counts [256]int
	for _, c := range b {
		counts[c]++
	}
	sum := 0.0
	for _, n := range counts {
		if n > 0 {
			p := float64(n) / float64(len(b))
			sum -= p * math.Log2(p)
		}
	}
	return sum
}

var entropy = Keyword{
	Name: "entropy", Family: FamilyContent, Arg: "value [<|<=|>|>=|=|!=]N or N-M[, bytes N][, offset N]", Doc: "Shannon entropy of the buffer, 0 to 8",
	setup: func(c *compiler, o *syntax.Option) error {
		t, seen := &entropyTest{buffer: "content"}, false
		if c.sticky != nil {
			t.buffer = strings.ReplaceAll(c.sticky.Name, ".", "_")
		}
		for _, w := range words(o.Value) {
			name, arg, _ := strings.Cut(w, " ")
			arg = strings.TrimSpace(arg)
			var err error
			switch name {
			case "bytes":
				t.bytes, err = parseInt(arg, 0, 1<<31-1)
			case "offset":
				t.offset, err = parseInt(arg, 0, 1<<31-1)
			case "value":
				seen = true
				err = t.value(strings.ReplaceAll(arg, " ", ""))
			default:
				err = fmt.Errorf("%q is not value, bytes or offset", w)
			}
			if err != nil {
				return err
			}
		}
		if !seen {
			return fmt.Errorf("value is missing")
		}
		c.appendTo(c.here(), t)
		return nil
	},
}

func (t *entropyTest) value(arg string) (err error) {
	for _, p := range [...]struct {
		prefix string
		op     compareOp
	}{{"<=", opLessEqual}, {">=", opGreaterEqual}, {"!=", opNot}, {"<", opLess}, {">", opGreater}, {"=", opEqual}} {
		if rest, ok := strings.CutPrefix(arg, p.prefix); ok {
			t.op = p.op
			t.a, err = decimal(rest)
			return err
		}
	}
	rest, negated := strings.CutPrefix(arg, "!")
	lo, hi, isRange := strings.Cut(rest, "-")
	if t.a, err = decimal(lo); err != nil {
		return err
	}
	if isRange {
		t.op = opBetween
		t.b, err = decimal(hi)
	}
	if negated {
		t.op++
	}
	return err
}

func decimal(s string) (float64, error) {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || v < 0 || v > 8 {
		return 0, fmt.Errorf("%q is not in 0-8", s)
	}
	return v, nil
}
