package store

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func open(t testing.TB, opt Options) *Store {
	t.Helper()
	s, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func mustAppend(t testing.TB, s *Store, alerts ...Alert) int {
	t.Helper()
	n, err := s.Append(t.Context(), alerts)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// sample makes the i-th of a varied, repeatable series of alerts, a second apart and going back over midnight.
func sample(i int) Alert {
	r := rand.New(rand.NewPCG(uint64(i), 7))
	sid := uint32(2100000 + r.IntN(6))
	src := netip.AddrFrom4([4]byte{10, byte(r.IntN(3)), byte(r.IntN(4)), byte(r.IntN(4))})
	if i%5 == 0 {
		src = netip.MustParseAddr(fmt.Sprintf("2001:db8:%x::%x", r.IntN(3), r.IntN(5)))
	}
	texts := []string{"ET SCAN nmap User-Agent", "ET MALWARE Cobalt-Strike beacon", "GPL id check returned root", "ET SCÄN Ünïcode", "SURICATA STREAM gap", "1.2.3 odd"}
	a := Alert{
		ID: fmt.Sprintf("s%d:boot:%d", i%3, i), Time: noon.Add(-time.Duration(i) * 13 * time.Minute),
		Sensor: fmt.Sprintf("edge-%d", i%3), SID: sid, GID: 1, Rev: 2,
		Signature: texts[sid-2100000], Category: []string{"Misc activity", "Web Application Attack"}[sid%2], Severity: uint8(sid%3 + 1),
		Action: []string{"allowed", "blocked"}[r.IntN(2)], SrcIP: src, SrcPort: uint16(r.IntN(65536)),
		DestIP: netip.AddrFrom4([4]byte{192, 168, 0, byte(r.IntN(5))}), DestPort: 443, Proto: []string{"TCP", "UDP"}[r.IntN(2)],
		AppProto: []string{"http", "tls", ""}[r.IntN(3)], FlowID: r.Uint64(),
	}
	a.EVE = json.RawMessage(fmt.Sprintf(`{"event_type":"alert","n":%d,"flow_id":%d}`, i, a.FlowID))
	return a
}

func samples(n int) []Alert {
	all := make([]Alert, n)
	for i := range all {
		all[i] = sample(i)
	}
	return all
}

func TestAppendKeepsEachAlertOnce(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Options{Dir: dir})
	all := samples(500)
	if n := mustAppend(t, s, all[:300]...); n != 300 {
		t.Errorf("first append kept %d, want 300", n)
	}
	if n := mustAppend(t, s, append(all[200:500:500], all[499])...); n != 200 {
		t.Errorf("overlapping append kept %d, want 200", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, Options{Dir: dir})
	if n := mustAppend(t, s, all...); n != 0 {
		t.Errorf("append after reopening kept %d, want 0", n)
	}
	if st := s.Stats(); st.Last != 500 || st.Duplicates != 500 || st.Days < 4 {
		t.Errorf("stats %+v, want 500 alerts in some days, 500 duplicates", st)
	}
	counts, err := s.Top(t.Context(), Filter{}, BySensor, 10)
	if err != nil {
		t.Fatal(err)
	}
	var sum uint64
	for _, c := range counts {
		sum += c.Count
	}
	if sum != 500 {
		t.Errorf("counters know %d alerts, want 500", sum)
	}
}

func TestGetReturnsTheWholeRecord(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir()})
	all := samples(200)
	mustAppend(t, s, all...)
	for _, want := range all {
		got, err := s.Get(t.Context(), want.ID)
		if err != nil {
			t.Fatal(err)
		}
		want.Seq, want.State = got.Seq, "open"
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("got  %v\nwant %v", got, want)
		}
	}
	if _, err := s.Get(t.Context(), "none"); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown id: %v, want ErrNotFound", err)
	}
}

