package signatures

import (
	"slices"
	"sync/atomic"

	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/signatures/keyword"
	"github.com/weir-ips/weir/pkg/signatures/prefilter"
	"github.com/weir-ips/weir/pkg/threshold"
)

// Shared is the state that the engines of one sensor have in common: thresholds, xbits, hostbits, tags by address.
// It is safe for concurrent use, and it survives Swap.
type Shared struct {
	hosts      *keyword.Hosts
	thresholds *threshold.Table
	tags       hostTags
}

// NewShared returns empty state.
func NewShared() *Shared {
	return &Shared{hosts: keyword.NewHosts(), thresholds: threshold.NewTable()}
}

// Engine matches packets against a ruleset. It belongs to one worker.
type Engine struct {
	next   atomic.Pointer[Ruleset]
	rules  *Ruleset
	epoch  uint64 // grows with each Swap
	shared *Shared
	ctx    keyword.Context
	Stats  Stats

	profile *Profile // nil: rules are not timed
	scratch prefilter.Scratch
	found   []uint32 // patterns of the last scan
	due     []uint32 // candidates of the packet
	marks   []uint64 // a bit for each rule, by Order: it is due
	plans   plans
	chunk   chunk // raw stream bytes that are due with the packet
	// inPayload are the rules about transactions whose pattern in the payload was found in the packet or its chunk.
	inPayload []uint32
	matches   []match
	hits      []Hit
	vars      []Var // captured by rules about the packet, whether they alert or not
	free      []*flowState
	freeTx    []*txState
	frames    []*frameState // to be used again
}

// Stats are an engine's counters, all growing. They are written by the worker alone and read when it is idle, or racily by telemetry.
type Stats struct {
	Packets    uint64
	Candidates uint64 // signatures evaluated after the prefilters
	Hits       uint64 // recorded
	Suppressed uint64 // matched, silent by threshold or suppression
	Overflow   uint64 // hits beyond PacketAlertMax (Suricata's detect.alert_queue_overflow)
	Recursion  uint64 // inspections given up at the recursion limit
	MatchLimit uint64 // regular expressions given up at the match limit
	OverBudget uint64 // flows, and packets without flow, whose inspection was given up because it took too much work
	Replanned  uint64 // times that the plans of what to look for in packets were given up because there were too many
	StateFull  uint64 // hits not remembered because a flow's or host's state was full
	Unrestored uint64 // flows of which another program's memory could not be read
}

// chunk is a window of the raw stream.
type chunk struct {
	data []byte
	base int
}

// match is a rule that matched, before thresholds and actions.
type match struct {
	sig   *keyword.Signature
	where Where
	dir   app.Direction
	tx    app.Tx
	files int
	frame app.Frame // of a rule about frames; ID 0 for others
	vars  []Var
}

// NewEngine returns an engine for one worker.
func NewEngine(rs *Ruleset, shared *Shared) *Engine {
	e := &Engine{shared: shared}
	e.use(rs)
	return e
}

// Swap replaces the ruleset before the next packet is inspected. It may be called from any goroutine. Flows keep their state.
func (e *Engine) Swap(rs *Ruleset) { e.next.Store(rs) }

// Renew lets go of the ruleset before the last Swap, as Inspect does with the next packet. It is for the goroutine that calls that.
func (e *Engine) Renew() {
	if rs := e.next.Swap(nil); rs != nil {
		e.use(rs)
	}
}

// Ruleset returns the ruleset in use. It is for the goroutine that calls Inspect.
func (e *Engine) Ruleset() *Ruleset { return e.rules }

func (e *Engine) use(rs *Ruleset) {
	e.rules = rs
	e.epoch++
	e.profile = nil // its rules have other numbers
	e.marks, e.due = make([]uint64, len(rs.signatures)/64+1), e.due[:0]
	e.plans = newPlans()
	o := &rs.options
	e.ctx.Hosts, e.ctx.Inline = e.shared.hosts, o.IPS
	e.ctx.RecursionLimit, e.ctx.MatchLimit = orDefault(o.RecursionLimit, 3000), orDefault(o.MatchLimit, 3500)
}

func orDefault(n, d int) int {
	if n == 0 {
		return d
	}
	return n
}

