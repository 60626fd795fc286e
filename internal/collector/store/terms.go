package store

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// A Term is one condition of a query: a field and the values it may have, or must not have.
type Term struct {
	Field  string // one of Fields, or "" for text
	Not    bool
	Values []Value // any of them
}

// Value is what a term compares with: a range of numbers, both ends included, a prefix, or a text.
type Value struct {
	Low, High uint64
	Prefix    netip.Prefix
	Text      string
}

// SyntaxError says what is wrong with a query, and where: bytes Offset to End.
type SyntaxError struct {
	Offset, End int
	Detail      string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("column %d: %s", e.Offset+1, e.Detail) }

type fieldKind int

const (
	numbersOf fieldKind = iota
	prefixesOf
	namesOf
	statesOf
)

// fields are what a query can ask for by name.
var fields = map[string]struct {
	kind fieldKind
	most uint64 // of numbers
}{
	"sid": {numbersOf, math.MaxUint32}, "gid": {numbersOf, math.MaxUint32}, "severity": {numbersOf, math.MaxUint8},
	"port": {numbersOf, math.MaxUint16}, "sport": {numbersOf, math.MaxUint16}, "flow": {numbersOf, math.MaxUint64},
	"src": {kind: prefixesOf}, "dst": {kind: prefixesOf}, "ip": {kind: prefixesOf},
	"sensor": {kind: namesOf}, "action": {kind: namesOf}, "app": {kind: namesOf}, "proto": {kind: namesOf}, "assigned": {kind: namesOf},
	"is": {kind: statesOf},
}

// Fields returns the names a query knows, in order.
func Fields() []string {
	all := make([]string, 0, len(fields))
	for name := range fields {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

const (
	maxTerms  = 32
	maxValues = 64
	maxQuery  = 2048
)

// ParseQuery reads the language that people filter alerts with: conditions that all must hold, separated by spaces.
//
//	sid:2100498  src:10.0.0.0/8  severity<=2  port:80,443  is:escalated   a field and its values
//	-app:dns  -sensor:edge-1  -scanner                                    not
//	beacon  "id check"  10.1                                              text: see Filter.Query
//
// Errors are *SyntaxError.
func ParseQuery(text string) ([]Term, error) {
	if len(text) > maxQuery {
		return nil, &SyntaxError{maxQuery, len(text), fmt.Sprintf("longer than %d bytes", maxQuery)}
	}
	var terms []Term
	for at := 0; at < len(text); {
		if text[at] == ' ' || text[at] == '\t' || text[at] == '\n' || text[at] == '\r' {
			at++
			continue
		}
		if len(terms) == maxTerms {
			return nil, &SyntaxError{at, len(text), fmt.Sprintf("more than %d conditions", maxTerms)}
		}
		end, err := tokenEnd(text, at)
		if err != nil {
			return nil, err
		}
		t, err := parseTerm(text[at:end], at)
		if err != nil {
			return nil, err
		}
		terms = append(terms, t)
		at = end
	}
	return terms, nil
}

// tokenEnd is where the condition that begins at ends: at a space outside of quotes.
func tokenEnd(text string, at int) (int, error) {
	quoted := -1
	for i := at; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"' && quoted < 0:
			quoted = i
		case c == '"':
			quoted = -1
		case quoted < 0 && (c == ' ' || c == '\t' || c == '\n' || c == '\r'):
			return i, nil
		}
	}
	if quoted >= 0 {
		return 0, &SyntaxError{quoted, len(text), "this quote is not closed"}
	}
	return len(text), nil
}

func parseTerm(token string, at int) (Term, error) {
	var t Term
	body, start := token, at
	if len(body) > 1 && body[0] == '-' {
		t.Not, body, start = true, body[1:], at+1
	}
	name, op, value := splitTerm(body)
	f, known := fields[name]
	switch {
	case op == "":
		t.Values = []Value{{Text: strings.ReplaceAll(body, `"`, "")}}
		if len(tokens(t.Values[0].Text)) == 0 && strings.Trim(t.Values[0].Text, " ") == "" {
			return t, &SyntaxError{at, at + len(token), "nothing to look for"}
		}
		return t, nil
	case !known:
		return t, &SyntaxError{start, start + len(name), fmt.Sprintf("there is no field %q; there are %s", name, strings.Join(Fields(), ", "))}
	case op != ":" && f.kind != numbersOf:
		return t, &SyntaxError{start, at + len(token), fmt.Sprintf("%s cannot be compared with %s; write %s:…", name, op, name)}
	}
	t.Field = name
	if value == "" {
		return t, &SyntaxError{start, at + len(token), name + " of what?"}
	}
	offset := start + len(body) - len(value)
	for one := range strings.SplitSeq(value, ",") {
		v, detail := parseValue(name, op, strings.ReplaceAll(one, `"`, ""), f.kind, f.most)
		if detail != "" {
			return t, &SyntaxError{offset, offset + len(one), detail}
		}
		offset += len(one) + 1
		t.Values = append(t.Values, v)
	}
	if len(t.Values) > maxValues {
		return t, &SyntaxError{start, at + len(token), fmt.Sprintf("more than %d values", maxValues)}
	}
	return t, nil
}

// splitTerm cuts a field's name and operator off. What does not begin with a name and an operator is text, and so is
// 2001:db8::1.
func splitTerm(s string) (name, op, value string) {
	n := strings.IndexFunc(s, func(r rune) bool { return !unicode.IsLetter(r) && r != '_' })
	if n <= 0 {
		return "", "", ""
	}
	for _, op := range []string{"<=", ">=", "<", ">", "=", ":"} {
		if rest, ok := strings.CutPrefix(s[n:], op); ok {
			name = strings.ToLower(s[:n])
			if _, known := fields[name]; op == ":" && !known && strings.Contains(rest, ":") {
				return "", "", ""
			}
			if op == "=" {
				op = ":"
			}
			return name, op, rest
		}
	}
	return "", "", ""
}

func parseValue(name, op, text string, kind fieldKind, most uint64) (Value, string) {
	switch kind {
	case prefixesOf:
		p := partialPrefix(text)
		if !p.IsValid() {
			return Value{}, fmt.Sprintf("%q is neither an address nor a prefix such as 10.0.0.0/8", text)
		}
		return Value{Prefix: p}, ""
	case namesOf:
		if text == "" {
			return Value{}, name + " of what?"
		}
		return Value{Text: text}, ""
	case statesOf:
		if !slices.Contains(stateNames, text) {
			return Value{}, fmt.Sprintf("%q is not one of %s", text, strings.Join(stateNames, ", "))
		}
		return Value{Text: text}, ""
	}
	return parseNumber(op, text, most)
}

// parseNumber reads 80, 8000-8099, and what an operator makes of a number.
func parseNumber(op, text string, most uint64) (Value, string) {
	low, high, span := strings.Cut(text, "-")
	a, err := strconv.ParseUint(low, 10, 64)
	b := a
	if span && op == ":" && err == nil {
		b, err = strconv.ParseUint(high, 10, 64)
	} else if span {
		err = strconv.ErrSyntax
	}
	if err != nil || a > most || b > most || a > b {
		return Value{}, fmt.Sprintf("%q is not a number up to %d", text, most)
	}
	switch {
	case op == "<=":
		a = 0
	case op == ">=":
		b = most
	case op == "<" && a > 0:
		a, b = 0, a-1
	case op == ">" && a < most:
		a, b = a+1, most
	case op == "<" || op == ">":
		return Value{}, "no number is " + op + " " + text
	}
	return Value{Low: a, High: b}, ""
}