// filters are chosen so that each way a plan can take is taken.
var filters = []Filter{
	{},
	{SID: 2100001}, {SID: 9},
	{Severity: 2}, {SID: 2100002, Severity: 1},
	{Src: netip.MustParsePrefix("10.1.0.0/16")}, {Src: netip.MustParsePrefix("10.0.1.2/32")},
	{Src: netip.MustParsePrefix("2001:db8:1::/48")}, {Src: netip.MustParsePrefix("0.0.0.0/0")}, {Src: netip.MustParsePrefix("::/0")},
	{Dst: netip.MustParsePrefix("192.168.0.3/32")}, {Dst: netip.MustParsePrefix("192.168.0.0/30"), Action: "blocked"},
	{Sensor: "edge-1"}, {Sensor: "none"}, {Action: "blocked", App: "tls"},
	{Query: "scan"}, {Query: "SCA"}, {Query: "nmap user-agent"}, {Query: "scän"}, {Query: "scan 10.1"}, {Query: "tls"},
	{Query: "edge-2 beacon"}, {Query: "10.1.2.3"}, {Query: "10.1.0.0/16 blocked"}, {Query: "2001:db8:2::/48"}, {Query: `" OR (`},
	{Query: "zzz"}, {Query: "strike-be"}, {Query: "strike-beac root"}, {Query: "1.2.3"}, {Query: "UDP misc"},
	{Since: noon.Add(-20 * time.Hour), Until: noon.Add(-2 * time.Hour)},
	{Since: noon.Add(-30 * time.Hour), Query: "root", Severity: 1},
	{Until: noon.Add(-13 * time.Hour), Src: netip.MustParsePrefix("10.0.0.0/8"), SID: 2100004},
}

func chosen(all []Alert, f Filter) []Alert {
	var some []Alert
	match := f.matcher()
	for i := range all {
		if match(&all[i]) {
			some = append(some, all[i])
		}
	}
	slices.SortFunc(some, func(a, b Alert) int { return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(b.ID, a.ID)) })
	return some
}

func ids(alerts []Alert) []string {
	all := []string{}
	for _, a := range alerts {
		all = append(all, a.ID)
	}
	return all
}

// The search in SQL and the filter in Go must choose alike: streams use the one, lists the other.
func TestSearchChoosesAsFilterMatches(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir()})
	all := samples(400)
	mustAppend(t, s, all...)
	found := 0
	for _, f := range filters {
		want := ids(chosen(all, f))
		found += len(want)
		var got []string
		cursor := ""
		for {
			page, err := s.Search(t.Context(), f, cursor, 17)
			if err != nil {
				t.Fatalf("%+v: %v", f, err)
			}
			got = append(got, ids(page.Alerts)...)
			if cursor = page.Next; cursor == "" {
				break
			}
		}
		if !slices.Equal(got, want) && len(got)+len(want) > 0 {
			t.Errorf("%+v:\ngot  %d %v\nwant %d %v", f, len(got), got, len(want), want)
		}
	}
	if found < 1000 {
		t.Errorf("filters chose %d alerts in all: too few to tell", found)
	}
}

func TestCountersAgreeWithRows(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir()})
	all := samples(400)
	for part := range slices.Chunk(all, 60) { // counters must add up over transactions
		mustAppend(t, s, part...)
	}
	keys := map[Dimension]func(a Alert) string{
		BySignature: func(a Alert) string { return fmt.Sprint(a.SID) },
		ByCategory:  func(a Alert) string { return a.Category },
		BySource:    func(a Alert) string { return a.SrcIP.String() },
		ByTarget:    func(a Alert) string { return a.DestIP.String() },
		BySensor:    func(a Alert) string { return a.Sensor },
		ByApp:       func(a Alert) string { return a.AppProto },
	}
	for _, f := range filters {
		f.Since, f.Until = floorTime(f.Since), floorTime(f.Until) // so that rounding outwards changes nothing
		some := chosen(all, f)
		for by, key := range keys {
			want := map[string]uint64{}
			for _, a := range some {
				want[key(a)]++
			}
			top, err := s.Top(t.Context(), f, by, 1000)
			if err != nil {
				t.Fatalf("%s of %+v: %v", by, f, err)
			}
			got := map[string]uint64{}
			for _, c := range top {
				got[c.Key] = c.Count
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s of %+v:\ngot  %v\nwant %v", by, f, got, want)
			}
		}
		checkTimeline(t, s, f, some)
		checkGroups(t, s, f, some)
	}
}

func floorTime(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Truncate(10 * time.Minute)
}

