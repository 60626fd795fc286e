package fleetflood

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weir-ips/weir/internal/telemetry"
	"github.com/weir-ips/weir/pkg/wire"
)

// judgeEvery is how often sums are looked at while no sensor tells of an attack of its own, which is looked at at once.
const judgeEvery = 100 * time.Millisecond

// Service listens to the sensors' tallies and sends them what to arm.
type Service struct {
	Key ed25519.PrivateKey
	Log *slog.Logger

	orders map[string]bool // that were sent last; Run's own

	mu    sync.Mutex
	stats Stats
	quiet telemetry.Throttle
}

// Stats count since the start; Orders is current.
type Stats struct {
	Tallies   uint64 // taken in
	Malformed uint64 // thrown away
	Refused   uint64 // of sensors beyond the limit
	Unsummed  uint64 // sketches, or parts of them, that were malformed or found no room
	Armings   uint64 // sent
	Orders    uint64 // destinations that are armed now
}

// Stats returns the counters.
func (s *Service) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// Run works until ctx ends.
func (s *Service) Run(ctx context.Context, nc *nats.Conn) error {
	inbox := make(chan *nats.Msg, 8192) // a tally that finds no room is made up for by the next
	sub, err := nc.ChanSubscribe(wire.SubjectTallies, inbox)
	if err != nil {
		return fmt.Errorf("listen for tallies: %w", err)
	}
	defer sub.Unsubscribe()
	w, tick := NewWatch(), time.NewTicker(judgeEvery)
	defer tick.Stop()
	var sent time.Time
	for {
		urgent := false
		select {
		case <-ctx.Done():
			return nil
		case m := <-inbox:
			urgent = s.take(w, m)
		case <-tick.C:
			urgent = true
		}
		if !urgent {
			continue
		}
		now := time.Now()
		a, changed := w.Judge(now)
		if changed || (len(a.Orders) > 0 || a.Plan != nil) && now.Sub(sent) >= wire.ArmingEvery {
			sent = now
			s.send(nc, a)
		}
	}
}

// take returns whether the tally tells of an attack.
func (s *Service) take(w *Watch, m *nats.Msg) (urgent bool) {
	t, err := wire.DecodeTally(m.Data)
	if err == nil && m.Subject != wire.TallySubject(t.Sensor) {
		err = fmt.Errorf("tally of sensor %q on %s", t.Sensor, m.Subject)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.stats.Malformed++
		if ok, skipped := s.quiet.Allow(time.Now()); ok {
			s.Log.Warn("tally thrown away", "subject", m.Subject, "error", err, "more", skipped)
		}
		return false
	}
	s.stats.Tallies++
	w.Take(t, time.Now())
	s.stats.Refused, s.stats.Unsummed = w.Refused, w.sketches.Refused+w.sketches.Malformed
	return len(t.Attacks) > 0
}

func (s *Service) send(nc *nats.Conn, a *wire.Arming) {
	orders := map[string]bool{}
	for _, o := range a.Orders {
		if orders[o.ID] = true; !s.orders[o.ID] {
			s.Log.Info("all sensors arm", "id", o.ID, "vector", o.Vector, "dst", o.Dst, "why", o.Why)
		}
	}
	s.orders = orders
	msg, err := a.Seal(s.Key)
	if err == nil {
		err = nc.Publish(wire.SubjectArming, msg)
	}
	if err != nil {
		s.Log.Error("sensors were not told what to arm", "error", err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Armings++
	s.stats.Orders = uint64(len(a.Orders))
}
