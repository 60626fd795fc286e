package syntax

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
)

// Sentinels of what can be wrong with a rule's frame.
var (
	ErrNoOptions  = errors.New("no options: a rule ends with (keyword:value; …)")
	ErrUnclosed   = errors.New("no closing parenthesis at the end of the rule")
	ErrNoFinal    = errors.New("no semicolon after the last option")
	ErrEmpty      = errors.New("empty option")
	ErrName       = errors.New("a keyword's name is letters, digits, dot, underscore and minus")
	ErrHeader     = errors.New("header is not: action protocol address port direction address port")
	ErrDirection  = errors.New("direction is not ->, <> or =>")
	ErrUnbalanced = errors.New("brackets do not balance")
)

// Parse reads a rule file. Comments that are themselves rules are returned as disabled. A line that is no rule is reported and left out.
// Large texts are parsed in parallel; results keep the order of the text.
func Parse(name, text string) ([]*Rule, []*Error) {
	chunks := Split(name, text)
	type part struct {
		rules []*Rule
		errs  []*Error
	}
	parts := make([]part, len(chunks))
	var wg sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, c := range chunks {
		slots <- struct{}{}
		wg.Go(func() {
			parts[i].rules, parts[i].errs = c.Parse()
			<-slots
		})
	}
	wg.Wait()
	var all part
	for _, p := range parts {
		all.rules, all.errs = append(all.rules, p.rules...), append(all.errs, p.errs...)
	}
	return all.rules, all.errs
}

// Chunk is a part of a rule file that can be parsed by itself: whoever wants to hold few rules at a time takes one after
// the other.
type Chunk struct{ lines []line }

// chunkLines is how many logical lines a chunk has.
const chunkLines = 1024

// Split cuts a rule file into chunks, in order, without parsing it.
func Split(name, text string) []Chunk {
	lines := splitLines(name, text)
	chunks := make([]Chunk, 0, len(lines)/chunkLines+1)
	for len(lines) > 0 {
		n := min(chunkLines, len(lines))
		chunks = append(chunks, Chunk{lines[:n]})
		lines = lines[n:]
	}
	return chunks
}

// Parse parses the chunk; see the function Parse.
func (c Chunk) Parse() (rules []*Rule, errs []*Error) {
	for i := range c.lines {
		r, err := c.lines[i].parse()
		if err != nil {
			errs = append(errs, err)
		} else if r != nil {
			rules = append(rules, r)
		}
	}
	return rules, errs
}

// ParseRule reads one rule, which may be commented out. pos is the place of its first byte.
func ParseRule(text string, pos Pos) (*Rule, error) {
	lines := splitLines(pos.File, text)
	for _, l := range lines {
		l.pos.Line += pos.Line - 1
		if l.pos.Line == pos.Line {
			l.pos.Col += pos.Col - 1
		}
		r, err := l.parse()
		if err != nil {
			return nil, err
		}
		if r != nil {
			return r, nil
		}
	}
	return nil, &Error{Pos: pos, Err: ErrHeader}
}

// line is one logical line: continuations joined, outer space removed.
type line struct {
	text  string
	pos   Pos
	folds []fold // where the text continues on another line of the file; nil mostly
}

// fold says that from byte at of the text on, the file goes on at line, column 1.
type fold struct{ at, line int }

// place is the position of byte i of the line's text.
func (l *line) place(i int) Pos {
	p := Pos{File: l.pos.File, Line: l.pos.Line, Col: l.pos.Col + i}
	for _, f := range l.folds {
		if i >= f.at {
			p.Line, p.Col = f.line, i-f.at+1
		}
	}
	return p
}

func splitLines(name, text string) []line {
	lines := make([]line, 0, strings.Count(text, "\n")+1)
	for n := 1; text != ""; n++ {
		first, rest, _ := strings.Cut(text, "\n")
		text = rest
		l := line{text: first, pos: Pos{File: name, Line: n, Col: 1}}
		for continued(l.text) && text != "" {
			var next string
			next, text, _ = strings.Cut(text, "\n")
			n++
			l.text = strings.TrimSuffix(strings.TrimRight(l.text, "\r"), "\\")
			l.folds = append(l.folds, fold{at: len(l.text), line: n})
			l.text += next
		}
		if trimmed := strings.TrimLeft(l.text, " \t\r\ufeff"); trimmed != "" {
			l.trimLeft(len(l.text) - len(trimmed))
			l.text = strings.TrimRight(l.text, " \t\r")
			lines = append(lines, l)
		}
	}
	return lines
}

func continued(s string) bool { return strings.HasSuffix(strings.TrimRight(s, "\r"), "\\") }

// trimLeft removes n bytes from the front of the line and keeps its positions true.
func (l *line) trimLeft(n int) {
	l.pos = l.place(n)
	l.text = l.text[n:]
	kept := l.folds[:0]
	for _, f := range l.folds {
		if f.at > n {
			kept = append(kept, fold{at: f.at - n, line: f.line})
		}
	}
	l.folds = kept
}

