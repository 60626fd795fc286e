package daemon

import (
	"fmt"
	"time"

	"github.com/weir-ips/weir/internal/sensor/config"
	"github.com/weir-ips/weir/internal/sensor/path"
	"github.com/weir-ips/weir/pkg/capture"
	"github.com/weir-ips/weir/pkg/signatures/keyword"
	"github.com/weir-ips/weir/pkg/verdict/reject"
)

// refuser tells the ends of a conversation that it was refused, where a rule asks for it. It is a worker's own.
type refuser struct {
	mode config.Mode
	send func(f *capture.Frame, o *reject.Opened, end reject.End) bool
	buf  []byte

	second int64 // of the frames' time
	left   int   // answers left in it
	stats  refusalStats
}

// refusalStats are a refuser's counters.
type refusalStats struct {
	Sent    uint64 // resets and ICMP errors
	Limited uint64 // answers that were one too many in their second, or found no room
	Unfit   uint64 // packets that must not be answered: RFC 1122 §3.2.2
}

// refusalsPerSecond bounds what a flood of refused packets can make a worker send.
const refusalsPerSecond = 2000

func newRefuser(c *config.Config, source capture.Source) (*refuser, error) {
	r := &refuser{mode: c.Mode}
	switch s, ok := source.(capture.Sender); {
	case ok:
		r.send = func(f *capture.Frame, o *reject.Opened, end reject.End) bool {
			b, ok := o.Frame(r.buf[:0], end)
			r.buf = b
			return ok && s.Send(f, b, end == reject.Receiver)
		}
	case c.Mode == config.Host:
		raw, err := capture.OpenRaw()
		if err != nil {
			return nil, fmt.Errorf("reject: %w", err)
		}
		r.send = func(_ *capture.Frame, o *reject.Opened, end reject.End) bool {
			b, ok := reject.Answer(r.buf[:0], o.IP, end, true) // it has passed already
			r.buf = b
			return ok && raw.Send(b)
		}
	default:
		return nil, nil // a mirror's packets must not be answered
	}
	return r, nil
}

// refuse answers the frame as the outcome asks.
func (r *refuser) refuse(f *capture.Frame, out *path.Outcome) {
	if r == nil || out.Reject == 0 {
		return
	}
	o, ok := reject.Open(f.Data, r.mode == config.GWLB)
	if !ok {
		r.stats.Unfit++
		return
	}
	if out.Reject != keyword.RejectDst {
		r.answer(f, &o, reject.Sender)
	}
	if out.Reject != keyword.Reject {
		r.answer(f, &o, reject.Receiver)
	}
}

func (r *refuser) answer(f *capture.Frame, o *reject.Opened, end reject.End) {
	if !reject.Answerable(o.IP) {
		r.stats.Unfit++
		return
	}
	if s := f.Time / int64(time.Second); s != r.second {
		r.second, r.left = s, refusalsPerSecond
	}
	if r.left == 0 || !r.send(f, o, end) {
		r.stats.Limited++
		return
	}
	r.left--
	r.stats.Sent++
}
