package api

import (
	"encoding/json"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/weir-ips/weir/internal/collector/store"
	"github.com/weir-ips/weir/pkg/verdict"
)

// Two sensors report every five seconds, one of them restarts; the rates are what they saw.
func TestTrafficIsTheRateOfReports(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	h := newHistory(start)
	for i := range 61 {
		at := start.Add(time.Duration(i) * 5 * time.Second)
		n := uint64(i)
		a := Sensor{ID: "a", LastSeen: at, Packets: n * 500, Bytes: n * 50_000, Drops: map[string]uint64{"syn_flood": n * 100}}
		b := Sensor{ID: "b", LastSeen: at.Add(time.Second), Packets: (n % 31) * 50}
		h.report([]Sensor{a, b})
	}
	w := windowOf(4*time.Minute, start.Add(5*time.Minute+10*time.Second))
	got := h.traffic(w, 10)
	if got.StepSeconds != 10 || len(got.Sensors) != 2 || got.Sensors[0].ID != "a" || len(got.Drops) != 1 || len(got.Sensors[0].Packets) != 24 {
		t.Fatalf("%+v", got)
	}
	for i := range got.Sensors[0].Packets {
		a, b := got.Sensors[0], got.Sensors[1]
		if a.Packets[i] != 100 || a.Bytes[i] != 10_000 || a.Dropped[i] != 20 || got.Drops[0].Packets[i] != 20 {
			t.Errorf("step %d: %v packets, %v bytes, %v dropped, %v by SYN floods", i, a.Packets[i], a.Bytes[i], a.Dropped[i], got.Drops[0].Packets[i])
		}
		if b.Packets[i] < 4 || b.Packets[i] > 11 {
			t.Errorf("step %d: %v packets of the sensor that restarted", i, b.Packets[i])
		}
	}
	coarse := h.traffic(windowOf(24*time.Hour, start.Add(10*time.Minute)), 10)
	if n := coarse.Sensors[0].Packets; coarse.StepSeconds != 300 || math.Abs(n[len(n)-1]-100) > 1 {
		t.Errorf("by five minutes: %d s, %v", coarse.StepSeconds, n[len(n)-3:])
	}
}

func TestHistoryForgets(t *testing.T) {
	h := newHistory(time.Now())
	start := time.Unix(1_800_000_000, 0)
	for i := range maxSeries + 10 {
		h.spread(seriesKey{kindHits, netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}).String()}, start.Add(time.Duration(i)*time.Minute), start.Add(time.Duration(i)*time.Minute+time.Second), 1)
	}
	if len(h.all) != maxSeries || h.all[seriesKey{kindHits, "10.0.0.0"}] != nil {
		t.Errorf("%d series, at most %d, the oldest gone", len(h.all), maxSeries)
	}
	s := newSeries()
	s.fine.add(start.UnixNano(), 5)
	s.fine.add(start.Add(3*time.Hour).UnixNano(), 7)
	s.fine.add(start.UnixNano(), 9) // too late
	if got := s.fine.total(0); got != 7 {
		t.Errorf("an hour after, %v is left of it", got)
	}
}

func TestHitsBeginAtTheFirstLook(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	h := newHistory(start)
	v := func(id string, created time.Time, packets uint64) VerdictStatus {
		return VerdictStatus{Verdict: verdict.Verdict{ID: id, CreatedAt: created}, Hits: Hits{Packets: packets, Bytes: 60 * packets}}
	}
	h.look([]VerdictStatus{v("old", start.Add(-time.Hour), 1_000_000)}, start)
	h.look([]VerdictStatus{v("old", start.Add(-time.Hour), 1_000_030), v("new", start.Add(10*time.Second), 40)}, start.Add(30*time.Second))
	for name, want := range map[string]float64{"old": 30, "new": 40} {
		if got, size := h.all[seriesKey{kindHits, name}].fine.total(0), h.all[seriesKey{kindHitSize, name}].fine.total(0); math.Abs(got-want) > 0.01 || math.Abs(size-60*want) > 0.5 {
			t.Errorf("%s: %v packets, %v bytes, want %v", name, got, size, want)
		}
	}
}

func TestChangesCompareWithTheSpanBefore(t *testing.T) {
	f := start(t)
	var all []store.Alert
	for i := range 12 { // six of one signature before, two of it now, four of another
		a := alert(i)
		switch {
		case i < 6:
			a.Time = time.Now().UTC().Add(-90 * time.Minute)
		case i < 10:
			a.SID, a.Signature = 7, "another"
		}
		all = append(all, a)
	}
	f.keep(t, all...)
	var got changesAnswer
	f.get(t, "/api/v1/stats/changes?by=sid&order=change", &got)
	if len(got.Rows) != 2 || got.Rows[0].Key != "2100498" && got.Rows[0].Key != "7" {
		t.Fatalf("%+v", got.Rows)
	}
	for _, r := range got.Rows {
		if r.Key == "7" && (r.Count.Count != 4 || r.Before != 0) || r.Key == "2100498" && (r.Count.Count != 2 || r.Before != 6) {
			t.Errorf("%+v", r)
		}
	}
}

// get reads an answer that must be 200.
func (f *fixture) get(t *testing.T, path string, into any) {
	t.Helper()
	status, body := f.do(t, "GET", path, nil)
	if status != 200 {
		t.Fatalf("%s: %d %s", path, status, body)
	}
	if err := json.Unmarshal([]byte(body), into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}
