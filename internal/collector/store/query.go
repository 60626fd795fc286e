package store

import (
	"net/netip"
	"slices"
	"strings"
	"unicode"
)

// A word is one word of Filter.Query. It matches an alert by text, by address, or by name.
type word struct {
	tokens []string     // consecutive words of a signature or category; the last may go on
	prefix netip.Prefix // valid when the word reads as an address, a prefix or the first octets of an IPv4 address
	name   string       // lower case: a sensor, an action or a protocol
}

// maxWords bounds the work that one query can ask for.
const maxWords = 8

func parseQuery(q string) []word {
	var words []word
	for _, text := range strings.Fields(q) {
		if len(words) == maxWords {
			break
		}
		words = append(words, word{tokens: tokens(text), prefix: partialPrefix(text), name: strings.ToLower(text)})
	}
	return words
}

// tokens splits text as FTS5's unicode61 does, near enough: runs of letters and digits, lower case.
func tokens(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.Is(unicode.Co, r)
	})
}

// Text is what one word or phrase of a query can mean, for stores that search elsewhere.
type Text struct {
	Tokens []string     // consecutive words of a signature or category; the last may go on
	Prefix netip.Prefix // of source or target; invalid if the text reads as none
	Name   string       // lower case: a sensor, an action or a protocol
}

// Meaning is the text of a term without a field.
func (t Term) Meaning() Text {
	w := wordOf(t.Values[0].Text)
	return Text{w.tokens, w.prefix, w.name}
}

// Tokens splits a signature or a category as texts of queries are split.
func Tokens(text string) []string { return tokens(text) }

// Words are the words of f.Query as terms.
func (f *Filter) Words() []Term {
	var terms []Term
	for i, text := range strings.Fields(f.Query) {
		if i == maxWords {
			break
		}
		terms = append(terms, Term{Values: []Value{{Text: text}}})
	}
	return terms
}

// Suppressed is what f.Hide leaves out besides archived alerts, once Desk.Resolve has said so.
func (f *Filter) Suppressed() [][]Term { return f.suppressed }

// match is the word as an FTS5 expression: a phrase whose last token is a prefix.
func (w word) match() string {
	if len(w.tokens) == 0 {
		return ""
	}
	return `"` + strings.Join(w.tokens, " ") + `"*`
}

// occursIn reports what match would, for one text.
func (w word) occursIn(text string) bool {
	if len(w.tokens) == 0 {
		return false
	}
	have := tokens(text)
	for i := 0; i+len(w.tokens) <= len(have); i++ {
		if phraseAt(have[i:], w.tokens) {
			return true
		}
	}
	return false
}

func phraseAt(have, want []string) bool {
	last := len(want) - 1
	for i := range last {
		if have[i] != want[i] {
			return false
		}
	}
	return strings.HasPrefix(have[last], want[last])
}

// partialPrefix reads 10.1.2.3, 10.1.0.0/16, 2001:db8::/32, and 10.1 or 10.1. as 10.1.0.0/16; anything else is no prefix.
func partialPrefix(text string) netip.Prefix {
	if ip, err := netip.ParseAddr(text); err == nil {
		ip = ip.WithZone("").Unmap()
		return netip.PrefixFrom(ip, ip.BitLen())
	}
	if p, err := netip.ParsePrefix(text); err == nil {
		return p.Masked()
	}
	octets := strings.Split(strings.TrimSuffix(text, "."), ".")
	if len(octets) < 2 || len(octets) > 3 {
		return netip.Prefix{}
	}
	full := strings.Join(octets, ".") + strings.Repeat(".0", 4-len(octets))
	ip, err := netip.ParseAddr(full)
	if err != nil {
		return netip.Prefix{}
	}
	return netip.PrefixFrom(ip, 8*len(octets))
}

// bounds are the first and last address of p as column values.
func bounds(p netip.Prefix) (first, last any) {
	lo := p.Masked().Addr()
	if lo.Is4() {
		a := address(lo).(int64)
		return a, a | (int64(1)<<(32-p.Bits()) - 1)
	}
	hi := lo.As16()
	for i := p.Bits(); i < 128; i++ {
		hi[i/8] |= 0x80 >> (i % 8)
	}
	return address(lo), hi[:]
}

// matcher returns a function that reports whether the filter chooses an alert, as a search would.
func (f *Filter) matcher() func(*Alert) bool {
	words, terms := parseQuery(f.Query), newTermMatcher(f.Terms)
	var suppressed []termMatcher
	for _, s := range f.suppressed {
		suppressed = append(suppressed, newTermMatcher(s))
	}
	return func(a *Alert) bool {
		if !f.matchFields(a) || !matchWords(words, a) || !terms.matches(a) {
			return false
		}
		return !f.Hide || a.State != stateNames[stateArchived] && !slices.ContainsFunc(suppressed, func(m termMatcher) bool { return m.matches(a) })
	}
}

func (f *Filter) matchFields(a *Alert) bool {
	switch {
	case !f.Since.IsZero() && a.Time.Before(f.Since), !f.Until.IsZero() && !a.Time.Before(f.Until):
		return false
	case f.SID != 0 && f.SID != a.SID, f.Severity != 0 && f.Severity != a.Severity:
		return false
	case f.Src.IsValid() && !f.Src.Contains(a.SrcIP), f.Dst.IsValid() && !f.Dst.Contains(a.DestIP):
		return false
	case f.Sensor != "" && f.Sensor != a.Sensor, f.Action != "" && f.Action != a.Action, f.App != "" && f.App != a.AppProto:
		return false
	}
	return true
}

func matchWords(words []word, a *Alert) bool {
	for _, w := range words {
		if !w.matches(a) {
			return false
		}
	}
	return true
}

func (w word) matches(a *Alert) bool {
	if w.prefix.IsValid() && (w.prefix.Contains(a.SrcIP) || w.prefix.Contains(a.DestIP)) {
		return true
	}
	for _, name := range []string{a.Sensor, a.Action, a.Proto, a.AppProto} {
		if strings.ToLower(name) == w.name {
			return true
		}
	}
	return w.occursIn(a.Signature) || w.occursIn(a.Category)
}
