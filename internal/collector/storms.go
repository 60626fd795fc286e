package collector

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/weir-ips/weir/internal/collector/incident"
	"github.com/weir-ips/weir/internal/collector/policy"
	"github.com/weir-ips/weir/pkg/wire"
)

// watchStorms has people look where automation was held: an alert of the collector's own, from which one incident comes, and an entry in
// the audit log.
func (c *collector) watchStorms(ctx context.Context) error {
	boot := strings.ToLower(rand.Text()[:16])
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case s := <-c.engine.Storms():
			if err := c.raise(ctx, stormAlert(&s, fmt.Sprintf("collector:%s:%d:0", boot, n), time.Now().UTC())); err != nil && ctx.Err() == nil {
				c.o.Log.Error("automation is held, and no incident says so", "error", err)
			}
			c.note("policy", "policy.hold", heldOf(&s.Subject), map[string]any{"until": s.Until, "alert": s.Event.ID, "sensor": s.Event.Sensor, "sid": s.Event.SID})
		}
	}
}

// raise takes an alert in that no sensor made.
func (c *collector) raise(ctx context.Context, e wire.Event) error {
	fresh, err := c.store.Insert(ctx, []wire.Event{e})
	if err != nil {
		return err
	}
	c.fresh(fresh, nil)
	return nil
}

func heldOf(s *policy.Subject) string {
	switch {
	case s.Sensor != "":
		return "sensor:" + s.Sensor
	case s.SID != 0:
		return fmt.Sprintf("sid:%d", s.SID)
	}
	return "fleet"
}

// stormAlert has no addresses: what it speaks of has many.
func stormAlert(s *policy.Storm, id string, now time.Time) wire.Event {
	const category = "Automation held"
	text := map[string]any{
		"timestamp": now.Format("2006-01-02T15:04:05.000000-0700"), "event_type": "alert", "host": s.Event.Sensor,
		"alert": map[string]any{
			"action": "allowed", "gid": 1, "signature_id": incident.StormSID, "rev": 1, "severity": 2, "category": category,
			"signature": "WEIR storm: alerts call for more verdicts than the limits allow, automation is held",
			"context":   map[string]any{"weir": map[string]any{"storm": map[string]any{"of": heldOf(&s.Subject), "until": s.Until.UTC(), "alert": s.Event.ID, "signature_id": s.Event.SID}}},
		},
	}
	eve, err := json.Marshal(text)
	if err != nil {
		panic("storm: " + err.Error()) // strings and numbers
	}
	return wire.Event{ID: id, Sensor: s.Event.Sensor, Time: now, SID: incident.StormSID, Severity: 2, Category: category, EVE: eve}
}
