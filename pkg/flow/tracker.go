package flow

import (
	"github.com/weir-ips/weir/pkg/decode"
)

// Tracker follows the conversations of one worker. It is used by one goroutine.
type Tracker struct {
	cfg     *Config
	dec     *decode.Decoder
	handler Handler
	stats   Stats
}

// NewTracker makes a tracker. cfg and dec are read, not changed, and may be shared.
func NewTracker(cfg *Config, dec *decode.Decoder, h Handler) *Tracker {
	return &Tracker{cfg: cfg, dec: dec, handler: h}
}

// Unpack decodes a frame, opens its tunnels, and puts fragments together. It returns the packets in order of inspection:
// innermost first. They are valid until the next call.
func (t *Tracker) Unpack(f decode.Frame) []*decode.Packet { return nil }

// Track takes a packet into its flow. Packets come in order of time; an earlier one counts as simultaneous.
func (t *Tracker) Track(p *decode.Packet) Result { return Result{} }

// Done gives back what a packet's inspection and logging have finished with: it frees transactions that are complete,
// inspected (TxBase.Tried) and logged, and carries out changes of protocol.
func (t *Tracker) Done(r *Result) {}

// Tick forgets flows and fragments whose time is over when no packet comes; now is Unix ns.
func (t *Tracker) Tick(now int64) {}

// Close ends every flow as at the end of a capture; the tracker is empty afterwards and can be used again.
func (t *Tracker) Close(now int64) {}

// Stats returns the tracker's counters; they belong to the tracker's goroutine.
func (t *Tracker) Stats() *Stats { return &t.stats }

type entry struct{}
