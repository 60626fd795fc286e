package keyword

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

// Family says what kind of thing a keyword is.
type Family string

// The families of keywords.
const (
	FamilyMeta      Family = "meta"      // about the rule
	FamilyPacket    Family = "packet"    // tests a packet, its flow or its transaction
	FamilyBuffer    Family = "buffer"    // names the bytes that the following contents look at
	FamilyContent   Family = "content"   // looks at bytes, or modifies what does
	FamilyTransform Family = "transform" // changes the bytes of a buffer before they are looked at
	FamilyState     Family = "state"     // remembers
)

// Keyword is one row of the table: a declaration of what a rule may say.
type Keyword struct {
	Name     string
	Aliases  []string
	Family   Family
	Arg      string // shape of the argument, "" when there is none
	Optional bool   // the argument may be left out
	Doc      string

	setup func(c *compiler, o *syntax.Option) error
}

var (
	errUnknown = errors.New("unknown keyword")
	errNoArg   = errors.New("takes no argument")
)

// Table returns all keywords in the order of the manual. The slice must not be changed.
func Table() []*Keyword { return table }

var index = sync.OnceValue(func() map[string]*Keyword {
	m := make(map[string]*Keyword, 2*len(table))
	for _, k := range table {
		for _, name := range append([]string{k.Name}, k.Aliases...) {
			if m[name] != nil {
				panic("keyword " + name + " is in the table twice")
			}
			m[name] = k
		}
	}
	return m
})

// Lookup finds a keyword by its name or an alias; nil when there is none.
func Lookup(name string) *Keyword { return index()[name] }

// apply compiles one option.
func (k *Keyword) apply(c *compiler, o *syntax.Option) error {
	switch {
	case k.Arg == "" && o.HasArg && o.Value != "":
		return errNoArg
	case k.Arg != "" && !k.Optional && o.Value == "":
		return fmt.Errorf("needs an argument: %s", k.Arg)
	}
	return k.setup(c, o)
}

// foreign says why keywords of Suricata are left out, by name or by what names begin with.
var foreign = map[string]string{"lua": "scripts are not run", "luaxform": "scripts are not run", "geoip": "there is no database of places",
	"flow.elephant": "rates of flows are not tracked"}

// foreignProtocol returns the protocol that a keyword belongs to and that is not parsed; "" when it belongs to none.
func foreignProtocol(name string) string {
	head := name
	if i := strings.IndexAny(name, "._"); i > 0 {
		head = name[:i]
	}
	switch head {
	case "cip":
		return "enip"
	case "sdp":
		return "sip"
	}
	if slices.Contains(unparsed, head) {
		return head
	}
	return ""
}

// unknown returns the error for a keyword that the table does not have: why it is left out, or the nearest name when one
// is near.
func unknown(name string) error {
	if why := foreign[name]; why != "" {
		return errors.New(why)
	}
	if p := foreignProtocol(name); p != "" {
		return fmt.Errorf("is of a protocol that is not parsed: %s", p)
	}
	best, distance := "", 3
	for _, k := range table {
		for _, candidate := range append([]string{k.Name}, k.Aliases...) {
			if d := editDistance(strings.ToLower(name), candidate, distance); d < distance {
				best, distance = candidate, d
			}
		}
	}
	if best == "" {
		return errUnknown
	}
	return fmt.Errorf("%w, did you mean %s?", errUnknown, best)
}

// editDistance counts the insertions, deletions and changes from a to b; it may stop at limit.
func editDistance(a, b string, limit int) int {
	if d := len(a) - len(b); d >= limit || -d >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := last
			if a[i] != b[j] {
				change++
			}
			last, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, change)
		}
	}
	return row[len(b)]
}