// Inspect matches one packet. f is nil when the packet belongs to no flow. It must be called by one goroutine.
func (e *Engine) Inspect(p *decode.Packet, f *flow.Flow, r flow.Result) Decision {
	e.Renew()
	e.Stats.Packets++
	if r.Pass || r.Drop {
		e.skip(f, r)
		return Decision{}
	}
	x := &e.ctx
	x.Begin(p, f, r)
	e.matches, e.hits, e.vars, e.inPayload = e.matches[:0], e.hits[:0], e.vars[:0], e.inPayload[:0]
	st := e.state(f)
	if !e.fund(st, len(p.Payload)) {
		e.skip(f, r)
		return Decision{}
	}
	if st != nil {
		x.State = &st.rules
		x.NewAppEvents = f.AppEvents &^ st.events
		st.events = f.AppEvents
		if f.TCP != nil { // a bare ACK that completes the handshake does not belong to an established flow yet
			x.Result.Established = r.Established && (st.established || len(p.Payload) > 0 || isPseudo(p))
			st.established = r.Established
		}
	}
	e.byAddress(st)
	pl := e.byPacket(st)
	if f != nil && f.Parser != nil {
		e.byTx(f)
	}
	if f != nil && f.Frames != nil && e.rules.frames != nil {
		e.byFrame(f)
	}
	if f != nil && f.TCP != nil {
		e.restOfStream(f, pl)
	}
	d := e.decide(st)
	e.settle(&d, f, st)
	e.tagged(&d, st)
	e.Stats.Recursion, e.Stats.MatchLimit, e.Stats.StateFull = x.Stats.Recursion, x.Stats.MatchLimit, x.Stats.StateFull
	return d
}

// skip lets go of what rules will not look at: the stream and the transactions of a packet that is passed or dropped.
func (e *Engine) skip(f *flow.Flow, r flow.Result) {
	if f == nil {
		return
	}
	if f.TCP != nil {
		for d := app.ToServer; d <= app.ToClient; d++ {
			for {
				if data, _ := f.TCP.Inspectable(d); data == nil {
					break
				}
				f.TCP.Advance(d)
			}
		}
	}
	if f.Frames != nil {
		for d := app.ToServer; d <= app.ToClient; d++ {
			for i := range f.Frames.Live(d) {
				f.Frames.Live(d)[i].Tried = true
			}
		}
	}
	if f.Parser == nil {
		return
	}
	for _, tx := range f.Parser.Txs() {
		b := tx.Base()
		for d := range b.Tried {
			b.Touched[d] = false
			b.Tried[d] = b.Tried[d] || b.Complete[d]
		}
	}
}

// candidate adds a rule to those that are due, once a packet.
func (e *Engine) candidate(order uint32) {
	if w, bit := &e.marks[order/64], uint64(1)<<(order%64); *w&bit == 0 {
		*w |= bit
		e.due = append(e.due, order)
	}
}

func (e *Engine) candidates(orders []uint32) {
	for _, o := range orders {
		e.candidate(o)
	}
}

// begin starts a new set of candidates.
func (e *Engine) begin() {
	for _, o := range e.due {
		e.marks[o/64] = 0
	}
	e.due = e.due[:0]
}

// inOrder returns the rules that are due in the order of evaluation.
func (e *Engine) inOrder() []uint32 {
	if len(e.due) > 1 {
		slices.Sort(e.due)
	}
	e.Stats.Candidates += uint64(len(e.due))
	return e.due
}

// fire notes a match and does what the rule's state keywords ask for.
func (e *Engine) fire(s *keyword.Signature, where Where, tx app.Tx) {
	x := &e.ctx
	s.Apply(x)
	var vars []Var
	if len(x.Captured) > 0 {
		vars = captured(x)
		e.vars = append(e.vars, vars...)
	}
	if s.NoAlert && s.Action == keyword.Alert {
		return // nothing more will come of it
	}
	m := match{sig: s, where: where, dir: x.Dir, tx: tx, vars: vars}
	if s.TestsFiles && tx != nil {
		m.files = x.FirstFile
	}
	e.matches = append(e.matches, m)
}

// captured copies what the rule has captured: hits outlive the context's scratch only until the next packet, but flow
// variables live as long as the flow.
func captured(x *keyword.Context) []Var {
	vars := make([]Var, 0, len(x.Captured))
	for _, c := range x.Captured {
		v := c.Value
		if c.Scope != keyword.CaptureContext {
			v = slices.Clone(v)
		}
		if c.Scope != keyword.CaptureFlow {
			vars = append(vars, Var{Name: c.Name, Value: v, JSON: c.Scope == keyword.CaptureContext})
			if c.Scope == keyword.CapturePacket {
				x.SetPacketVar(c.Name, v)
			}
		} else if s := x.State; s != nil {
			s.SetVar(c.Name, v)
		}
	}
	x.Captured = x.Captured[:0]
	return vars
}
