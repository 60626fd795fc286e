package lab

import (
	"context"
	"time"
)

// pacer spreads packets evenly over time, in batches that fit a system call.
type pacer struct {
	rate  int // a second; 0: without limit
	start time.Time
	sent  int
}

func newPacer(rate int) *pacer { return &pacer{rate: rate, start: time.Now()} }

// wait blocks until packets are due and returns how many, at most batchFrames; 0 when ctx has ended.
func (p *pacer) wait(ctx context.Context) int {
	for ctx.Err() == nil {
		if p.rate == 0 {
			return batchFrames
		}
		due := int(time.Since(p.start).Seconds()*float64(p.rate)) + 1 - p.sent
		if due > 0 {
			n := min(due, batchFrames)
			p.sent += n
			return n
		}
		select {
		case <-ctx.Done():
		case <-time.After(max(time.Second/time.Duration(p.rate), time.Millisecond)):
		}
	}
	return 0
}