func checkTimeline(t *testing.T, s *Store, f Filter, some []Alert) {
	t.Helper()
	if f.Since.IsZero() {
		f.Since = noon.Add(-100 * time.Hour)
	}
	if f.Until.IsZero() {
		f.Until = noon.Add(time.Hour)
	}
	line, err := s.Timeline(t.Context(), f, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	var got, gotBlocked, want, wantBlocked uint64
	severity := map[uint8]uint64{}
	for _, b := range line {
		got, gotBlocked = got+b.Total, gotBlocked+b.Blocked
		for s, n := range b.Severity {
			severity[s] += n
		}
	}
	wantSeverity := map[uint8]uint64{}
	for _, a := range some {
		want++
		wantSeverity[a.Severity]++
		if a.Action == "blocked" {
			wantBlocked++
		}
	}
	if got != want || gotBlocked != wantBlocked || fmt.Sprint(severity) != fmt.Sprint(wantSeverity) {
		t.Errorf("timeline of %+v: %d (%d blocked, %v), want %d (%d, %v)", f, got, gotBlocked, severity, want, wantBlocked, wantSeverity)
	}
}

func checkGroups(t *testing.T, s *Store, f Filter, some []Alert) {
	t.Helper()
	want := map[groupOf]Group{}
	for _, a := range some {
		k := groupOf{a.SID, a.Signature, a.SrcIP}
		g, seen := want[k]
		if !seen {
			g = Group{SID: a.SID, Signature: a.Signature, Category: a.Category, Severity: a.Severity, SrcIP: a.SrcIP, First: a.Time, Last: a.Time}
		}
		g.Count++
		g.First, g.Last = earlier(g.First, a.Time), later(g.Last, a.Time)
		want[k] = g
	}
	groups, err := s.Groups(t.Context(), f, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if len(groups) != len(want) {
		t.Errorf("groups of %+v: %d, want %d", f, len(groups), len(want))
	}
	for _, g := range groups {
		if w := want[groupOf{g.SID, g.Signature, g.SrcIP}]; g != w {
			t.Errorf("group of %+v:\ngot  %+v\nwant %+v", f, g, w)
		}
	}
}

func TestTimelineKeepsEmptyStepsAndRefusesTooMany(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir()})
	a := sample(0)
	a.Time = noon.Add(90 * time.Second)
	mustAppend(t, s, a)
	line, err := s.Timeline(t.Context(), Filter{Since: noon, Until: noon.Add(5 * time.Minute)}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	var totals []uint64
	for _, b := range line {
		totals = append(totals, b.Total)
	}
	if !slices.Equal(totals, []uint64{0, 1, 0, 0, 0}) {
		t.Errorf("totals %v, want 0 1 0 0 0", totals)
	}
	if _, err := s.Timeline(t.Context(), Filter{Since: noon, Until: noon.AddDate(1, 0, 0)}, time.Minute); err == nil {
		t.Error("a year by minutes: no error")
	}
}

func TestAfterContinuesFromMemoryAndFromDisk(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Options{Dir: dir})
	all := samples(300)
	mustAppend(t, s, all...)
	f := Filter{Sensor: "edge-1"}
	inMemory, err := s.After(t.Context(), f, 100, 20)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = open(t, Options{Dir: dir}) // memory is empty now
	onDisk, err := s.After(t.Context(), f, 100, 20)
	if err != nil {
		t.Fatal(err)
	}
	for where, got := range map[string]Arrivals{"memory": inMemory, "disk": onDisk} {
		var want uint64
		for i := 0; i < 300; i++ { // a batch spreads over days, so the order of arrival is not the slice's
			a, err := s.Get(t.Context(), all[i].ID)
			if err != nil {
				t.Fatal(err)
			}
			if a.Seq > 100 && a.Sensor == "edge-1" {
				want++
			}
		}
		if got.Last != 300 || got.Matched != want || len(got.Alerts) != 20 {
			t.Errorf("%s: %d alerts of %d up to %d, want 20 of %d up to 300", where, len(got.Alerts), got.Matched, got.Last, want)
		}
	}
	if !slices.Equal(ids(inMemory.Alerts), ids(onDisk.Alerts)) {
		t.Errorf("memory %v\ndisk   %v", ids(inMemory.Alerts), ids(onDisk.Alerts))
	}
	if got, err := s.After(t.Context(), f, 300, 20); err != nil || got.Matched != 0 {
		t.Errorf("after the last: %+v, %v", got, err)
	}
}

func TestHostileAlertsAreBounded(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir()})
	long := sample(1)
	long.Signature = "\xff<script>" + string(make([]byte, 5000))
	long.EVE = append(json.RawMessage(`"`), make([]byte, maxEVE+1)...)
	long.SrcIP = netip.MustParseAddr("fe80::1%eth0")
	long.DestIP = netip.Addr{}
	noID, noTime := sample(2), sample(3)
	noID.ID, noTime.Time = "", time.Time{}
	if n := mustAppend(t, s, long, noID, noTime); n != 1 {
		t.Errorf("kept %d, want 1", n)
	}
	a, err := s.Get(t.Context(), long.ID)
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Signature) > maxText+3 || len(a.EVE) != 0 || a.SrcIP.Zone() != "" || a.DestIP.IsValid() {
		t.Errorf("kept %q, EVE of %d bytes, %s → %s", a.Signature, len(a.EVE), a.SrcIP, a.DestIP)
	}
	if st := s.Stats(); st.Refused != 2 || st.Truncated != 2 {
		t.Errorf("stats %+v, want 2 refused, 2 truncated", st)
	}
}

