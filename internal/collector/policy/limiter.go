package policy

import (
	"time"

	"github.com/weir-ips/weir/pkg/wire"
)

// maxWindows bounds how many sensors and signatures are counted apart in one minute; those beyond are refused.
const maxWindows = 10_000

// limiter counts decisions in the current minute.
type limiter struct {
	limits      Limits
	minute      time.Time
	all         int
	bySensor    map[string]int
	bySignature map[uint32]int
}

func newLimiter(l Limits) *limiter {
	return &limiter{limits: l, bySensor: map[string]int{}, bySignature: map[uint32]int{}}
}

// allow counts one more decision from e if every limit has room; else it returns what has none.
func (l *limiter) allow(e *wire.Event, now time.Time) (full Subject, ok bool) {
	if m := now.Truncate(time.Minute); !m.Equal(l.minute) {
		l.minute, l.all = m, 0
		clear(l.bySensor)
		clear(l.bySignature)
	}
	switch {
	case l.bySignature[e.SID] >= l.limits.PerSignatureMinute:
		return Subject{SID: e.SID}, false
	case l.bySensor[e.Sensor] >= l.limits.PerSensorMinute:
		return Subject{Sensor: e.Sensor}, false
	case l.all >= l.limits.PerMinute || len(l.bySensor) >= maxWindows || len(l.bySignature) >= maxWindows:
		return Subject{}, false
	}
	l.all++
	l.bySensor[e.Sensor]++
	l.bySignature[e.SID]++
	return Subject{}, true
}
