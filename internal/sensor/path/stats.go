package path

import (
	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/signatures"
)

// Stats are a Path's counters. They are plain numbers, written by the Path's goroutine alone.
type Stats struct {
	Flow   flow.Stats
	Detect signatures.Stats
	Alerts uint64
	Txs    [app.NumProtos]uint64 // records of transactions, by the flow's protocol

	Accepted, Blocked, Rejected uint64 // frames
	DropReasons                 [len(dropReasons)]uint64
}

// dropReasons are EVE's drop.reason values, and the names of their counters (ips.drop_reason.<name>).
var dropReasons = [...]struct{ Reason, Counter string }{
	{"rules", "rules"},
	{"flow drop", "flow_drop"},
	{"decode error", "decode_error"},
	{"defrag error", "defrag_error"},
	{"defrag memcap", "defrag_memcap"},
	{"flow memcap", "flow_memcap"},
	{"applayer error", "applayer_error"},
	{"applayer memcap", "applayer_memcap"},
	{"threshold detection_filter", "threshold_detection_filter"},
	{"stream error", "stream_error"},
	{"stream memcap", "stream_memcap"},
	{"stream midstream", "stream_midstream"},
	{"stream urgent", "stream_urgent"},
	{"stream reassembly", "stream_reassembly"},
	{"nfq error", "nfq_error"},
	{"tunnel packet drop", "tunnel_packet_drop"},
	{"default packet policy", "default_packet_policy"},
	{"default app policy", "default_app_policy"},
	{"other", "other"},
}

// frame counts what became of a frame.
func (s *Stats) frame(o *Outcome) {
	if o.Reject != 0 {
		s.Rejected++
	}
	if !o.Drop {
		s.Accepted++
		return
	}
	s.Blocked++
	for i := range dropReasons {
		if dropReasons[i].Reason == o.Reason {
			s.DropReasons[i]++
			return
		}
	}
	s.DropReasons[len(dropReasons)-1]++
}

// Stats returns the counters as they are now. It belongs to the Path's goroutine.
func (p *Path) Stats() Stats {
	s := p.stats
	s.Flow = *p.tracker.Stats()
	if p.engine != nil {
		s.Detect = p.engine.Stats
	}
	return s
}
