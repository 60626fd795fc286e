package uplink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/weir-ips/weir/internal/collector/bus"
	"github.com/weir-ips/weir/pkg/verdict"
	"github.com/weir-ips/weir/pkg/wire"
)

func TestVerdictReachesEverySensor(t *testing.T) {
	w := newWorld(t)
	w.start()
	var sensors []*sensor
	for i := range 20 {
		sensors = append(sensors, w.sensor(fmt.Sprintf("edge-%d", i), nil))
	}
	for _, s := range sensors {
		eventually(t, "first sync", func() bool { return w.inSync(s) })
	}
	var took []time.Duration
	var made time.Time
	for i := range 50 {
		id := fmt.Sprintf("v%d", i)
		made = time.Now()
		w.add(drop(id, fmt.Sprintf("203.0.113.%d/32", i)))
		for _, s := range sensors {
			eventually(t, id+" on "+s.o.Sensor, func() bool { return s.has(id) })
			s.table.mu.Lock()
			took = append(took, s.at[id].Sub(made))
			s.table.mu.Unlock()
		}
	}
	slices.Sort(took)
	t.Logf("made to applied on 20 sensors: p50 %s p99 %s max %s", took[len(took)/2], took[len(took)*99/100], took[len(took)-1])

	eventually(t, "the collector knows when v49 was in force, first and last", func() bool {
		p := w.sensors.Spread("v49")
		return p.Sensors == len(sensors) && !p.First.At.Before(made) && !p.Last.At.Before(p.First.At) && p.Last.At.Before(time.Now())
	})
	if _, err := w.log.Remove(context.Background(), "v7", "ann"); err != nil {
		t.Fatal(err)
	}
	for _, s := range sensors {
		eventually(t, "v7 removed", func() bool { return !s.has("v7") })
		if n := s.len(); n != 49 {
			t.Errorf("%s has %d verdicts, want 49", s.o.Sensor, n)
		}
	}
	eventually(t, "health reports show the position", func() bool {
		_, seq := w.log.Position()
		all := w.sensors.All()
		return len(all) == 20 && !slices.ContainsFunc(all, func(r *bus.Report) bool { return r.Seq != seq })
	})
}

func TestScope(t *testing.T) {
	w := newWorld(t)
	w.start()
	a := w.sensor("a", func(o *Options) { o.Group = "edge" })
	b := w.sensor("b", nil)
	for id, scope := range map[string]string{"everyone": "all", "only-a": "a", "only-b": "b", "group": "edge"} {
		v := drop(id, "203.0.113.9/32")
		v.Scope = scope
		w.add(v)
	}
	for _, s := range []*sensor{a, b} {
		eventually(t, "sync", func() bool { return w.inSync(s) })
	}
	for id, on := range map[string][2]bool{"everyone": {true, true}, "only-a": {true, false}, "only-b": {false, true}, "group": {true, false}} {
		if got := [2]bool{a.has(id), b.has(id)}; got != on {
			t.Errorf("%s is on a, b: %v, want %v", id, got, on)
		}
	}
	moved := drop("only-a", "203.0.113.9/32")
	moved.Scope = "b"
	w.add(moved)
	eventually(t, "only-a moves to b", func() bool { return b.has("only-a") && !a.has("only-a") })
}

func TestRefusalIsReported(t *testing.T) {
	w := newWorld(t)
	w.start()
	s := w.sensor("edge", nil)
	s.refuse = func(v verdict.Verdict) error {
		if v.ID == "gateway" {
			return errors.New("10.0.0.1 is a gateway")
		}
		return nil
	}
	eventually(t, "sync", func() bool { return w.inSync(s) })
	w.add(drop("gateway", "10.0.0.1/32"))
	w.add(drop("attacker", "203.0.113.9/32"))
	eventually(t, "the refusal reaches the collector", func() bool {
		r := w.sensors.Get("edge")
		return r != nil && len(r.Refusals) == 1 && r.Refusals[0] == wire.Refusal{ID: "gateway", Reason: "10.0.0.1 is a gateway"} && r.Refused == 1
	})
	if !s.has("attacker") || s.has("gateway") {
		t.Error("a refusal touched its neighbour, or was applied")
	}
}

func TestRefusalsOfASnapshot(t *testing.T) {
	w := newWorld(t)
	w.start()
	for i := range 4 {
		w.add(drop(fmt.Sprintf("v%d", i), fmt.Sprintf("203.0.113.%d/32", i)))
	}
	s := w.sensor("edge", func(o *Options) { o.Applier = &choosy{table: newTable()} })
	eventually(t, "both refusals reach the collector, and the set is still the collector's", func() bool {
		r := w.sensors.Get("edge")
		return r != nil && len(r.Refusals) == 2 && r.Refused == 2 && r.Hash == w.log.Hash()
	})
	if _, err := w.log.Remove(context.Background(), "v1", "ann"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a refused verdict that ends is refused no more", func() bool {
		r := w.sensors.Get("edge")
		return w.inSync(s) && len(r.Refusals) == 1 && r.Refusals[0].ID == "v3"
	})
}

// choosy refuses every second verdict of a snapshot.
type choosy struct{ *table }

func (c *choosy) Replace(epoch, seq uint64, vs []verdict.Verdict) error {
	var errs []error
	for _, v := range vs {
		if v.ID == "v1" || v.ID == "v3" {
			errs = append(errs, &Refusal{ID: v.ID, Err: errors.New("odd")})
		}
	}
	return errors.Join(errs...)
}