func TestRetentionUnlinksWholeDays(t *testing.T) {
	now := time.Now()
	dir := t.TempDir()
	s := open(t, Options{Dir: dir, MaxAge: 48 * time.Hour, Now: func() time.Time { return now }})
	old, young := sample(1), sample(2)
	old.Time, young.Time = noon.AddDate(0, 0, -9), noon
	mustAppend(t, s, old)
	mustAppend(t, s, young)
	s.sweep()
	if st := s.Stats(); st.Days != 2 {
		t.Fatalf("%d days, want 2: what was written just now is not old", st.Days)
	}
	now = now.Add(50 * time.Hour)
	s.sweep()
	if st := s.Stats(); st.Days != 1 || st.Unlinked != 1 || st.Last != 2 {
		t.Errorf("stats %+v, want the day written to last", st)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "alerts-2026-11-15*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := s.Get(t.Context(), old.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("old alert: %v, want ErrNotFound", err)
	}
	if n := mustAppend(t, s, sample(3)); n != 1 {
		t.Error("store does not take alerts after a sweep")
	}
}

func TestRetentionKeepsWithinBytes(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir(), MaxBytes: 1})
	mustAppend(t, s, samples(400)...)
	s.sweep()
	if st := s.Stats(); st.Days != 1 {
		t.Errorf("%d days left, want 1", st.Days)
	}
}

func TestOpenRefusesWhatItDoesNotKnow(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "alerts-2026-11-24.db"), []byte("not a database, but long enough to be one, or so it says here ......................."), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := Open(Options{Dir: dir}); err == nil {
		s.Close()
		t.Error("a damaged file was opened without error")
	}
}

func TestCloseEndsAppends(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir()})
	s.Close()
	if _, err := s.Append(t.Context(), samples(1)); !errors.Is(err, ErrClosed) {
		t.Errorf("append after close: %v, want ErrClosed", err)
	}
}

func TestReadersDoNotStopTheSweep(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir(), MaxBytes: 1})
	mustAppend(t, s, samples(400)...)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		for ctx.Err() == nil {
			if _, err := s.Search(t.Context(), Filter{Query: "scan"}, "", 100); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	s.sweep()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestBadCursor(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir()})
	for _, c := range []string{"x", ".", "1.", "1.-1", "!.2"} {
		if _, err := s.Search(t.Context(), Filter{}, c, 1); !errors.Is(err, ErrCursor) {
			t.Errorf("cursor %q: %v, want ErrCursor", c, err)
		}
	}
}

// What a stream must leave out is the least severe.
func TestAfterKeepsTheMostSevere(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Options{Dir: dir})
	all := samples(90) // a third of each severity
	for i := range all {
		all[i].Time = noon
	}
	mustAppend(t, s, all...)
	inMemory, err := s.After(t.Context(), Filter{}, 0, 40)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = open(t, Options{Dir: dir})
	onDisk, err := s.After(t.Context(), Filter{}, 0, 40)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(ids(inMemory.Alerts), ids(onDisk.Alerts)) || len(onDisk.Alerts) != 40 {
		t.Errorf("memory %v\ndisk   %v", ids(inMemory.Alerts), ids(onDisk.Alerts))
	}
	worst := chosen(all, Filter{Severity: 1})
	for _, a := range worst {
		if !slices.Contains(ids(inMemory.Alerts), a.ID) {
			t.Errorf("%s of severity 1 was left out", a.ID)
		}
	}
	if !slices.IsSortedFunc(inMemory.Alerts, func(a, b Alert) int { return cmp.Compare(b.Seq, a.Seq) }) {
		t.Error("not newest first")
	}
}

func FuzzFrame(f *testing.F) {
	c, err := newCodec()
	if err != nil {
		f.Fatal(err)
	}
	frame, _ := c.encode([]item{{Alert: sample(1)}, {Alert: sample(2)}})
	f.Add(frame, uint64(1))
	f.Add(frame[:len(frame)-1], uint64(0))
	f.Fuzz(func(t *testing.T, frame []byte, i uint64) {
		if _, err := c.decode(frame, i); err != nil && !errors.Is(err, errFrame) {
			t.Errorf("%v is not errFrame", err)
		}
	})
}
