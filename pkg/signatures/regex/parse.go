package regex

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrUnsupported is wrapped by errors about constructs of PCRE that this package does not have.
var ErrUnsupported = errors.New("not supported")

// maxDepth bounds how deep groups nest.
const maxDepth = 250

type parser struct {
	s     string
	at    int
	flags Flags
	depth int
	caps  int
	names map[string]int
	quote bool // within \Q…\E
}

func (p *parser) errorf(format string, args ...any) error {
	return fmt.Errorf("at byte %d: %w", p.at+1, fmt.Errorf(format, args...))
}

func (p *parser) more() bool { return p.at < len(p.s) }

func (p *parser) take(prefix string) bool {
	if strings.HasPrefix(p.s[p.at:], prefix) {
		p.at += len(prefix)
		return true
	}
	return false
}

// alternatives reads up to a closing parenthesis or the end.
func (p *parser) alternatives() (*node, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.errorf("groups nest deeper than %d", maxDepth)
	}
	defer func() { p.depth-- }()
	saved := p.flags
	defer func() { p.flags = saved }()
	alt := &node{kind: nodeAlt}
	for {
		n, err := p.sequence()
		if err != nil {
			return nil, err
		}
		alt.subs = append(alt.subs, n)
		if !p.take("|") {
			break
		}
	}
	if len(alt.subs) == 1 {
		return alt.subs[0], nil
	}
	return alt, nil
}

func (p *parser) sequence() (*node, error) {
	cat := &node{kind: nodeCat}
	for p.more() {
		if !p.quote && (p.s[p.at] == '|' || p.s[p.at] == ')') {
			break
		}
		n, err := p.atom()
		if err != nil {
			return nil, err
		}
		if n == nil {
			continue
		}
		if n, err = p.repeats(n); err != nil {
			return nil, err
		}
		cat.subs = append(cat.subs, n)
	}
	return cat, nil
}

// atom reads one item without its repeat; nil for what matches nothing (options, comments).
func (p *parser) atom() (*node, error) {
	if p.quote {
		if p.take(`\E`) {
			p.quote = false
			return nil, nil
		}
		return p.literal(p.next()), nil
	}
	c := p.next()
	switch c {
	case '\\':
		return p.escape()
	case '[':
		return p.class()
	case '(':
		return p.group()
	case '.':
		if p.flags&DotAll != 0 {
			return &node{kind: nodeSet, set: (&byteSet{}).inverted()}, nil
		}
		return &node{kind: nodeSet, set: class('N')}, nil
	case '^':
		if p.flags&Multiline != 0 {
			return assertion(assertLineStart), nil
		}
		return assertion(assertStart), nil
	case '$':
		switch {
		case p.flags&Multiline != 0:
			return assertion(assertLineEnd), nil
		case p.flags&DollarEndOnly != 0:
			return assertion(assertEnd), nil
		}
		return assertion(assertEndNewline), nil
	case '*', '+', '?':
		return nil, p.errorf("%q has nothing to repeat", c)
	}
	if p.flags&Extended != 0 {
		if c == ' ' || c >= '\t' && c <= '\r' {
			return nil, nil
		}
		if c == '#' {
			for p.more() && p.next() != '\n' {
			}
			return nil, nil
		}
	}
	return p.literal(c), nil
}

func assertion(k assertKind) *node { return &node{kind: nodeAssert, assert: k} }

func (p *parser) next() byte {
	c := p.s[p.at]
	p.at++
	return c
}

func (p *parser) literal(c byte) *node { return p.ofSet(setOf(c, c)) }

func (p *parser) ofSet(s *byteSet) *node {
	if p.flags&CaseInsensitive != 0 {
		s.foldCase()
	}
	return &node{kind: nodeSet, set: s}
}

// repeats reads the quantifiers behind an item.
func (p *parser) repeats(n *node) (*node, error) {
	if p.quote && p.take(`\E`) {
		p.quote = false
	}
	for p.more() && !p.quote {
		if p.flags&Extended != 0 {
			for p.more() && (p.s[p.at] == ' ' || p.s[p.at] >= '\t' && p.s[p.at] <= '\r') {
				p.at++
			}
		}
		lo, hi, ok, err := p.quantifier()
		if err != nil {
			return nil, err
		}
		if !ok {
			return n, nil
		}
		r := &node{kind: nodeRepeat, subs: []*node{n}, min: lo, max: hi}
		ungreedy := p.flags&Ungreedy != 0
		switch {
		case p.take("?"):
			ungreedy = !ungreedy
		case p.take("+"):
			r.mode = possessive
		}
		if ungreedy && r.mode != possessive {
			r.mode = lazy
		}
		if n.kind == nodeAssert {
			if lo == 0 { // an assertion repeated from zero asserts nothing
				r = &node{kind: nodeCat}
			} else {
				r = n
			}
		}
		n = r
	}
	return n, nil
}

// quantifier reads * + ? {n} {n,} {n,m}; {,m} and anything else in braces is literal text.
func (p *parser) quantifier() (lo, hi int, ok bool, err error) {
	if !p.more() {
		return 0, 0, false, nil
	}
	switch p.s[p.at] {
	case '*':
		p.at++
		return 0, -1, true, nil
	case '+':
		p.at++
		return 1, -1, true, nil
	case '?':
		p.at++
		return 0, 1, true, nil
	case '{':
	default:
		return 0, 0, false, nil
	}
	inner, _, closed := strings.Cut(p.s[p.at+1:], "}")
	if !closed {
		return 0, 0, false, nil
	}
	from, to, hasTo := strings.Cut(inner, ",")
	if !digits(from) || to != "" && !digits(to) {
		return 0, 0, false, nil
	}
	lo, _ = strconv.Atoi(from)
	switch hi = lo; {
	case hasTo && to == "":
		hi = -1
	case hasTo:
		hi, _ = strconv.Atoi(to)
	}
	if lo > 65535 || hi > 65535 {
		return 0, 0, false, p.errorf("a repeat above 65535")
	}
	if hi >= 0 && hi < lo {
		return 0, 0, false, p.errorf("repeat {%s}: the second number is the smaller", inner)
	}
	p.at += len(inner) + 2
	return lo, hi, true, nil
}

