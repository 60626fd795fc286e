package threshold

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/weir-ips/weir/pkg/decode"
)

// monday is a Monday at 00:00 UTC.
var monday = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC).UnixNano()

const hour = int64(3600e9)

// live lets f see pps packets a second of the class to the victim for the time from…to, a tenth of a second at a time.
func live(f *Floods, class FloodClass, pps uint64, from, to int64) (events []FloodEvent) {
	for now := from; now < to; now += 100 * ms {
		if e, ok := f.Add(victim, class, pps/10, now); ok {
			events = append(events, e)
		}
		if now%int64(1e9) == 0 {
			events = append(events, f.Tick(now)...)
		}
	}
	return events
}

// learned has seen pps SYNs a second to the victim for so many hours.
func learned(pps uint64, hours int64) *Floods {
	c := floors(1000, 5000, 1000)
	c.Baselines = NewBaselines(monday)
	f := NewFloods(c)
	for now := monday; now < monday+hours*hour; now += 500 * ms {
		f.Add(victim, FloodSYN, pps/2, now)
	}
	return f
}

func TestTheThresholdFollowsWhatIsUsual(t *testing.T) {
	for _, c := range []struct {
		usual, pps uint64
		hours      int64
		flood      bool
	}{
		{100, 450, 8, false},
		{100, 650, 8, false},  // the hour is not known yet
		{100, 650, 170, true}, // below the floor
		{100, 5000, 4, true},  // too early to know: the floor
		{600, 2500, 8, false},
		{600, 3500, 8, true},
		{20, 150, 170, false}, // not below a fifth of the floor
		{20, 250, 170, true},
	} {
		f, now := learned(c.usual, c.hours), monday+c.hours*hour
		events := live(f, FloodSYN, c.pps, now, now+3000*ms)
		if got := len(events) == 1; got != c.flood {
			t.Errorf("%d/s after %d h of %d/s: %+v", c.pps, c.hours, c.usual, events)
		}
		if c.flood && c.hours > 4 && (!events[0].Learned || events[0].Usual < c.usual || events[0].Usual > c.usual*9/8+1) {
			t.Errorf("after %d h of %d/s %d/s are said to be usual (%s)", c.hours, c.usual, events[0].Usual, events[0].Explain())
		}
	}
}

func TestASlowRampIsFoundByItsExcess(t *testing.T) {
	f := learned(100, 170)
	start := monday + 170*hour
	events := live(f, FloodSYN, 240, start, start+60_000*ms)
	if len(events) != 0 {
		t.Fatalf("two and a half times the usual for a minute: %+v", events)
	}
	start += 60_000 * ms
	events = live(f, FloodSYN, 400, start, start+60_000*ms)
	if len(events) != 1 || events[0].Statistic != Excess || events[0].Time-start > 30_000*ms || !strings.Contains(events[0].Explain(), "for too long") {
		t.Errorf("four times the usual for a minute: %+v", events)
	}
}

func TestAnAttackTeachesNothing(t *testing.T) {
	f := learned(100, 8)
	live(f, FloodSYN, 20_000, monday+8*hour, monday+9*hour)
	live(f, FloodSYN, 100, monday+9*hour, monday+12*hour)
	if u := f.cfg.Baselines.level(victim, FloodSYN, monday+9*hour); !u.learned || u.rate > 120 {
		t.Errorf("after an hour's attack %d/s are usual", u.rate)
	}
}

func TestAShortBurstTeachesLittle(t *testing.T) {
	f := learned(100, 7)
	now := monday + 7*hour
	live(f, FloodSYN, 400, now, now+20_000*ms)
	live(f, FloodSYN, 100, now+20_000*ms, now+2*hour)
	if u := f.cfg.Baselines.level(victim, FloodSYN, now); u.rate > 120 {
		t.Errorf("after twenty seconds of 400/s %d/s are usual", u.rate)
	}
}

func TestHoursOfTheWeekDiffer(t *testing.T) {
	b := NewBaselines(monday)
	c := floors(1000, 0, 0)
	c.Baselines = b
	f := NewFloods(c)
	for h := range int64(24) {
		pps := uint64(10)
		if h >= 9 && h < 17 {
			pps = 700
		}
		live(f, FloodSYN, pps, monday+h*hour, monday+(h+1)*hour)
	}
	for h, want := range map[int64]uint64{3: 10, 12: 700, 20: 10, 7*24 + 12: 700, 7*24 + 3: 10, 3*24 + 3: 700} {
		got := b.level(victim, FloodSYN, monday+h*hour)
		if !got.learned || got.rate < want || got.rate > want*5/4+1 {
			t.Errorf("%d hours after Monday midnight %d/s are usual, want about %d", h, got.rate, want)
		}
	}
}

