package uplink

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/weir-ips/weir/pkg/wire"
)

func alert(i int, severity uint8) wire.Event {
	return wire.Event{
		Time: time.Unix(1_700_000_000, int64(i)).UTC(), SID: uint32(i), Severity: severity, Proto: 6, Handshake: true,
		Src: netip.MustParseAddrPort("203.0.113.9:4444"), Dst: netip.MustParseAddrPort("10.0.0.1:80"),
		Category: "Web Application Attack", EVE: fmt.Appendf(nil, `{"event_type":"alert","n":%d}`, i),
	}
}

// stored reports which of n alerts, numbered by SID, are in the store, and fails on one that is there twice.
func stored(t *testing.T, w *world, n int) int {
	t.Helper()
	seen := make([]int, n)
	for _, e := range w.store.events() {
		seen[e.SID]++
	}
	have := 0
	for sid, times := range seen {
		if times > 1 {
			t.Fatalf("alert %d is in the store %d times", sid, times)
		}
		have += times
	}
	return have
}

func TestAlertArrivesUnchanged(t *testing.T) {
	w := newWorld(t)
	w.start()
	s := w.sensor("edge", nil)
	eventually(t, "connected", s.Connected)
	want := alert(7, 2)
	sent := time.Now()
	s.Publish(want)
	eventually(t, "the alert", func() bool { return stored(t, w, 10) == 1 })
	t.Logf("published to stored: %s", time.Since(sent))
	got := w.store.events()[0]
	want.ID, want.Sensor = wire.EventID("edge", s.Boot(), 1, 0), "edge"
	if got.ID != want.ID || got.Sensor != want.Sensor || !got.Time.Equal(want.Time) || string(got.EVE) != string(want.EVE) ||
		got.Src != want.Src || got.Dst != want.Dst || got.SID != want.SID || got.Severity != want.Severity || !got.Handshake ||
		got.Category != want.Category || got.Proto != want.Proto {
		t.Errorf("stored %+v\nwant   %+v", got, want)
	}
	s1 := got.Stages
	for i, at := range []time.Time{sent, s1.Inspected, s1.Sent, s1.Bus, s1.Received, time.Now()} {
		if before := []time.Time{sent, sent, s1.Inspected, s1.Sent, s1.Bus, s1.Received}[i]; at.Before(before) {
			t.Errorf("stage %d of %+v is before the one before it", i, s1)
		}
	}
	eventually(t, "the spool is empty", func() bool { u := s.Stats(); return u.SpoolEvents == 0 && u.Sent == 1 && u.SpoolBytes == 0 })
}

// Both sides are restarted while alerts come without pause: each is stored, none twice.
func TestNoneLostNoneTwice(t *testing.T) {
	w := newWorld(t)
	w.start()
	const total = 20_000
	s := w.sensor("edge", nil)
	for i := range total {
		s.Publish(alert(i, uint8(1+i%4)))
		switch i {
		case total / 8, total / 2:
			w.stop()
		case total / 4:
			w.start()
		case total * 3 / 8: // delivered in part; what is under way is delivered by the next run
			s.stop()
			s = w.sensor("edge", nil)
		case total * 5 / 8: // while the collector is away
			s.stop()
			s = w.sensor("edge", nil)
		case total * 3 / 4:
			w.start()
		}
		if i%100 == 0 {
			time.Sleep(5 * time.Millisecond)
		}
	}
	t.Cleanup(func() { t.Logf("%d of %d alerts stored; uplink counts %+v", stored(t, w, total), total, s.Stats()) })
	eventually(t, "all alerts", func() bool { return stored(t, w, total) == total })
	if u := s.Stats(); u.Invalid != 0 || u.SpoolErrors != 0 {
		t.Errorf("uplink counts %+v", u)
	}
}

func TestStoreInTrouble(t *testing.T) {
	w := newWorld(t)
	w.store.fail = 2
	w.start()
	s := w.sensor("edge", nil)
	for i := range 500 {
		s.Publish(alert(i, 1))
	}
	eventually(t, "all alerts once the store works again", func() bool { return stored(t, w, 500) == 500 })
}

func TestShedsLeastSevereFirst(t *testing.T) {
	w := newWorld(t) // not started: the collector is away
	s := w.sensor("edge", func(o *Options) { o.URL = "nats://127.0.0.1:1"; o.SpoolBytes = 256 << 10 })
	const each = 2000
	for i := range each {
		for sev := uint8(1); sev <= 4; sev++ {
			e := alert(i*4+int(sev)-1, sev)
			e.EVE = incompressible(i*4+int(sev), 300)
			s.Publish(e)
		}
		if i%20 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	eventually(t, "all is in the spool or given up", func() bool {
		s.intake.mu.Lock()
		waiting := s.intake.count
		s.intake.mu.Unlock()
		u := s.Stats()
		return waiting == 0 && u.Events == each*4 && uint64(u.SpoolEvents)+u.Shed["1"]+u.Shed["2"]+u.Shed["3"]+u.Shed["4"] == each*4
	})
	u := s.Stats()
	if u.SpoolBytes > 256<<10 {
		t.Errorf("spool holds %d bytes, bound is %d", u.SpoolBytes, 256<<10)
	}
	// A lane gives up only when those below have nothing left, but for the last batch, which fits in the room just made.
	const slack = 100
	for sev := 2; sev <= 4; sev++ {
		if more, less := u.Shed[fmt.Sprint(sev-1)], u.Shed[fmt.Sprint(sev)]; more > 0 && less < each-slack {
			t.Errorf("severity %d lost %d while %d of %d of severity %d were kept", sev-1, more, each-less, each, sev)
		}
	}
	if u.Shed["4"] < each-slack || u.Shed["1"] == each {
		t.Errorf("shed %v", u.Shed)
	}
}
