package keyword

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/weir-ips/weir/pkg/decode"
)

// U128 is an address as a number, IPv4 mapped.
type U128 struct{ Hi, Lo uint64 }

// Number returns a as a number.
func Number(a decode.Addr) U128 {
	return U128{binary.BigEndian.Uint64(a[:8]), binary.BigEndian.Uint64(a[8:])}
}

// Less orders numbers.
func (u U128) Less(v U128) bool { return u.Hi < v.Hi || u.Hi == v.Hi && u.Lo < v.Lo }

func (u U128) compare(v U128) int {
	if c := cmp.Compare(u.Hi, v.Hi); c != 0 {
		return c
	}
	return cmp.Compare(u.Lo, v.Lo)
}

// Next returns u+1, and false when there is none.
func (u U128) Next() (U128, bool) {
	u.Lo++
	if u.Lo == 0 {
		u.Hi++
	}
	return u, u != U128{}
}

func (u U128) prev() U128 {
	if u.Lo == 0 {
		u.Hi--
	}
	u.Lo--
	return u
}

// Range is an inclusive range of addresses.
type Range struct{ From, To U128 }

// AddrSet is a set of addresses: sorted ranges that neither overlap nor touch.
type AddrSet struct {
	Any     bool // all addresses
	Negated bool // the text used ! somewhere
	Ranges  []Range
}

var maxU128 = U128{1<<64 - 1, 1<<64 - 1}

