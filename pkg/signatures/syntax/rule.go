// Package syntax reads and writes Suricata's rule language without knowing any keyword: header, ordered options, positions.
//
// A rule is one logical line: action, protocol, two addresses with ports around a direction, and options in parentheses.
//
//	alert tcp $HOME_NET any -> any 80 (msg:"x"; content:"y"; sid:1;)
package syntax

import (
	"fmt"
	"strings"
)

// Pos is a place in a rule file. Line and Col are 1-based; Col counts bytes.
type Pos struct {
	File string
	Line int
	Col  int
}

// String returns file:line:col.
func (p Pos) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col) }

// Error is what is wrong with a rule, and where.
type Error struct {
	Pos     Pos
	Keyword string // option the error is about; "" for the rule's frame
	Err     error
}

// Error returns "file:line:col: keyword: reason".
func (e *Error) Error() string {
	if e.Keyword == "" {
		return fmt.Sprintf("%s: %v", e.Pos, e.Err)
	}
	return fmt.Sprintf("%s: %s: %v", e.Pos, e.Keyword, e.Err)
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// Arrow is the direction part of a header.
type Arrow string

// The directions of a header.
const (
	OneWay        Arrow = "->"
	BothWays      Arrow = "<>" // the rule holds in either orientation
	Transactional Arrow = "=>" // both sides of one transaction (Suricata 8)
)

// Field is one word of the header with its place.
type Field struct {
	Text string
	Pos  Pos
}

// Header is what stands before the parentheses.
type Header struct {
	Action, Proto Field
	Src, SrcPort  Field
	Arrow         Arrow
	Dst, DstPort  Field
}

// Option is one keyword with its argument, in the order of the text.
type Option struct {
	Pos    Pos
	Name   string
	Value  string // text after the colon, surrounding space removed, quotes and escapes kept
	HasArg bool   // a colon was present
}

// Rule is one parsed rule. All strings share memory with the text given to the parser.
type Rule struct {
	Pos      Pos
	Header   Header
	Options  []Option
	Disabled bool // the rule is commented out
	// Unfinished says that the last option lacks its semicolon. What is meant is plain; Suricata refuses the rule.
	Unfinished bool
	Raw        string // the rule as written, comment mark and line continuations removed
}

// Option returns the value of the first option called name.
func (r *Rule) Option(name string) (string, bool) {
	for i := range r.Options {
		if r.Options[i].Name == name {
			return r.Options[i].Value, true
		}
	}
	return "", false
}

// String writes the rule in canonical spacing; parsing the result gives an equal rule but for positions and Raw.
func (r *Rule) String() string {
	var b strings.Builder
	if r.Disabled {
		b.WriteString("# ")
	}
	h := &r.Header
	b.WriteString(h.Action.Text + " " + h.Proto.Text)
	for _, s := range [...]string{h.Src.Text, h.SrcPort.Text, string(h.Arrow), h.Dst.Text, h.DstPort.Text} {
		b.WriteString(" " + s)
	}
	b.WriteString(" (")
	for i := range r.Options {
		if i > 0 {
			b.WriteByte(' ')
		}
		o := &r.Options[i]
		b.WriteString(o.Name)
		if o.HasArg {
			b.WriteString(":" + o.Value)
			if trailing := len(o.Value) - len(strings.TrimRight(o.Value, `\`)); trailing%2 == 1 {
				b.WriteByte(' ') // or the backslash would escape the semicolon
			}
		}
		b.WriteByte(';')
	}
	b.WriteByte(')')
	return b.String()
}
