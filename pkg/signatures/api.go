package signatures

import (
	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/signatures/keyword"
	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

// Source is one rule file: its name for error messages and its text. The text is kept as long as the ruleset lives.
type Source struct {
	Name string
	Text string
}

// Problem is one thing that is wrong with a rule or a configuration file. A rule with a problem that is not a warning is not loaded.
type Problem struct {
	syntax.Error
	SID     uint32 // 0 when unknown
	Warning bool   // the rule is loaded, but will not do what it says
}

// Counts says what became of the rules.
type Counts struct {
	Rules    int // all rules found, commented-out ones included
	Loaded   int
	Disabled int // commented out
	Failed   int
	Skipped  int // left out on purpose: `requires` not met, older revision of a sid
}

// Where says in what a signature matched.
type Where uint8

// Places of a match. State means that parts of the match lie in earlier packets.
const (
	InPacket Where = iota
	InStream
	InTx
)

// Hit is one signature that matched. It is valid until the next call of Inspect.
type Hit struct {
	Sig    *keyword.Signature
	Action keyword.Action // what is applied, after rate_filter; compare Sig.Action
	Where  Where
	Tx     app.Tx // nil unless Where is InTx
	TxID   uint64 // valid iff Tx != nil
	Dir    app.Direction
	// Silent hits are not recorded (noalert, threshold), but count for actions; Inspect does not return them.
	RateFiltered bool
	// Flow says that the action covers the rest of the flow and not the packet alone.
	Flow bool
	// FirstFile is how many files of the transaction's direction the rule had looked at before: the hit is about a later one.
	FirstFile int
	// Frame is the frame that the rule matched in; its ID is 0 for rules that are not about frames.
	Frame app.Frame
	// Vars are captured by pcre for EVE's metadata.pktvars; nil mostly. What is captured for the flow is not among them.
	Vars []Var
}

// Var is a value that a rule captured (pcre "/(?P<pkt_x>…)/, pkt:x").
type Var struct {
	Name  string
	Value []byte
	JSON  bool // Value is JSON of a dataset, for the alert's context
}

// Decision is what the rules say about one packet. It is valid until the next call of Inspect.
type Decision struct {
	Hits       []Hit // in the order of evaluation, at most Options.PacketAlertMax
	Drop       bool  // IPS mode: the packet must not be forwarded
	DropReason string
	FlowDrop   bool           // the rest of the flow must be dropped too
	Pass       bool           // a pass rule matched: no alerts, and with FlowPass none in the rest of the flow
	FlowPass   bool           //
	Reject     keyword.Action // Reject, RejectDst or RejectBoth, else 0
	Overflow   int            // hits beyond PacketAlertMax
	DropSig    *keyword.Signature
	// Tagged says that a tag rule of this flow or host asks for this packet to be logged; TagSig is the rule.
	Tagged bool
	TagSig *keyword.Signature
	Vars   []Var // captured by all rules that matched, also those that write no alert
}

// Inspector is what the path needs of an Engine.
type Inspector interface {
	Inspect(p *decode.Packet, f *flow.Flow, r flow.Result) Decision
}