// parse returns the line's rule; nil for a comment that is none.
func (l *line) parse() (*Rule, *Error) {
	disabled := l.text[0] == '#'
	if disabled {
		body := strings.TrimLeft(l.text, "# \t")
		if !looksLikeRule(body) {
			return nil, nil
		}
		l.trimLeft(len(l.text) - len(body))
	}
	r, err := l.rule()
	if err != nil {
		if disabled {
			return nil, nil
		}
		return nil, err
	}
	r.Disabled = disabled
	return r, nil
}

// looksLikeRule tells a commented-out rule from prose that happens to hold parentheses.
func looksLikeRule(s string) bool {
	for _, a := range [...]string{"alert", "drop", "pass", "reject", "config"} {
		if strings.HasPrefix(s, a) {
			return strings.HasSuffix(s, ")") && strings.Contains(s, "sid:")
		}
	}
	return false
}

func (l *line) rule() (*Rule, *Error) {
	r := &Rule{Pos: l.place(0), Raw: l.text}
	open, err := l.header(&r.Header)
	if err != nil {
		return nil, err
	}
	if l.text[len(l.text)-1] != ')' || len(l.text)-1 <= open {
		return nil, &Error{Pos: l.place(len(l.text) - 1), Err: ErrUnclosed}
	}
	r.Options, r.Unfinished, err = l.options(open+1, len(l.text)-1)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// header reads up to the opening parenthesis and returns its offset.
func (l *line) header(h *Header) (int, *Error) {
	arrow := Field{}
	fields := [...]*Field{&h.Action, &h.Proto, &h.Src, &h.SrcPort, &arrow, &h.Dst, &h.DstPort}
	at := 0
	for n, f := range fields {
		at = skipSpace(l.text, at)
		end, ok := word(l.text, at)
		if !ok {
			return 0, &Error{Pos: l.place(at), Err: ErrUnbalanced}
		}
		if end == at {
			return 0, &Error{Pos: l.place(min(at, len(l.text)-1)), Err: headerError(n)}
		}
		*f = Field{Text: l.text[at:end], Pos: l.place(at)}
		at = end
	}
	switch h.Arrow = Arrow(arrow.Text); h.Arrow {
	case OneWay, BothWays, Transactional:
	default:
		return 0, &Error{Pos: arrow.Pos, Err: fmt.Errorf("%q: %w", arrow.Text, ErrDirection)}
	}
	at = skipSpace(l.text, at)
	if at >= len(l.text) || l.text[at] != '(' {
		return 0, &Error{Pos: l.place(min(at, len(l.text)-1)), Err: ErrNoOptions}
	}
	return at, nil
}

func headerError(n int) error {
	names := [...]string{"action", "protocol", "source address", "source port", "direction", "destination address", "destination port"}
	return fmt.Errorf("%s missing: %w", names[n], ErrHeader)
}

func skipSpace(s string, i int) int {
	for i < len(s) && (s[i] == ' ' || s[i] == '\t') {
		i++
	}
	return i
}

// word returns the end of the header word at i: space ends it outside of brackets, an opening parenthesis ends it too.
func word(s string, i int) (int, bool) {
	depth := 0
	for ; i < len(s); i++ {
		switch s[i] {
		case '[':
			depth++
		case ']':
			depth--
		case ' ', '\t', '(':
			if depth == 0 {
				return i, true
			}
		}
	}
	return i, depth == 0
}

// options splits text[from:to] at semicolons that no backslash precedes. Quotes do not protect a semicolon. The last option may lack
// its semicolon: unfinished.
func (l *line) options(from, to int) (options []Option, unfinished bool, err *Error) {
	options = make([]Option, 0, strings.Count(l.text[from:to], ";")+1)
	for {
		from = skipSpace(l.text[:to], from)
		if from == to {
			return options, unfinished, nil
		}
		end := semicolon(l.text[:to], from)
		if end < 0 {
			end, unfinished = to, true
		}
		text := l.text[from:end]
		name, value, hasArg := strings.Cut(text, ":")
		name = strings.TrimRight(name, " \t")
		if name == "" {
			return nil, false, &Error{Pos: l.place(from), Err: ErrEmpty}
		}
		if i := strings.IndexFunc(name, notInName); i >= 0 {
			return nil, false, &Error{Pos: l.place(from + i), Err: ErrName}
		}
		options = append(options, Option{
			Pos: l.place(from), Name: name, Value: strings.Trim(value, " \t"), HasArg: hasArg,
		})
		from = min(end+1, to)
	}
}

func notInName(c rune) bool {
	return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.' || c == '-')
}

func semicolon(s string, from int) int {
	for i := from; i < len(s); i++ {
		if s[i] == '\\' {
			i++
		} else if s[i] == ';' {
			return i
		}
	}
	return -1
}
