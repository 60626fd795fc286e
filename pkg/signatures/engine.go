package signatures

import (
	"sync/atomic"

	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/flow"
)

// Shared is the state that the engines of one sensor have in common: thresholds, xbits, hostbits, datasets, tags by host.
// It is safe for concurrent use, and it survives Swap.
type Shared struct{}

// NewShared returns empty state.
func NewShared() *Shared { return &Shared{} }

// Engine matches packets against a ruleset. It belongs to one worker.
type Engine struct {
	next   atomic.Pointer[Ruleset]
	rules  *Ruleset
	shared *Shared
	Stats  Stats
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
	StateFull  uint64 // hits not remembered because a flow's or host's state was full
}

// NewEngine returns an engine for one worker.
func NewEngine(rs *Ruleset, shared *Shared) *Engine {
	return &Engine{rules: rs, shared: shared}
}

// Swap replaces the ruleset before the next packet is inspected. It may be called from any goroutine. Flows keep their state.
func (e *Engine) Swap(rs *Ruleset) { e.next.Store(rs) }

// Inspect matches one packet. f is nil when the packet belongs to no flow. It must be called by one goroutine.
func (e *Engine) Inspect(p *decode.Packet, f *flow.Flow, r flow.Result) Decision {
	return Decision{}
}
