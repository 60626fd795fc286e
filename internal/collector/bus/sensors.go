package bus

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weir-ips/weir/internal/telemetry"
	"github.com/weir-ips/weir/pkg/wire"
)

// maxSensors bounds the registry: the sensor not heard of for longest goes.
const maxSensors = 20000

// Report is a sensor's last health report and when it arrived, by the collector's clock.
type Report struct {
	wire.Health
	Seen time.Time
}

// Sensors keeps every sensor's last report. The zero value is ready. It is safe for concurrent use.
type Sensors struct {
	Now func() time.Time // nil: time.Now

	mu        sync.RWMutex
	reports   map[string]*Report
	spread    spreads
	malformed uint64
	quiet     telemetry.Throttle
}

// Listen takes reports from nc until the subscription is drained.
func (s *Sensors) Listen(nc *nats.Conn, log *slog.Logger) error {
	_, err := nc.Subscribe(wire.SubjectHealth, func(m *nats.Msg) {
		if err := s.take(m); err != nil {
			if ok, skipped := s.quiet.Allow(time.Now()); ok {
				log.Warn("health report thrown away", "subject", m.Subject, "error", err, "more", skipped)
			}
		}
	})
	if err != nil {
		return fmt.Errorf("listen for health reports: %w", err)
	}
	return nil
}

func (s *Sensors) take(m *nats.Msg) error {
	h, err := wire.DecodeHealth(m.Data)
	if err == nil && m.Subject != wire.HealthSubject(h.Sensor) {
		err = fmt.Errorf("report of sensor %q on %s", h.Sensor, m.Subject)
	}
	if err != nil {
		s.mu.Lock()
		s.malformed++
		s.mu.Unlock()
		return err
	}
	s.Put(&Report{Health: *h, Seen: s.now()})
	return nil
}

// Put takes a report in; it must not change afterwards.
func (s *Sensors) Put(r *Report) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reports == nil {
		s.reports = map[string]*Report{}
	}
	s.reports[r.Sensor] = r
	s.spread.note(&r.Health)
	if len(s.reports) > maxSensors {
		s.forgetOldest()
	}
}

func (s *Sensors) forgetOldest() {
	var oldest *Report
	for _, r := range s.reports {
		if oldest == nil || r.Seen.Before(oldest.Seen) {
			oldest = r
		}
	}
	delete(s.reports, oldest.Sensor)
	delete(s.spread.heard, oldest.Sensor)
}

// All returns the reports by sensor id. They must not be changed.
func (s *Sensors) All() []*Report {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]*Report, 0, len(s.reports))
	for _, r := range s.reports {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b *Report) int { return cmp.Compare(a.Sensor, b.Sensor) })
	return out
}

// Get returns the report of one sensor, nil if it never reported.
func (s *Sensors) Get(id string) *Report {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.reports[id]
}

// Malformed counts reports that were thrown away.
func (s *Sensors) Malformed() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.malformed
}

func (s *Sensors) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}