func digits(s string) bool {
	return s != "" && len(s) < 6 && strings.Trim(s, "0123456789") == ""
}

func (p *parser) escape() (*node, error) {
	if !p.more() {
		return nil, p.errorf(`\ at the end`)
	}
	c := p.next()
	if s := class(c); s != nil {
		return &node{kind: nodeSet, set: s}, nil
	}
	switch c {
	case 'b':
		return assertion(assertWord), nil
	case 'B':
		return assertion(assertNotWord), nil
	case 'A':
		return assertion(assertStart), nil
	case 'z':
		return assertion(assertEnd), nil
	case 'Z':
		return assertion(assertEndNewline), nil
	case 'G':
		return assertion(assertSearchStart), nil
	case 'K':
		return assertion(assertReset), nil
	case 'Q':
		p.quote = true
		return nil, nil
	case 'E':
		return nil, nil
	case 'R':
		return p.lineBreak(), nil
	case 'g', 'k':
		return p.namedBackref(c)
	case 'C', 'X', 'p', 'P', 'U', 'u', 'L', 'l':
		return nil, p.errorf(`\%c is %w`, c, ErrUnsupported)
	}
	if c >= '1' && c <= '9' {
		if n, ok := p.backref(c); ok {
			return n, nil
		}
	}
	b, err := p.escapedByte(c)
	if err != nil {
		return nil, err
	}
	return p.literal(b), nil
}

// lineBreak is \R: (?>\r\n|\n|\x0b|\f|\r|\x85).
func (p *parser) lineBreak() *node {
	crlf := &node{kind: nodeCat, subs: []*node{{kind: nodeSet, set: setOf('\r', '\r')}, {kind: nodeSet, set: setOf('\n', '\n')}}}
	one := &node{kind: nodeSet, set: class('v')}
	return &node{kind: nodeAtomic, subs: []*node{{kind: nodeAlt, subs: []*node{crlf, one}}}}
}

// backref reads \1 … \99. As in PCRE a number above 9 that has no group is octal.
func (p *parser) backref(c byte) (*node, bool) {
	n, end := int(c-'0'), p.at
	for end < len(p.s) && p.s[end] >= '0' && p.s[end] <= '9' && n < 1000 {
		n = n*10 + int(p.s[end]-'0')
		end++
	}
	if n > 9 && n > p.caps {
		return nil, false
	}
	p.at = end
	return &node{kind: nodeBackref, index: n, fold: p.flags&CaseInsensitive != 0}, true
}

func (p *parser) namedBackref(c byte) (*node, error) {
	ref := ""
	for _, pair := range [...]string{"{}", "<>", "''"} {
		if p.take(pair[:1]) {
			text, _, ok := strings.Cut(p.s[p.at:], pair[1:])
			if !ok {
				return nil, p.errorf(`\%c is not closed`, c)
			}
			ref = text
			p.at += len(text) + 1
			break
		}
	}
	if ref == "" && c == 'g' {
		for p.more() && p.s[p.at] >= '0' && p.s[p.at] <= '9' {
			ref += string(p.next())
		}
	}
	return p.reference(ref)
}

func (p *parser) reference(ref string) (*node, error) {
	n, err := strconv.Atoi(ref)
	if err != nil {
		var ok bool
		if n, ok = p.names[ref]; !ok {
			return nil, p.errorf("no group is called %q", ref)
		}
	} else if n < 0 {
		n += p.caps + 1
	}
	if n < 1 {
		return nil, p.errorf("no group %q", ref)
	}
	return &node{kind: nodeBackref, index: n, fold: p.flags&CaseInsensitive != 0}, nil
}

// escapedByte returns the byte that \c… stands for; p.at is behind c.
func (p *parser) escapedByte(c byte) (byte, error) {
	switch c {
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case 'f':
		return '\f', nil
	case 'e':
		return 27, nil
	case 'a':
		return 7, nil
	case 'x':
		return p.hexByte()
	case 'c':
		if !p.more() {
			return 0, p.errorf(`\c at the end`)
		}
		b := p.next()
		if b >= 'a' && b <= 'z' {
			b -= 32
		}
		return b ^ 64, nil
	case 'o':
		return 0, p.errorf(`\o is %w`, ErrUnsupported)
	}
	if c >= '0' && c <= '7' {
		n, end := int(c-'0'), p.at
		for end < len(p.s) && end < p.at+2 && p.s[end] >= '0' && p.s[end] <= '7' {
			n = n*8 + int(p.s[end]-'0')
			end++
		}
		p.at = end
		return byte(n), nil
	}
	return c, nil
}

func (p *parser) hexByte() (byte, error) {
	if p.take("{") {
		text, _, ok := strings.Cut(p.s[p.at:], "}")
		n, err := strconv.ParseUint(text, 16, 8)
		if !ok || err != nil {
			return 0, p.errorf(`\x{%s is not a byte in hexadecimal`, text)
		}
		p.at += len(text) + 1
		return byte(n), nil
	}
	n, used := uint64(0), 0
	for used < 2 && p.at+used < len(p.s) {
		v, err := strconv.ParseUint(p.s[p.at+used:p.at+used+1], 16, 8)
		if err != nil {
			break
		}
		n = n<<4 | v
		used++
	}
	p.at += used
	return byte(n), nil
}
