package incident

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/weir-ips/weir/internal/collector/store"
	"github.com/weir-ips/weir/internal/collector/store/storetest"
	"github.com/weir-ips/weir/pkg/wire"
)

var began = time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)

// shape is an alert in few words.
type shape struct {
	after     time.Duration
	sensor    string
	sid       uint32
	src, dst  string
	severity  uint8
	handshake bool
	eve       string // alert's inside
}

func (s shape) event(n int) wire.Event {
	addr := func(a string) netip.AddrPort {
		if a == "" {
			return netip.AddrPort{}
		}
		return netip.AddrPortFrom(netip.MustParseAddr(a), 80)
	}
	if s.sensor == "" {
		s.sensor = "edge-1"
	}
	return wire.Event{
		ID: fmt.Sprintf("%s:b:%d", s.sensor, n), Sensor: s.sensor, Time: began.Add(s.after), SID: s.sid, Severity: s.severity, Proto: 6,
		Src: addr(s.src), Dst: addr(s.dst), Handshake: s.handshake, EVE: []byte(`{"alert":{` + s.eve + `}}`),
	}
}

func rule(name, tactic, severity string) string {
	return fmt.Sprintf(`"signature":%q,"metadata":{"mitre_tactic_id":[%q],"signature_severity":[%q]}`, name, tactic, severity)
}

func found(vector, phase, id string, value, threshold int) string {
	return fmt.Sprintf(`"signature":"WEIR %s","context":{"weir":{"detection":{"id":%q,"vector":%q,"phase":%q,"explanation":"why","unit":"SYNs a second",
		"value":%d,"threshold":%d,"peak":%d,"since":"2026-11-24T03:00:00.000000+0000","counted":%d,"bytes":9,"sources":4000,
		"measures":[{"step":"arm","what":"drops new SYNs","dropped":%d}]}}}`, vector, id, vector, phase, value, threshold, value, value, value/2)
}

func feed(t *testing.T, tr *Tracker, shapes ...shape) {
	t.Helper()
	for i, s := range shapes {
		tr.Consider([]wire.Event{s.event(i)})
	}
}

// place returns how to open, as often as wanted, incidents that are kept in a new place.
type place func(t *testing.T) func(now func() time.Time) (*Tracker, error)

