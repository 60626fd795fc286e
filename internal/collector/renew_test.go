package collector

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weir-ips/weir/internal/collector/feeds"
	"github.com/weir-ips/weir/pkg/wire"
)

func feedConfig(name string) *feeds.Config {
	return &feeds.Config{Name: name, Every: time.Hour, Action: "drop", Scope: wire.ScopeAll}
}

// surveyed answers the collector's questions with f.
func surveyed(r *rig, f wire.Findings) nats.MsgHandler {
	return func(m *nats.Msg) {
		s, err := wire.OpenSurvey(nil, m.Data)
		if err != nil {
			r.t.Error(err)
			return
		}
		f := f
		f.Nonce = s.Nonce
		msg, err := f.Encode()
		if err == nil {
			err = r.surveyor.conn.Publish(wire.FindingsSubject(f.Sensor), msg)
		}
		if err != nil {
			r.t.Error(err)
		}
	}
}

// A verdict goes on while sensors count packets against it, and lapses when nobody sends any; after a day it lapses anyway.
func TestRenewedOnlyWhileItCounts(t *testing.T) {
	r := newRig(t)
	r.decide(auto("hit", "203.0.113.1/32", 20*time.Minute))
	r.decide(auto("quiet", "203.0.113.2/32", 20*time.Minute))
	old := auto("old", "203.0.113.3/32", 20*time.Minute)
	r.decide(old)
	r.renewals.book["auto-old"].first = time.Now().Add(-23*time.Hour - 50*time.Minute)
	began := time.Now()
	look := func(after time.Duration, hits uint64) {
		r.report("a", func(h *wire.Health) {
			h.Hits = []wire.Hit{{ID: "auto-hit", Packets: hits}, {ID: "auto-quiet", Packets: 5}, {ID: "auto-old", Packets: hits}}
		})
		r.renewals.look(context.Background(), began.Add(after))
	}
	until := func(id string) time.Duration {
		v, _ := r.log.Get("auto-" + id)
		return v.ExpiresAt.Sub(began).Round(time.Second)
	}
	look(0, 10)
	look(10*time.Minute, 20)
	if until("hit") != 20*time.Minute {
		t.Fatalf("renewed before it was about to expire, to %s", until("hit"))
	}
	look(19*time.Minute+30*time.Second, 30)
	look(19*time.Minute+55*time.Second, 30)
	for id, want := range map[string]time.Duration{"hit": 39*time.Minute + 55*time.Second, "quiet": 20 * time.Minute, "old": 20 * time.Minute} {
		if got := until(id); got != want {
			t.Errorf("%s lasts until %s, want %s", id, got, want)
		}
	}
	look(39*time.Minute+50*time.Second, 30) // nothing more for twenty minutes
	if got := until("hit"); got != 39*time.Minute+55*time.Second {
		t.Errorf("renewed to %s though nothing was counted", got)
	}
	if len(r.audited) != 1 || r.audited[0] != "verdict.renew auto-hit" {
		t.Errorf("audited %v", r.audited)
	}
}
