package signatures

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/weir-ips/weir/pkg/signatures/keyword"
)

// scope says which packets rules can match, by what is known before their patterns are looked for.
type scope struct {
	apps     keyword.AppSet   // protocols of the flow; 0 for every packet
	src, dst *keyword.AddrSet // nil for every address
	small    bool             // payloads of up to smallPayload bytes
}

// smallPayload is up to which dsize rules are looked for in small payloads alone.
const smallPayload = 256

// fewRules is how many rules a scope must have to be worth a scan of its own.
const fewRules = 24

// scopedSet is a scan set for the packets in its scope.
type scopedSet struct {
	scope
	limit int // of the payload's size; 0 for none
	*scanSet
}

// addressScope is a scope by address alone.
type addressScope struct{ src, dst *keyword.AddrSet }

// maxAddressScopes is how many of them are told apart: each has a bit.
const maxAddressScopes = 64

// room notes the addresses of a scope, if there is room.
func (x *scopes) room(c scope) bool {
	a := addressScope{c.src, c.dst}
	if a == (addressScope{}) || slices.Contains(x.used, a) {
		return true
	}
	if len(x.used) == maxAddressScopes {
		return false
	}
	x.used = append(x.used, a)
	return true
}

// scopes sorts rules by scope.
type scopes struct {
	known map[*keyword.AddrSet]*keyword.AddrSet // each set to the first with the same addresses
	texts map[string]*keyword.AddrSet
	used  []addressScope // by scan sets
}

func (x *scopes) of(s *keyword.Signature) scope {
	c := scope{apps: s.Apps, small: s.MaxPayload > 0 && s.MaxPayload <= smallPayload}
	if !s.BothWays {
		c.src, c.dst = x.canonical(s.Src), x.canonical(s.Dst)
	}
	return c
}

// canonical returns the same set for equal ones, nil for any.
func (x *scopes) canonical(s *keyword.AddrSet) *keyword.AddrSet {
	if s.Any {
		return nil
	}
	c, ok := x.known[s]
	if !ok {
		if x.known == nil {
			x.known, x.texts = map[*keyword.AddrSet]*keyword.AddrSet{}, map[string]*keyword.AddrSet{}
		}
		text := fmt.Sprint(s.Ranges)
		if c = x.texts[text]; c == nil {
			c = s
			x.texts[text] = s
		}
		x.known[s] = c
	}
	return c
}

// wider are the steps by which the scope of few rules is given up.
var wider = [...]func(*scope){
	func(c *scope) { c.small = false },
	func(c *scope) { c.src, c.dst = nil, nil },
	func(c *scope) { c.apps = 0 },
}

// build makes the scan sets of rules.
func (x *scopes) build(sigs []*keyword.Signature) []scopedSet {
	groups := map[scope][]*keyword.Signature{}
	for _, s := range sigs {
		c := x.of(s)
		groups[c] = append(groups[c], s)
	}
	for _, widen := range wider {
		for c, g := range groups {
			to := c
			if widen(&to); to != c && len(g) < fewRules {
				delete(groups, c)
				groups[to] = append(groups[to], g...)
			}
		}
	}
	for c, g := range groups {
		if !x.room(c) {
			delete(groups, c)
			c.src, c.dst = nil, nil
			groups[c] = append(groups[c], g...)
		}
	}
	var sets []scopedSet
	for c, g := range groups {
		sets = append(sets, newScopedSet(c, g))
	}
	slices.SortFunc(sets, func(a, b scopedSet) int { return cmp.Compare(a.first(), b.first()) })
	return sets
}

func newScopedSet(c scope, sigs []*keyword.Signature) scopedSet {
	slices.SortFunc(sigs, func(a, b *keyword.Signature) int { return cmp.Compare(a.Order, b.Order) })
	x := scopedSet{scope: c}
	var b setBuilder
	for _, s := range sigs {
		b.add(payloadFast(s), s.Order)
		if c.small {
			x.limit = max(x.limit, s.MaxPayload)
		}
	}
	x.scanSet = b.build()
	return x
}

// first is the first rule of a set.
func (x *scopedSet) first() uint32 {
	for _, l := range [...]lists{x.rules, x.placed} {
		if len(l.rules) > 0 {
			return l.rules[0]
		}
	}
	return 0
}
