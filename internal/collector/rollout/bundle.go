package rollout

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

// Bundle is one rule text.
type Bundle struct {
	Version string    `json:"version"` // SHA-256 of the text, hex
	Count   int       `json:"count"`   // rules, those that are commented out left aside
	Bytes   int       `json:"bytes"`
	AddedAt time.Time `json:"added_at"`
	AddedBy string    `json:"added_by"`
	Runs    []string  `json:"runs"` // scopes in which it runs: all, groups, sensors; not kept
}

// Changes is what one bundle does differently from another, in signature ids, each list in order and at most MaxChanges long.
type Changes struct {
	From    string `json:"from"` // version; empty: no rules
	To      string `json:"to"`
	Added   []SID  `json:"added"`
	Removed []SID  `json:"removed"`
	Changed []SID  `json:"changed"`
	Counts  [3]int `json:"counts"`  // added, removed, changed, all of them
	Unnamed int    `json:"unnamed"` // rules without a sid, which cannot be compared
}

// SID is a signature id.
type SID = uint32

// MaxChanges bounds each list of Changes.
const MaxChanges = 1000

// Faults is the error of a text that is not in the rule language.
type Faults []*syntax.Error

func (f Faults) Error() string {
	var all []error
	for _, each := range f[:min(len(f), 10)] {
		all = append(all, each)
	}
	return fmt.Sprintf("%d rules cannot be read: %v", len(f), errors.Join(all...))
}

// digest stands for a rule's canonical text, or for those of several.
type digest = [sha256.Size]byte

// parse reads the rules that are not commented out, by sid.
func parse(text string) (rules map[SID]digest, count, unnamed int, err error) {
	list, faults := syntax.Parse("rules", text)
	if len(faults) > 0 {
		return nil, 0, 0, Faults(faults)
	}
	rules = make(map[SID]digest, len(list))
	for _, r := range list {
		if r.Disabled {
			continue
		}
		count++
		value, _ := r.Option("sid")
		sid, err := strconv.ParseUint(value, 10, 32)
		if err != nil {
			unnamed++
			continue
		}
		before := rules[SID(sid)] // the same sid in several groups of sids: compared as one
		rules[SID(sid)] = sha256.Sum256(append(before[:], r.String()...))
	}
	return rules, count, unnamed, nil
}

// compare says how to differs from from.
func compare(from, to map[SID]digest) (c Changes) {
	c.Added, c.Removed, c.Changed = []SID{}, []SID{}, []SID{}
	for sid, rule := range to {
		switch was, had := from[sid]; {
		case !had:
			c.Added = append(c.Added, sid)
		case was != rule:
			c.Changed = append(c.Changed, sid)
		}
	}
	for sid := range from {
		if _, has := to[sid]; !has {
			c.Removed = append(c.Removed, sid)
		}
	}
	for i, list := range []*[]SID{&c.Added, &c.Removed, &c.Changed} {
		slices.Sort(*list)
		c.Counts[i] = len(*list)
		*list = (*list)[:min(len(*list), MaxChanges)]
	}
	return c
}
