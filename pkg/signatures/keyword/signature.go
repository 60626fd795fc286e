// Package keyword knows every keyword of the rule language: one row each in one ordered table.
//
// Compile turns a parsed rule into an immutable Signature; a Context matches it against a packet, a stream or a transaction.
package keyword

// Action is what a rule asks for.
type Action uint8

// The actions, in Suricata's default order of evaluation. Config is Suricata's "config" action: it changes logging, never traffic.
const (
	Pass Action = iota
	Drop
	Reject // reject the sender (the same as rejectsrc)
	RejectDst
	RejectBoth
	Alert
	Config
)

var actionNames = [...]string{"pass", "drop", "reject", "rejectdst", "rejectboth", "alert", "config"}

// String returns the action as written in a rule.
func (a Action) String() string {
	if int(a) < len(actionNames) {
		return actionNames[a]
	}
	return "unknown"
}

// Drops reports whether the action stops the packet in IPS mode.
func (a Action) Drops() bool { return a >= Drop && a <= RejectBoth }

// Rejects reports whether the action answers with a reset or an unreachable.
func (a Action) Rejects() bool { return a >= Reject && a <= RejectBoth }

// Target says which side of the packet is the victim (keyword target).
type Target uint8

// Targets.
const (
	NoTarget Target = iota
	TargetSrc
	TargetDst
)

// Pair is one key with a value, in the order of the rule: metadata (key, value) and reference (type, id).
type Pair struct{ Key, Value string }

// Meta is what a rule says about itself. Strings share memory with the rule file's text.
type Meta struct {
	GID, SID, Rev uint32
	Msg           string
	Class         string // classtype as written
	Category      string // the class's description from classification.config, "" when there is none
	Priority      int    // 1 is the most severe; 3 when neither priority nor classtype says
	References    []Pair // type and id; the URL prefix is looked up in Ruleset.ReferenceURL
	Metadata      []Pair
	Target        Target
	Raw           string // the rule's text
	File          string
	Line          int
}

// Signature is one compiled rule. It is immutable and shared by all workers.
type Signature struct {
	Meta
	Order   uint32 // position in the order of evaluation; set when the ruleset is built
	Action  Action
	NoAlert bool // matches, sets state and applies its action, but writes no record
}
