// Package regex matches Perl-compatible regular expressions over bytes with a limit on backtracking.
//
// It covers what rules use of PCRE: leftmost, first-alternative semantics; greedy, lazy and possessive repeats; look-around,
// atomic groups, back-references and inline options. Bytes are characters; there is no Unicode. Recursion, conditionals,
// callouts and \C, \X, \p are refused when an expression is compiled.
package regex

// Flags are the options of an expression.
type Flags uint8

// Options, by the letter that a rule puts behind the expression.
const (
	CaseInsensitive Flags = 1 << iota // i
	Multiline                         // m: ^ and $ match at line breaks
	DotAll                            // s: . matches a newline
	Extended                          // x: space and comments are ignored
	Anchored                          // A: match at the start only
	DollarEndOnly                     // E: $ does not match before a final newline
	Ungreedy                          // G: repeats are lazy, and greedy with ?
)

type nodeKind uint8

const (
	nodeEmpty nodeKind = iota
	nodeSet            // one byte of a set
	nodeCat
	nodeAlt
	nodeRepeat
	nodeCapture
	nodeAtomic
	nodeLook
	nodeBackref
	nodeAssert
)

// node is a part of a parsed expression.
type node struct {
	kind     nodeKind
	set      *byteSet
	subs     []*node
	min, max int // repeat; max -1 for no bound
	mode     repeatMode
	index    int // capture, backref
	fold     bool
	behind   bool // look
	negate   bool
	assert   assertKind
}

type repeatMode uint8

const (
	greedy repeatMode = iota
	lazy
	possessive
)

type assertKind uint8

const (
	assertStart       assertKind = iota // \A, ^ without m
	assertLineStart                     // ^ with m
	assertEnd                           // \z, $ with E
	assertEndNewline                    // \Z, $
	assertLineEnd                       // $ with m
	assertWord                          // \b
	assertNotWord                       // \B
	assertSearchStart                   // \G
	assertReset                         // \K
)

// byteSet is a set of bytes.
type byteSet [4]uint64

func (s *byteSet) add(b byte)      { s[b>>6] |= 1 << (b & 63) }
func (s *byteSet) has(b byte) bool { return s[b>>6]&(1<<(b&63)) != 0 }

func (s *byteSet) addRange(lo, hi byte) {
	for c := int(lo); c <= int(hi); c++ {
		s.add(byte(c))
	}
}

func (s *byteSet) union(t *byteSet) {
	for i := range s {
		s[i] |= t[i]
	}
}

func (s *byteSet) invert() {
	for i := range s {
		s[i] = ^s[i]
	}
}

// foldCase adds the other case of every letter.
func (s *byteSet) foldCase() {
	for c := byte('a'); c <= 'z'; c++ {
		if s.has(c) || s.has(c-32) {
			s.add(c)
			s.add(c - 32)
		}
	}
}

// only returns the one byte of the set.
func (s *byteSet) only() (byte, bool) {
	found, n := byte(0), 0
	for c := range 256 {
		if s.has(byte(c)) {
			found = byte(c)
			n++
		}
	}
	return found, n == 1
}

func setOf(ranges ...byte) *byteSet {
	s := &byteSet{}
	for i := 0; i < len(ranges); i += 2 {
		s.addRange(ranges[i], ranges[i+1])
	}
	return s
}

func (s *byteSet) inverted() *byteSet {
	t := *s
	t.invert()
	return &t
}

// class returns the set of an escape such as \d; nil when the letter names none.
func class(c byte) *byteSet {
	switch c {
	case 'd':
		return setOf('0', '9')
	case 'w':
		return setOf('0', '9', 'a', 'z', 'A', 'Z', '_', '_')
	case 's':
		return setOf('\t', '\r', ' ', ' ')
	case 'h':
		return setOf('\t', '\t', ' ', ' ', 0xa0, 0xa0)
	case 'v':
		return setOf('\n', '\r', 0x85, 0x85)
	case 'N':
		return setOf('\n', '\n').inverted()
	case 'D', 'W', 'S', 'H', 'V':
		return class(c + 32).inverted()
	}
	return nil
}

var posix = map[string]*byteSet{
	"alpha": setOf('a', 'z', 'A', 'Z'), "digit": setOf('0', '9'), "alnum": setOf('a', 'z', 'A', 'Z', '0', '9'),
	"upper": setOf('A', 'Z'), "lower": setOf('a', 'z'), "space": setOf('\t', '\r', ' ', ' '), "blank": setOf('\t', '\t', ' ', ' '),
	"punct": setOf('!', '/', ':', '@', '[', '`', '{', '~'), "print": setOf(' ', '~'), "graph": setOf('!', '~'),
	"cntrl": setOf(0, 31, 127, 127), "xdigit": setOf('0', '9', 'a', 'f', 'A', 'F'), "word": class('w'), "ascii": setOf(0, 127),
}
