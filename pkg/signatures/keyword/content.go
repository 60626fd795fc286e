package keyword

import (
	"errors"
	"fmt"
	"strings"

	"github.com/weir-ips/weir/pkg/signatures/prefilter"
	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

// Content is one content with the modifiers that follow it.
type Content struct {
	Pattern []byte // lower case when NoCase
	NoCase  bool
	Negated bool
	// Fast says that the rule asked for this content as its fast pattern; ChopAt and ChopLen are the part of it to
	// use, ChopLen 0 the whole.
	Fast            bool
	ChopAt, ChopLen uint16

	Offset, Depth, Distance, Within number
	Starts, Ends                    bool

	pair  prefilter.Pair
	retry bool // a later item depends on where this one matched: try every occurrence
}

// number is an optional bound that may come from a variable of byte_extract or byte_math.
type number struct {
	value int32 // the bound, or the variable's index
	set   bool
	isVar bool
}

func (n number) get(in *Inspection) int {
	if n.isVar {
		return int(min(in.vars[n.value], 1<<31-1))
	}
	return int(n.value)
}

func (c *Content) relative() bool { return c.Distance.set || c.Within.set }

// span returns the part of the buffer in which the pattern may lie, given the end of the previous match and the
// offset of the buffer in its stream; ok is false when there is none.
func (c *Content) span(in *Inspection, prev int) (from, to int, ok bool) {
	from, to = 0, len(in.buf)
	if c.relative() {
		distance := 0
		if c.Distance.set {
			distance = c.Distance.get(in)
		}
		from = max(prev+distance, 0)
		if c.Within.set {
			to = min(to, prev+distance+c.Within.get(in))
		}
	}
	offset := 0
	if c.Offset.set {
		offset = c.Offset.get(in)
		from = max(from, offset-in.base)
	}
	if c.Depth.set {
		to = min(to, offset+c.Depth.get(in)-in.base)
	}
	return from, to, from <= to && from <= len(in.buf)
}

// find returns the start of the first occurrence of the pattern in buf, -1 when there is none.
func (c *Content) find(buf []byte) int {
	n := len(c.Pattern)
	if n == 0 {
		return 0
	}
	last := len(buf) - n
	for at := 0; at <= last; at++ {
		if at = c.pair.Next(buf, at, last); at > last {
			break
		}
		if b := buf[at : at+n]; c.NoCase && equalFold(b, c.Pattern) || !c.NoCase && string(b) == string(c.Pattern) {
			return at
		}
	}
	return -1
}

// prepare makes find work.
func (c *Content) prepare() {
	c.pair = prefilter.NewPair(prefilter.Pattern{Bytes: c.Pattern, NoCase: c.NoCase})
}

// equalFold compares b with p, which is lower case and of the same length.
func equalFold(b, p []byte) bool {
	for i, c := range p {
		if lowerTable[b[i]] != c {
			return false
		}
	}
	return true
}

var lowerTable = func() (t [256]byte) {
	for i := range t {
		t[i] = byte(i)
		if 'A' <= i && i <= 'Z' {
			t[i] += 'a' - 'A'
		}
	}
	return t
}()

func upper(c byte) byte {
	if 'a' <= c && c <= 'z' {
		return c - ('a' - 'A')
	}
	return c
}

func toLower(b []byte) []byte {
	out := make([]byte, len(b))
	for i, c := range b {
		out[i] = lowerTable[c]
	}
	return out
}

var (
	errHex       = errors.New("hexadecimal block holds something else than pairs of digits")
	errUnescaped = errors.New(`; : \ and " must be escaped by a backslash or written in hexadecimal`)
	errNoContent = errors.New("no content before it")
	errEmpty     = errors.New("is empty")
	errQuotes    = errors.New("must stand in double quotes")
)

// parsePattern reads a content's argument without negation and quotes: text with |hex| blocks and backslash escapes.
func parsePattern(s string) ([]byte, error) {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '|':
			end := strings.IndexByte(s[i+1:], '|')
			if end < 0 {
				return nil, fmt.Errorf("hexadecimal block at byte %d is not closed by |", i+1)
			}
			var err error
			if out, err = appendHex(out, s[i+1:i+1+end]); err != nil {
				return nil, err
			}
			i += end + 1
		case '\\':
			if i++; i == len(s) || !strings.ContainsRune(`\;:"|'`, rune(s[i])) {
				return nil, fmt.Errorf(`%w: only \\ \; \: \" can be escaped`, errUnescaped)
			}
			out = append(out, s[i])
		case '"':
			return nil, errUnescaped
		default:
			out = append(out, c)
		}
	}
	if len(out) == 0 {
		return nil, errEmpty
	}
	return out, nil
}

func appendHex(out []byte, s string) ([]byte, error) {
	half, high := false, byte(0)
	for i := range len(s) {
		if s[i] == ' ' {
			continue
		}
		v, ok := hexValue(s[i])
		if !ok {
			return nil, fmt.Errorf("%q: %w", s, errHex)
		}
		if half = !half; half {
			high = v << 4
		} else {
			out = append(out, high|v)
		}
	}
	if half {
		return nil, fmt.Errorf("%q: %w", s, errHex)
	}
	return out, nil
}

func hexValue(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// parseContent reads `[!]"pattern"`.
func parseContent(arg string) (*Content, error) {
	negated, text, err := quoted(arg)
	if err != nil {
		return nil, err
	}
	pattern, err := parsePattern(text)
	if err != nil {
		return nil, err
	}
	return &Content{Pattern: pattern, Negated: negated}, nil
}

// quoted takes off a leading ! and the double quotes.
func quoted(arg string) (negated bool, text string, err error) {
	if rest, ok := strings.CutPrefix(arg, "!"); ok {
		negated, arg = true, strings.TrimLeft(rest, " \t")
	}
	if len(arg) < 2 || arg[0] != '"' || arg[len(arg)-1] != '"' {
		return false, "", errQuotes
	}
	return negated, arg[1 : len(arg)-1], nil
}

var content = Keyword{
	Name: "content", Arg: `[!]"pattern"`, Family: FamilyContent,
	Doc: "bytes that the buffer must hold, or with ! must not hold; |41 42| is hexadecimal",
	setup: func(c *compiler, o *syntax.Option) error {
		p, err := parseContent(o.Value)
		if err != nil {
			return err
		}
		return c.addContent(p)
	},
}

var uricontent = Keyword{
	Name: "uricontent", Arg: `[!]"pattern"`, Family: FamilyContent,
	Doc: "content in http.uri (legacy)",
	setup: func(c *compiler, o *syntax.Option) error {
		p, err := parseContent(o.Value)
		if err != nil {
			return err
		}
		c.appendTo(c.group(bufferByName("http.uri"), nil), p)
		return nil
	},
}