func TestBaselinesAreWrittenAndRead(t *testing.T) {
	f := learned(100, 8)
	text, err := json.Marshal(Saved{Version: SavedVersion, Baselines: f.cfg.Baselines.Export()})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), `{"network":"192.0.2.0/24","class":"syn","weeks":1,"hours":{"mon":[10`) {
		t.Errorf("%s", text)
	}
	var s Saved
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	b := NewBaselines(monday)
	if err := b.Import(s.Baselines, monday); err != nil {
		t.Fatal(err)
	}
	want := f.cfg.Baselines.level(victim, FloodSYN, monday+2*hour)
	if got := b.level(victim, FloodSYN, monday+2*hour); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	s.Baselines[0].Pinned = 9000
	if err := b.Import(s.Baselines, monday); err != nil {
		t.Fatal(err)
	}
	if got := b.level(victim, FloodSYN, monday+2*hour); !got.hour || got.rate != 9000 {
		t.Errorf("pinned to 9000, %+v", got)
	}
	for _, bad := range []Baseline{
		{Network: netip.MustParsePrefix("192.0.2.0/25")}, {Network: netip.MustParsePrefix("2001:db8::/48")}, {},
		{Network: netip.MustParsePrefix("192.0.2.0/24"), Class: NumFloodClasses},
		{Network: netip.MustParsePrefix("192.0.2.0/24"), Hours: WeekHours{-2}},
	} {
		if err := b.Import([]Baseline{bad}, monday); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}

func TestBaselinesStayBounded(t *testing.T) {
	b := NewBaselines(0)
	for i := range uint32(3 * maxBaselines) {
		b.note(decode.Addr{10: 0xff, 11: 0xff, 12: byte(i >> 16), 13: byte(i >> 8), 14: byte(i)}, FloodSYN, 1, 1)
	}
	if len(b.entries) != maxBaselines || b.Refused != 2*maxBaselines {
		t.Errorf("%d networks, %d refused", len(b.entries), b.Refused)
	}
	b.note(decode.AddrFrom(netip.MustParseAddr("198.51.100.1")), FloodSYN, 1, 5*hoursOfWeek*secondsOfHour)
	if len(b.entries) != maxBaselines || b.Refused != 2*maxBaselines {
		t.Error("a network silent for weeks keeps its place")
	}
}

func TestHistogramQuantile(t *testing.T) {
	var h histogram
	for v := range uint32(1000) {
		h.add(v)
	}
	for _, c := range []struct{ permille, n, want uint32 }{{990, 1000, 990}, {500, 1000, 500}, {990, 100_000, 0}, {1000, 1000, 999}} {
		if got := h.quantile(c.permille, c.n); got < c.want || got > c.want*9/8 {
			t.Errorf("%d‰ of %d: %d, want %d or an eighth more", c.permille, c.n, got, c.want)
		}
	}
	for _, v := range []uint32{0, 7, 8, 255, 256, 1<<32 - 1} {
		if c := histogramClass(v); c >= histogramClasses || histogramTop(c) < v || c > 0 && histogramTop(c-1) >= v {
			t.Errorf("%d is in class %d", v, c)
		}
	}
}

// FuzzBaselines reads hostile files: whatever is taken must be written the same again.
func FuzzBaselines(f *testing.F) {
	f.Add([]byte(`{"version":1,"baselines":[{"network":"192.0.2.0/24","class":"udp","pinned":5,"weeks":2,"hours":{"mon":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,-1]}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var s Saved
		b := NewBaselines(0)
		if json.Unmarshal(text, &s) != nil || b.Import(s.Baselines, 0) != nil {
			return
		}
		first, err := json.Marshal(b.Export())
		if err != nil {
			t.Fatal(err)
		}
		again := NewBaselines(0)
		if err := again.Import(b.Export(), 0); err != nil {
			t.Fatal(err)
		}
		if second, err := json.Marshal(again.Export()); err != nil || string(second) != string(first) {
			t.Errorf("%s\n%s (%v)", first, second, err)
		}
	})
}