// Has reports whether the set holds an address.
func (s *AddrSet) Has(u U128) bool {
	if s.Any {
		return true
	}
	lo, hi := 0, len(s.Ranges)
	for lo < hi {
		mid := (lo + hi) / 2
		if s.Ranges[mid].To.Less(u) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo < len(s.Ranges) && !u.Less(s.Ranges[lo].From)
}

// PortRange is an inclusive range of ports.
type PortRange struct{ From, To uint16 }

// PortSet is a set of ports: sorted ranges that neither overlap nor touch.
type PortSet struct {
	Any    bool
	Ranges []PortRange
}

// Has reports whether the set holds a port.
func (s *PortSet) Has(p uint16) bool {
	if s.Any {
		return true
	}
	for _, r := range s.Ranges {
		if p <= r.To {
			return p >= r.From
		}
	}
	return false
}

var (
	errNegatedAny = errors.New("!any holds nothing")
	errNothing    = errors.New("holds nothing: all that it names is taken out again, the rule never matches")
	errNested     = errors.New("variables are nested too deep or name each other")
	errBrackets   = errors.New("brackets do not balance")
	errEmptyItem  = errors.New("an element is empty")
)

// maxNesting bounds brackets and variables within each other.
const maxNesting = 32

// group is a parsed list of either kind: what it holds and what is taken out of it.
type group[T any] struct{ in, out []T }

// parseGroup reads `any`, an element, `[a,b,![c]]` or a variable. element reads what is none of these.
func parseGroup[T any](text string, vars map[string]string, depth int, all T, element func(string) (T, error),
	complement func([]T) []T) (g group[T], negated bool, err error) {
	if depth > maxNesting {
		return g, false, errNested
	}
	text = strings.TrimSpace(text)
	if depth == 0 && strings.Contains(text, ",") && text[0] != '[' && !strings.HasPrefix(text, "![") {
		text = "[" + text + "]" // a list without brackets is forgiven
	}
	if rest, ok := strings.CutPrefix(text, "!"); ok {
		if strings.TrimSpace(rest) == "any" {
			return g, false, errNegatedAny
		}
		inner, _, err := parseGroup(rest, vars, depth+1, all, element, complement)
		if err != nil {
			return g, false, err
		}
		return group[T]{out: resolve(inner, all, complement)}, true, nil
	}
	switch {
	case text == "":
		return g, false, errEmptyItem
	case text == "any":
		return group[T]{in: []T{all}}, false, nil
	case text[0] == '$':
		value, ok := vars[text[1:]]
		if !ok {
			return g, false, fmt.Errorf("variable %s is not defined: give it a value (variables.%s in sensor.yaml, vars in suricata.yaml, or --set)", text, text[1:])
		}
		return parseGroup(value, vars, depth+1, all, element, complement)
	case text[0] == '[':
		return parseList(text, vars, depth, all, element, complement)
	}
	e, err := element(text)
	return group[T]{in: []T{e}}, false, err
}

func parseList[T any](text string, vars map[string]string, depth int, all T, element func(string) (T, error),
	complement func([]T) []T) (g group[T], negated bool, err error) {
	if text[len(text)-1] != ']' {
		return g, false, errBrackets
	}
	items, err := splitList(text[1 : len(text)-1])
	if err != nil {
		return g, false, err
	}
	for _, item := range items {
		sub, n, err := parseGroup(item, vars, depth+1, all, element, complement)
		if err != nil {
			return g, false, err
		}
		negated = negated || n
		if len(sub.in) > 0 && len(sub.out) > 0 { // nested list with exceptions of its own
			sub = group[T]{in: resolve(sub, all, complement)}
		}
		g.in, g.out = append(g.in, sub.in...), append(g.out, sub.out...)
	}
	return g, negated, nil
}

// resolve returns what is in the group and not taken out; a group that only takes out starts from everything.
func resolve[T any](g group[T], all T, complement func([]T) []T) []T {
	if len(g.in) == 0 {
		g.in = []T{all}
	}
	if len(g.out) == 0 {
		return complement(complement(g.in))
	}
	// in ∖ out = ¬(¬in ∪ out)
	return complement(append(complement(g.in), g.out...))
}

// splitList splits at commas outside of brackets.
func splitList(s string) ([]string, error) {
	var items []string
	depth, from := 0, 0
	for i := range len(s) {
		switch s[i] {
		case '[':
			depth++
		case ']':
			if depth--; depth < 0 {
				return nil, errBrackets
			}
		case ',':
			if depth == 0 {
				items = append(items, s[from:i])
				from = i + 1
			}
		}
	}
	if depth != 0 {
		return nil, errBrackets
	}
	if strings.TrimSpace(s[from:]) != "" || len(items) == 0 { // a trailing comma is forgiven
		items = append(items, s[from:])
	}
	return items, nil
}

// ParseAddresses reads the address part of a header. The set may be empty: all that is named is taken out again.
func ParseAddresses(text string, vars map[string]string) (*AddrSet, error) {
	all := Range{U128{}, maxU128}
	g, negated, err := parseGroup(text, vars, 0, all, parseAddress, complementAddresses)
	if err != nil {
		return nil, err
	}
	ranges := resolve(g, all, complementAddresses)
	return &AddrSet{Any: len(ranges) == 1 && ranges[0] == all, Negated: negated, Ranges: ranges}, nil
}

func parseAddress(s string) (Range, error) {
	if lo, hi, ok := strings.Cut(s, "-"); ok {
		a, err := netip.ParseAddr(strings.TrimSpace(lo))
		if err != nil {
			return Range{}, fmt.Errorf("%q is not an address", lo)
		}
		b, err := netip.ParseAddr(strings.TrimSpace(hi))
		if err != nil || b.Less(a) || a.Is4() != b.Is4() {
			return Range{}, fmt.Errorf("%q is not a range of addresses", s)
		}
		return Range{Number(decode.AddrFrom(a)), Number(decode.AddrFrom(b))}, nil
	}
	address, length, hasLength := strings.Cut(s, "/")
	a, err := netip.ParseAddr(address)
	if err != nil {
		return Range{}, fmt.Errorf("%q is not an address, a prefix, a list or a $VARIABLE", s)
	}
	bits := a.BitLen()
	if hasLength {
		if bits, err = prefixLength(length, a); err != nil {
			return Range{}, err
		}
	}
	if a.Is4() {
		bits += 96
	}
	return prefixRange(Number(decode.AddrFrom(a)), bits), nil
}

// prefixLength reads 24 or, for IPv4, 255.255.255.0.
func prefixLength(s string, a netip.Addr) (int, error) {
	if m, err := netip.ParseAddr(s); err == nil && m.Is4() && a.Is4() {
		b := m.As4()
		n := binary.BigEndian.Uint32(b[:])
		ones := 0
		for ; n&(1<<31) != 0; n <<= 1 {
			ones++
		}
		if n != 0 {
			return 0, fmt.Errorf("%q is not a netmask", s)
		}
		return ones, nil
	}
	return parseInt(s, 0, a.BitLen())
}

func prefixRange(u U128, bits int) Range {
	hi, lo := ^uint64(0), ^uint64(0)
	switch {
	case bits == 0:
		hi, lo = 0, 0
	case bits <= 64:
		hi, lo = ^uint64(0)<<(64-bits), 0
	case bits < 128:
		lo = ^uint64(0) << (128 - bits)
	}
	return Range{U128{u.Hi & hi, u.Lo & lo}, U128{u.Hi | ^hi, u.Lo | ^lo}}
}

func complementAddresses(in []Range) []Range {
	in = slices.Clone(in)
	slices.SortFunc(in, func(a, b Range) int { return a.From.compare(b.From) })
	out := make([]Range, 0, len(in)+1)
	next, open := U128{}, true
	for _, r := range in {
		if !open {
			break
		}
		if next.Less(r.From) {
			out = append(out, Range{next, r.From.prev()})
		}
		if !r.To.Less(next) {
			next, open = r.To.Next()
		}
	}
	if open {
		out = append(out, Range{next, maxU128})
	}
	return out
}

// ParsePorts reads the port part of a header. The set may be empty.
func ParsePorts(text string, vars map[string]string) (*PortSet, error) {
	all := PortRange{0, 65535}
	g, _, err := parseGroup(text, vars, 0, all, parsePort, complementPorts)
	if err != nil {
		return nil, err
	}
	ranges := resolve(g, all, complementPorts)
	return &PortSet{Any: len(ranges) == 1 && ranges[0] == all, Ranges: ranges}, nil
}

func parsePort(s string) (PortRange, error) {
	lo, hi, isRange := strings.Cut(s, ":")
	r := PortRange{0, 65535}
	if lo != "" {
		n, err := parseInt(lo, 0, 65535)
		if err != nil {
			return r, fmt.Errorf("port %w", err)
		}
		r.From = uint16(n)
	}
	if hi != "" {
		n, err := parseInt(hi, 0, 65535)
		if err != nil {
			return r, fmt.Errorf("port %w", err)
		}
		r.To = uint16(n)
	}
	if !isRange {
		r.To = r.From
	}
	if r.To < r.From || lo == "" && hi == "" {
		return r, fmt.Errorf("%q is not a range of ports", s)
	}
	return r, nil
}

func complementPorts(in []PortRange) []PortRange {
	in = slices.Clone(in)
	slices.SortFunc(in, func(a, b PortRange) int { return cmp.Compare(a.From, b.From) })
	out := make([]PortRange, 0, len(in)+1)
	next := 0
	for _, r := range in {
		if next < int(r.From) {
			out = append(out, PortRange{uint16(next), r.From - 1})
		}
		next = max(next, int(r.To)+1)
	}
	if next <= 65535 {
		out = append(out, PortRange{uint16(next), 65535})
	}
	return out
}