func (p place) open(t *testing.T) *Tracker {
	t.Helper()
	tr, err := p(t)(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	return tr
}

func inFile(t *testing.T) func(func() time.Time) (*Tracker, error) {
	dir := t.TempDir()
	return func(now func() time.Time) (*Tracker, error) { return Open(Options{Dir: dir, Now: now}) }
}

// inPostgres leads at once.
func inPostgres(server *storetest.Server) place {
	return func(t *testing.T) func(func() time.Time) (*Tracker, error) {
		at := server.Database(t)
		return func(now func() time.Time) (*Tracker, error) {
			db, err := at.OpenPart(t.Context(), Part())
			if err != nil {
				return nil, err
			}
			tr, err := Open(Options{Database: db, Now: now})
			if err != nil {
				return nil, err
			}
			return tr, tr.Lead(t.Context())
		}
	}
}

// TestTracker holds every place to the same.
func TestTracker(t *testing.T) {
	tests := map[string]func(*testing.T, place){
		"AnIntrusionIsOneStory":                      testAnIntrusionIsOneStory,
		"AFloodIsOneIncidentOnAllSensors":            testAFloodIsOneIncidentOnAllSensors,
		"ManySourcesDoTheSame":                       testManySourcesDoTheSame,
		"IncidentsSurviveARestart":                   testIncidentsSurviveARestart,
		"WhatWasResolvedComesBackUnlessItWasNothing": testWhatWasResolvedComesBackUnlessItWasNothing,
		"ADecisionIsNotOvertaken":                    testADecisionIsNotOvertaken,
		"FiltersAndPages":                            testFiltersAndPages,
	}
	run := func(t *testing.T, at place) {
		for name, test := range tests {
			t.Run(name, func(t *testing.T) { test(t, at) })
		}
	}
	t.Run("SQLite", func(t *testing.T) { run(t, inFile) })
	t.Run("PostgreSQL", func(t *testing.T) { run(t, inPostgres(storetest.Start(t))) })
}

func testAnIntrusionIsOneStory(t *testing.T, at place) {
	tr := at.open(t)
	const attacker, victim, neighbour, c2 = "203.0.113.7", "10.0.0.5", "10.0.0.9", "198.51.100.66"
	m := time.Minute
	feed(t, tr,
		shape{0, "", firstDetection + 7, attacker, victim, 2, false, found("port-scan", "start", "a1", 40, 25)},
		shape{2 * m, "", 2001, attacker, victim, 1, true, rule("EXPLOIT of the shop", "TA0001", "Major")},
		shape{3 * m, "", 2001, "192.0.2.200", "10.0.0.77", 1, true, rule("EXPLOIT of the shop", "TA0001", "Major")}, // somebody else's
		shape{5 * m, "edge-2", 2002, victim, c2, 1, true, rule("MALWARE checkin", "TA0011", "Major")},
		shape{6 * m, "edge-2", 2003, c2, victim, 1, true, rule("MALWARE command", "TA0011", "Major")},
		shape{9 * m, "", 2004, victim, neighbour, 2, true, rule("LATERAL psexec", "TA0008", "Minor")},
		shape{30 * m, "", 2005, victim, c2, 1, true, rule("EXFIL big upload", "TA0010", "Major")},
	)
	all := tr.all(t)
	if len(all) != 2 {
		t.Fatalf("%d incidents, want the intrusion and somebody else's: %+v", len(all), all)
	}
	d, err := tr.Get(t.Context(), tr.index[key{by: bySource, addr: netip.MustParseAddr(attacker)}].ID)
	if err != nil {
		t.Fatal(err)
	}
	var chain, kinds []string
	for _, s := range d.Stages {
		chain = append(chain, s.Name)
	}
	if got := strings.Join(chain, ", "); got != "Reconnaissance, Initial Access, Lateral Movement, Command and Control, Exfiltration" {
		t.Errorf("kill chain %s", got)
	}
	if d.Alerts != 6 || d.Severity != Critical || d.Kind != Intrusion || len(d.Sensors) != 2 || d.Sources.Distinct != 3 || len(d.Members) != 6 {
		t.Errorf("%+v", d.Incident)
	}
	for _, e := range d.Timeline {
		kinds = append(kinds, e.Kind)
	}
	for _, want := range []string{"began", "stage", "target", "sensor", "severity", "vector"} {
		if !strings.Contains(strings.Join(kinds, " "), want) {
			t.Errorf("timeline %v says nothing of %s", kinds, want)
		}
	}
	if !d.First.Equal(began) || !d.Last.Equal(began.Add(30*m)) {
		t.Errorf("from %s to %s", d.First, d.Last)
	}
}

func testAFloodIsOneIncidentOnAllSensors(t *testing.T, at place) {
	tr := at.open(t)
	const victim = "10.0.0.5"
	var shapes []shape
	for i := range 500 { // before it is recognised, forged sources set a rule off
		shapes = append(shapes, shape{time.Duration(i) * time.Millisecond, "", 2100, fmt.Sprintf("198.51.%d.%d", i/250, i%250+1), victim, 2, false, rule("POLICY odd SYN", "", "Minor")})
	}
	syn := uint32(firstDetection)
	shapes = append(shapes,
		shape{time.Second, "edge-1", syn, "", victim, 1, false, found("syn-flood", "start", "a1", 5000, 1000)},
		shape{time.Second, "edge-2", syn, "", victim, 1, false, found("syn-flood", "start", "b1", 3000, 1000)},
		shape{2 * time.Second, "", 2101, "192.0.2.9", victim, 2, false, rule("POLICY another odd SYN", "", "Minor")},
		shape{3 * time.Second, "", 2200, "192.0.2.77", victim, 1, true, rule("EXPLOIT under cover of it", "TA0001", "Major")}, // proved: not the flood
		shape{time.Minute, "edge-1", syn, "", victim, 1, false, found("syn-flood", "update", "a1", 20000, 1000)},
		shape{90 * time.Second, "edge-1", firstDetection + 1, "", victim, 1, false, found("udp-flood", "start", "a2", 9000, 5000)},
		shape{2 * time.Minute, "edge-1", syn, "", victim, 1, false, found("syn-flood", "end", "a1", 100, 1000)},
		shape{2 * time.Minute, "edge-2", syn, "", victim, 1, false, found("syn-flood", "end", "b1", 100, 1000)},
	)
	feed(t, tr, shapes...)
	all := tr.all(t)
	if len(all) != 2 {
		t.Fatalf("%d incidents, want the flood and the exploit: %+v", len(all), all)
	}
	flood := all[0]
	if flood.Kind != Flood {
		flood = all[1]
	}
	if flood.Kind != Flood || flood.Alerts != 507 || len(flood.Vectors) != 3 || len(flood.Sensors) != 2 || flood.Severity != Critical || flood.Sources.Distinct != 4000 ||
		flood.Title != "syn-flood, udp-flood on 10.0.0.5" {
		t.Errorf("%+v", flood)
	}
	if in := tr.active[flood.ID]; in.over() {
		t.Error("over, with the UDP flood going on")
	}
	feed(t, tr, shape{3 * time.Minute, "edge-1", firstDetection + 1, "", victim, 1, false, found("udp-flood", "end", "a2", 1, 5000)})
	if in := tr.active[flood.ID]; !in.over() || in.Ongoing || !flood.Ongoing {
		t.Error("not over, though all has ended")
	}
	if s := tr.Stats(); s.Merged != 1 {
		t.Errorf("took %d incidents over, want the one of forged sources", s.Merged)
	}
}

func testManySourcesDoTheSame(t *testing.T, at place) {
	tr := at.open(t)
	var shapes []shape
	for i := range 300 { // one target, proved sources
		shapes = append(shapes, shape{time.Duration(i) * time.Second, "", 2300, fmt.Sprintf("198.51.100.%d", i%250+1), "10.0.0.5", 2, true, rule("LOGIN attempt", "TA0006", "Minor")})
	}
	for i := range 2000 { // many targets
		shapes = append(shapes, shape{time.Duration(i) * time.Second, "", 2400, fmt.Sprintf("192.0.%d.%d", i/250, i%250+1), fmt.Sprintf("10.1.%d.%d", i/250, i%250+1), 3, false, rule("SCAN worm", "TA0043", "Informational")})
	}
	feed(t, tr, shapes...)
	count := map[string]int{}
	for _, in := range tr.all(t) {
		count[in.Kind]++
		if in.Kind == Widespread && (in.Alerts != 2000-ownIncidents || in.Sources.More == 0 || len(in.Sources.List) != maxParties) {
			t.Errorf("%+v", in)
		}
	}
	if count[Distributed] != 1 || count[Intrusion] > ownSources+ownIncidents || count[Widespread] != 1 {
		t.Errorf("incidents by kind: %v", count)
	}
}

func testIncidentsSurviveARestart(t *testing.T, at place) {
	now := began
	again := at(t)
	tr, err := again(func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	feed(t, tr, shape{0, "", 2001, "203.0.113.7", "10.0.0.5", 1, true, rule("EXPLOIT", "TA0001", "Major")})
	id := tr.all(t)[0].ID
	assignee := "bo"
	if _, err := tr.Change(t.Context(), id, Change{State: StateAcknowledged, Assignee: &assignee, Comment: "looking", Actor: "ana"}); err != nil {
		t.Fatal(err)
	}
	if err := tr.Close(); err != nil {
		t.Fatal(err)
	}
	if tr, err = again(func() time.Time { return now }); err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	feed(t, tr, shape{time.Minute, "", 2002, "203.0.113.7", "10.0.0.6", 1, true, rule("EXPLOIT again", "TA0001", "Major")},
		shape{2 * time.Minute, "", 2003, "10.0.0.5", "198.51.100.1", 1, true, rule("MALWARE", "TA0011", "Major")})
	all := tr.all(t)
	if len(all) != 1 || all[0].ID != id || all[0].Alerts != 3 || all[0].State != StateAcknowledged || all[0].Assignee != "bo" {
		t.Errorf("%+v", all)
	}
	// Nothing more happens: it ends, but stays acknowledged; another, that nobody took up, resolves itself.
	feed(t, tr, shape{3 * time.Minute, "", 2009, "192.0.2.1", "10.0.0.8", 3, true, rule("NOISE", "", "Informational")})
	now = now.Add(DefaultQuiet + time.Hour)
	tr.sweep()
	if err := tr.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	now = now.Add(linger + 1)
	tr.sweep()
	if n := tr.Stats().Active; n != 0 {
		t.Errorf("%d incidents still in memory", n)
	}
	now = now.Add(DefaultAutoClose)
	if err := tr.retire(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, in := range tr.all(t) {
		if in.Active || (in.ID == id) != (in.State == StateAcknowledged) || (in.ID != id) != (in.Resolution == Quiet) {
			t.Errorf("%+v", in)
		}
	}
	now = now.Add(31 * 24 * time.Hour)
	tr.sweep()
	if err := tr.retire(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := tr.all(t); len(left) != 0 {
		t.Errorf("kept for ever: %+v", left)
	}
	if _, err := tr.Get(t.Context(), id); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("forgotten: %v", err)
	}
}

func testWhatWasResolvedComesBackUnlessItWasNothing(t *testing.T, at place) {
	for resolution, want := range map[string]string{TruePositive: StateOpen, Benign: StateResolved, FalsePositive: StateResolved} {
		tr := at.open(t)
		feed(t, tr, shape{0, "", 2001, "203.0.113.7", "10.0.0.5", 1, true, rule("EXPLOIT", "TA0001", "Major")})
		id := tr.all(t)[0].ID
		if _, err := tr.Change(t.Context(), id, Change{State: StateResolved, Resolution: resolution, Severity: Low, Actor: "ana"}); err != nil {
			t.Fatal(err)
		}
		feed(t, tr, shape{time.Minute, "", 2001, "203.0.113.7", "10.0.0.5", 1, true, rule("EXPLOIT", "TA0001", "Major")})
		d, err := tr.Get(t.Context(), id)
		if err != nil || d.State != want || d.Severity != Low || d.Alerts != 2 {
			t.Errorf("%s: %v %+v", resolution, err, d.Incident)
		}
	}
}

// What was gathered to be written before a person's decision must not undo it.
func testADecisionIsNotOvertaken(t *testing.T, at place) {
	tr := at.open(t)
	feed(t, tr, shape{0, "", 2001, "203.0.113.7", "10.0.0.5", 1, true, rule("EXPLOIT", "TA0001", "Major")})
	stale, err := tr.changed()
	if err != nil || len(stale) != 1 {
		t.Fatal(stale, err)
	}
	if _, err := tr.Change(t.Context(), stale[0].ID, Change{State: StateAcknowledged, Actor: "ana"}); err != nil {
		t.Fatal(err)
	}
	if err := tr.put(t.Context(), stale); err != nil {
		t.Fatal(err)
	}
	if in := tr.all(t)[0]; in.State != StateAcknowledged {
		t.Errorf("on disk it is %s", in.State)
	}
}

func testFiltersAndPages(t *testing.T, at place) {
	tr := at.open(t)
	for i := range 25 {
		feed(t, tr, shape{time.Duration(i) * time.Minute, fmt.Sprintf("edge-%d", i%3), 3000 + uint32(i), fmt.Sprintf("203.0.113.%d", i+1), fmt.Sprintf("10.0.0.%d", i+1), uint8(i%3 + 1), true,
			fmt.Sprintf(`"signature":"RULE number %d"`, i)})
	}
	for _, c := range []struct {
		f    Filter
		want int
	}{
		{Filter{}, 25}, {Filter{Severities: []string{High}}, 9}, {Filter{Severities: []string{High, Medium}}, 17}, {Filter{Sensor: "edge-2"}, 8},
		{Filter{Address: "203.0.113.4"}, 1}, {Filter{Address: "10.0.0.4"}, 1}, {Filter{SID: 3003}, 1}, {Filter{SID: 3003, Sensor: "edge-1"}, 0},
		{Filter{States: []string{StateResolved}}, 0}, {Filter{Assignee: "-"}, 25}, {Filter{Assignee: "ana"}, 0}, {Filter{Kind: Flood}, 0},
		{Filter{Text: "NUMBER 7"}, 1}, {Filter{Since: began.Add(20 * time.Minute)}, 5}, {Filter{Until: began.Add(5 * time.Minute)}, 5}, {Filter{Active: true}, 25},
	} {
		n, cursor := 0, ""
		for {
			page, err := tr.List(t.Context(), c.f, cursor, 7)
			if err != nil {
				t.Fatal(err)
			}
			n += len(page.Incidents)
			if cursor = page.Next; cursor == "" {
				break
			}
		}
		if n != c.want {
			t.Errorf("%+v finds %d, want %d", c.f, n, c.want)
		}
	}
	if _, err := tr.List(t.Context(), Filter{}, "x", 7); !errors.Is(err, store.ErrCursor) {
		t.Errorf("a cursor of nobody's: %v", err)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	tr := open(t)
	var events []wire.Event
	for i := range maxActive + 50 {
		a := netip.AddrFrom4([4]byte{100, byte(i >> 16), byte(i >> 8), byte(i)})
		b := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		e := shape{time.Duration(i) * time.Millisecond, "", 5000 + uint32(i/10), a.String(), b.String(), 3, true, `"signature":"X"`}.event(i)
		events = append(events, e)
	}
	tr.Consider(events)
	if s := tr.Stats(); s.Active != maxActive || s.Crowded != 50 || len(tr.index) > 3*maxActive {
		t.Errorf("%+v, %d keys", s, len(tr.index))
	}
	// One incident that everything happens in.
	for i := range 3000 {
		tr.Consider([]wire.Event{shape{0, fmt.Sprintf("edge-%d", i), 20000 + uint32(i), "203.0.113.250", fmt.Sprintf("10.9.%d.%d", i/250, i%250), 1, true, `"signature":"Y"`}.event(i)})
	}
	d, err := tr.Get(t.Context(), tr.index[key{by: bySource, addr: netip.MustParseAddr("203.0.113.250")}].ID)
	if err != nil {
		t.Fatal(err)
	}
	if d.Alerts != 3000 || len(d.Targets.List) != maxParties || d.Targets.More != 3000-maxParties || len(d.Signatures) != maxSignatures || len(d.Sensors) != maxSensors ||
		len(d.Timeline) > maxTimeline || len(d.Members) != maxMembers {
		t.Errorf("%d targets, %d signatures, %d sensors, %d lines, %d members", len(d.Targets.List), len(d.Signatures), len(d.Sensors), len(d.Timeline), len(d.Members))
	}
}

func FuzzConsider(f *testing.F) {
	f.Add([]byte(`{"alert":{`+rule("X", "TA0001", "Major")+`}}`), uint32(1), true)
	f.Add([]byte(`{"alert":{`+found("syn-flood", "start", "a", 9, 1)+`}}`), uint32(firstDetection), false)
	f.Add([]byte(`{"alert":{"context":{"weir":{"detection":{"vector":"carpet-bombing","phase":"?","since":"x"}}}}}`), uint32(firstDetection+6), false)
	f.Add([]byte(`not JSON`), uint32(2), true)
	tr, err := Open(Options{Dir: f.TempDir()})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { tr.Close() })
	f.Fuzz(func(t *testing.T, eve []byte, sid uint32, handshake bool) {
		e := shape{0, "", sid, "203.0.113.7", "10.0.0.5", 1, handshake, ""}.event(1)
		e.EVE = eve
		anonymous := e
		anonymous.Src, anonymous.Dst = netip.AddrPort{}, netip.AddrPort{}
		tr.Consider([]wire.Event{e, anonymous})
		if tr.Stats().Active == 0 {
			t.Error("no incident")
		}
	})
}

// TestIncidentsPassToTheNextLeader has one collector keep incidents, another read them, and that one take over when the first is gone.
func TestIncidentsPassToTheNextLeader(t *testing.T) {
	at := storetest.Start(t).Database(t)
	var both [2]*Tracker
	for i := range both {
		db, err := at.OpenPart(t.Context(), Part())
		if err != nil {
			t.Fatal(err)
		}
		if both[i], err = Open(Options{Database: db}); err != nil {
			t.Fatal(err)
		}
		defer both[i].Close()
	}
	leader, follower := both[0], both[1]
	if err := leader.Lead(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, rev, err := follower.Changed(t.Context(), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	feed(t, leader, shape{0, "", 2001, "203.0.113.7", "10.0.0.5", 1, true, rule("EXPLOIT", "TA0001", "Major")})
	if err := leader.flush(t.Context()); err != nil { // and then it dies
		t.Fatal(err)
	}
	seen, rev, err := follower.Changed(t.Context(), rev, 10)
	if err != nil || len(seen) != 1 || seen[0].Alerts != 1 {
		t.Fatalf("the follower sees %+v, %v", seen, err)
	}
	if again, _, err := follower.Changed(t.Context(), rev, 10); err != nil || len(again) != 0 {
		t.Errorf("told twice: %+v, %v", again, err)
	}
	id := seen[0].ID
	if _, err := follower.Change(t.Context(), id, Change{State: StateAcknowledged}); !errors.Is(err, ErrFollows) {
		t.Errorf("a follower changes an incident: %v", err)
	}
	if err := follower.Lead(t.Context()); err != nil {
		t.Fatal(err)
	}
	feed(t, follower, shape{time.Minute, "", 2002, "203.0.113.7", "10.0.0.6", 1, true, rule("EXPLOIT again", "TA0001", "Major")})
	if all := follower.all(t); len(all) != 1 || all[0].ID != id || all[0].Alerts != 2 {
		t.Errorf("the next leader has %+v", all)
	}
	// The first was only slow: what it still had to write does not undo what the other has written.
	leader.active[id].dirty = true
	if err := leader.Follow(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d, err := leader.Get(t.Context(), id); err != nil || d.Alerts != 2 {
		t.Errorf("the first shows %d alerts, %v", d.Alerts, err)
	}
}

// What an earlier run had counted and kept is not counted again when the bus delivers it again; what it had not kept is.
func TestNothingIsCountedTwiceOrNotAtAllAfterADeath(t *testing.T) {
	dir := t.TempDir()
	open := func() *Tracker {
		tr, err := Open(Options{Dir: dir, Now: func() time.Time { return began }})
		if err != nil {
			t.Fatal(err)
		}
		return tr
	}
	var events []wire.Event
	var at []uint64
	for i := range 30 {
		events = append(events, shape{sid: 7 + uint32(i%3), src: fmt.Sprintf("203.0.113.%d", i%4), dst: "10.0.0.1", severity: 1, handshake: true, eve: `"signature":"X"`}.event(i))
		at = append(at, uint64(i/10+1)<<16|uint64(i%10))
	}
	dead := open()
	dead.ConsiderAt(events[:13], at[:13], false)
	if err := dead.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	dead.ConsiderAt(events[13:25], at[13:25], false) // and dies
	tr := open()
	t.Cleanup(func() { tr.Close() })
	tr.ConsiderAt(events[10:25], at[10:25], true) // the store has them
	tr.ConsiderAt(events[25:], at[25:], false)
	if err := tr.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	page, err := tr.List(t.Context(), Filter{}, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	var counted uint64
	for _, in := range page.Incidents {
		counted += in.Alerts
	}
	if counted != 30 || tr.Stats().Recounted != 3 {
		t.Errorf("%d alerts counted in %d incidents, %+v; want 30", counted, len(page.Incidents), tr.Stats())
	}
}