func TestMissedDeltasAreFetched(t *testing.T) {
	w := newWorld(t)
	w.start()
	s := w.sensor("edge", nil)
	eventually(t, "sync", func() bool { return w.inSync(s) })
	replaced := s.replacements()

	sub := s.subscription(t, wire.SubjectDeltas)
	if err := sub.Unsubscribe(); err != nil { // deltas are lost on the way from now on
		t.Fatal(err)
	}
	for i := range 10 {
		w.add(drop(fmt.Sprintf("v%d", i), "203.0.113.9/32"))
	}
	eventually(t, "the beacon shows the gap and it is closed", func() bool { return w.inSync(s) && s.len() == 10 })
	if s.replacements() != replaced {
		t.Error("a gap of ten deltas was closed by a snapshot")
	}
	if u := s.Stats(); u.Gaps == 0 || u.Syncs < 2 {
		t.Errorf("gap not counted: %+v", u)
	}
}

func TestSnapshotOf10000(t *testing.T) {
	w := newWorld(t)
	w.vlog.CompactAfter = 5000
	w.start()
	vs := make([]verdict.Verdict, 10_000)
	for i := range vs {
		vs[i] = drop(fmt.Sprintf("feed-%d", i), fmt.Sprintf("198.18.%d.%d/32", i>>8, i&255))
	}
	began := time.Now()
	if _, err := w.log.AddAll(context.Background(), vs); err != nil {
		t.Fatal(err)
	}
	t.Logf("10,000 verdicts written in %s", time.Since(began))
	began = time.Now()
	s := w.sensor("edge", nil)
	eventually(t, "10,000 verdicts", func() bool { return w.inSync(s) && s.len() == 10_000 })
	t.Logf("cold sensor in sync after %s (a beacon is due every second)", time.Since(began))
}

func TestCollectorRestartsWithTheSameLog(t *testing.T) {
	w := newWorld(t)
	w.vlog.CompactAfter = 3
	w.start()
	s := w.sensor("edge", nil)
	for i := range 5 {
		w.add(drop(fmt.Sprintf("v%d", i), "203.0.113.9/32"))
	}
	if _, err := w.log.Remove(context.Background(), "v1", "ann"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "sync", func() bool { return w.inSync(s) })
	epoch, seq := w.log.Position()
	hash := w.log.Hash()
	for range 2 { // the second time from a compacted log
		time.Sleep(1200 * time.Millisecond) // a tick compacts
		w.stop()
		w.start()
		if e, q := w.log.Position(); e != epoch || q != seq || w.log.Hash() != hash {
			t.Fatalf("after the restart the log stands at %d/%d hash %x, want %d/%d hash %x", e, q, w.log.Hash(), epoch, seq, hash)
		}
	}
	w.add(drop("after", "203.0.113.10/32"))
	eventually(t, "the sensor hears of what was decided after the restart", func() bool { return s.has("after") && w.inSync(s) })
	if s.len() != 5 {
		t.Errorf("%d verdicts on the sensor, want 5", s.len())
	}
}

func TestLostLogBeginsANewEpoch(t *testing.T) {
	w := newWorld(t)
	w.start()
	s := w.sensor("edge", nil)
	w.add(drop("old", "203.0.113.9/32"))
	eventually(t, "sync", func() bool { return w.inSync(s) && s.has("old") })
	epoch, _ := w.log.Position()
	w.stop()
	removeAll(t, w.dir+"/bus")
	w.start()
	if e, _ := w.log.Position(); e <= epoch {
		t.Fatalf("epoch %d after the log was lost, want more than %d", e, epoch)
	}
	eventually(t, "the sensor takes the new log's set", func() bool { return w.inSync(s) && !s.has("old") })
}

func TestExpiry(t *testing.T) {
	w := newWorld(t)
	w.start()
	s := w.sensor("edge", nil)
	v := drop("short", "203.0.113.9/32")
	v.ExpiresAt = time.Now().Add(1500 * time.Millisecond)
	w.add(v)
	w.add(drop("long", "203.0.113.10/32"))
	eventually(t, "applied", func() bool { return s.has("short") && s.has("long") })
	eventually(t, "expired", func() bool { return !s.has("short") && w.inSync(s) })
	if ended := w.log.Ended(); len(ended) != 1 || ended[0].ID != "short" || !ended[0].Expired() {
		t.Errorf("ended is %+v, want the expired verdict", ended)
	}
	if !s.has("long") {
		t.Error("a verdict with time left is gone")
	}
}

// A change of very many verdicts has one number; a sensor that follows takes the whole set and goes on from there.
func TestBulkChange(t *testing.T) {
	w := newWorld(t)
	w.start()
	s := w.sensor("edge", nil)
	w.add(drop("v-1", "203.0.113.7/32"))
	eventually(t, "in sync", func() bool { return s.has("v-1") && w.inSync(s) })
	_, before := w.log.Position()
	vs := make([]verdict.Verdict, 2000)
	for i := range vs {
		vs[i] = drop(fmt.Sprintf("feed-%d", i), fmt.Sprintf("198.18.%d.%d/32", i>>8, i&255))
	}
	if _, err := w.log.AddAll(t.Context(), vs); err != nil {
		t.Fatal(err)
	}
	if _, seq := w.log.Position(); seq != before+1 {
		t.Errorf("it took %d numbers", seq-before)
	}
	eventually(t, "all are there", func() bool { return s.len() == 2001 && w.inSync(s) })
	w.add(drop("v-2", "203.0.113.8/32"))
	eventually(t, "and the next", func() bool { return s.has("v-2") && w.inSync(s) })
	w.stop()
	w.start()
	eventually(t, "after a restart too", func() bool { return w.inSync(s) })
}
