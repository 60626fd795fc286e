package export

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// scripted is a destination that answers as it is told to, then takes everything.
type scripted struct {
	mu      sync.Mutex
	answers []error
	tries   int
	got     []Event
	closed  bool
	hold    chan struct{} // nil: no delay
}

func (s *scripted) Send(ctx context.Context, events []Event) error {
	if s.hold != nil {
		select {
		case <-s.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries++
	if len(s.answers) > 0 {
		err := s.answers[0]
		s.answers = s.answers[1:]
		if err != nil {
			return err
		}
	}
	s.got = append(s.got, events...)
	return nil
}

func (s *scripted) Close() error { s.closed = true; return nil }

func running(t *testing.T, c Config, s Sink) (x *Exporter, stop func()) {
	t.Helper()
	return runningOn(t, spool(t, t.TempDir()), c, s)
}

func spool(t *testing.T, dir string) *Spool {
	t.Helper()
	s, err := OpenSpool(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func runningOn(t *testing.T, on *Spool, c Config, s Sink) (x *Exporter, stop func()) {
	t.Helper()
	c.Type, c.Path, c.Every = TypeFile, "/dev/null", time.Millisecond
	x, err := newExporter(*checked(t, c), on, s, noLog)
	if err != nil {
		t.Fatal(err)
	}
	x.pause = time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); x.Run(ctx) }()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return x, stop
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in 20 s: %s", what)
		}
	}
}

func TestExporterTriesAgainInOrder(t *testing.T) {
	s := &scripted{answers: []error{errors.New("down"), errors.New("down"), nil}}
	x, stop := running(t, Config{}, s)
	for n := range 10 {
		x.Offer([]Event{alertEvent(t, n, "203.0.113.9", "allowed")})
	}
	eventually(t, "all sent", func() bool { return x.Stats().Sent == 10 })
	stop()
	for n, e := range s.got {
		if want := fmt.Sprintf("edge-1:boot:1:%d", n); e.ID() != want {
			t.Errorf("event %d is %s, want %s", n, e.ID(), want)
		}
	}
	if st := x.Stats(); st.Retries != 2 || st.Dropped+st.Refused != 0 || st.Failing != 0 || !s.closed {
		t.Errorf("%+v, closed %v", st, s.closed)
	}
}

func TestExporterGivesUpOnRefusals(t *testing.T) {
	s := &scripted{answers: []error{fmt.Errorf("too large: %w", ErrRefused)}}
	x, _ := running(t, Config{Batch: 1}, s)
	x.Offer([]Event{alertEvent(t, 1, "203.0.113.9", "allowed"), alertEvent(t, 2, "203.0.113.9", "allowed")})
	eventually(t, "the second sent", func() bool { return x.Stats().Sent == 1 })
	if st := x.Stats(); st.Refused != 1 || st.Retries != 0 {
		t.Errorf("%+v", st)
	}
}

func TestExporterDropsWhatTheQueueCannotTake(t *testing.T) {
	s := &scripted{hold: make(chan struct{})}
	x, stop := running(t, Config{Queue: 5, Batch: 1}, s)
	for n := range 20 {
		x.Offer([]Event{alertEvent(t, n, "203.0.113.9", "allowed")})
	}
	if st := x.Stats(); st.Offered != 20 || st.Dropped < 14 {
		t.Errorf("%+v", st)
	}
	close(s.hold)
	eventually(t, "the rest sent", func() bool { st := x.Stats(); return st.Sent+st.Dropped == 20 })
	stop()
}

func TestExporterEmptiesItsQueueWhenItStops(t *testing.T) {
	s := &scripted{answers: []error{errors.New("down")}}
	x, stop := running(t, Config{}, s)
	x.pause = time.Hour
	x.Offer([]Event{alertEvent(t, 1, "203.0.113.9", "allowed")})
	eventually(t, "the first try", func() bool { return x.Stats().Retries == 1 })
	stop()
	if st := x.Stats(); st.Sent != 1 || st.Waiting != 0 {
		t.Errorf("%+v", st)
	}
}

func TestExporterFilters(t *testing.T) {
	for _, c := range []struct {
		name   string
		events []Kind
		worst  uint8
		want   int
	}{
		{"alerts by default", nil, 0, 2}, {"all", Kinds(), 0, 4}, {"severe", Kinds(), 1, 1}, {"verdicts", []Kind{KindVerdict}, 0, 1},
	} {
		s := new(scripted)
		x, stop := running(t, Config{Events: c.events, Severity: c.worst}, s)
		x.Offer([]Event{alertEvent(t, 1, "203.0.113.9", "allowed"), alertEvent(t, 2, "203.0.113.9", "allowed"), verdictEvent("add"), incidentEvent("open")})
		stop()
		if len(s.got) != c.want {
			t.Errorf("%s: %d events, want %d", c.name, len(s.got), c.want)
		}
	}
}

func TestQueueIsBoundedInBytes(t *testing.T) {
	q, err := spool(t, t.TempDir()).queue("x", maxQueue)
	if err != nil {
		t.Fatal(err)
	}
	e := alertEvent(t, 1, "203.0.113.9", "allowed")
	e.Alert.EVE = []byte(`"` + strings.Repeat("x", 4<<20) + `"`)
	n := 0
	for q.put([]Event{e}, 0) == 1 {
		n++
	}
	if n < 60 || n > 65 {
		t.Errorf("%d events of 4 MB, want about 64", n)
	}
	for q.len() > 0 {
		q.take(8)
		q.done()
	}
	if q.bytes != 0 || q.put([]Event{e}, 0) != 1 {
		t.Errorf("%d bytes left in an empty queue", q.bytes)
	}
}

// What was offered is sent by the next run if this one is killed; what was sent is not sent again; what the destination refused is kept, and
// can be sent again.
func TestExportsSurviveADeath(t *testing.T) {
	dir := t.TempDir()
	down := &scripted{answers: []error{nil}, hold: make(chan struct{}, 1)}
	first, err := OpenSpool(dir)
	if err != nil {
		t.Fatal(err)
	}
	x, stop := runningOn(t, first, Config{Name: "a", Batch: 3}, down)
	for n := range 10 {
		x.Offer([]Event{alertEvent(t, n, "203.0.113.9", "allowed")})
	}
	down.hold <- struct{}{}
	eventually(t, "three sent", func() bool { return x.Stats().Sent == 3 })
	go stop()              // it hangs in the destination, as a killed one would
	again := new(scripted) // meanwhile another process has the file
	again.answers = []error{fmt.Errorf("no: %w", ErrRefused)}
	second := spool(t, dir)
	y, stopAgain := runningOn(t, second, Config{Name: "a", Batch: 3}, again)
	eventually(t, "the rest sent, three of it refused", func() bool { st := y.Stats(); return st.Sent == 4 && st.Refused == 3 && st.Waiting == 0 })
	if st := y.Stats(); st.Dead != 3 || st.Faults != 0 {
		t.Errorf("%+v", st)
	}
	letters, err := second.DeadLetters(context.Background(), "a", 10)
	if err != nil || len(letters) != 1 || len(letters[0].Events) != 3 || !strings.Contains(letters[0].Reason, "no: ") {
		t.Errorf("dead letters %+v, %v", letters, err)
	}
	if n, err := y.queue.again(context.Background()); n != 3 || err != nil {
		t.Errorf("%d dead letters again, %v", n, err)
	}
	eventually(t, "all of them sent", func() bool { return y.Stats().Sent == 7 })
	if st := y.Stats(); st.Dead != 0 {
		t.Errorf("%+v", st)
	}
	stopAgain()
	seen := map[string]int{}
	for _, e := range append(down.got, again.got...) {
		seen[e.ID()]++
	}
	for n := range 10 {
		if id := fmt.Sprintf("edge-1:boot:1:%d", n); seen[id] != 1 {
			t.Errorf("%s was sent %d times", id, seen[id])
		}
	}
	close(down.hold)
}

// What comes again from the bus after a crash is queued once.
func TestExportsKnowWhatComesAgain(t *testing.T) {
	dir := t.TempDir()
	held := &scripted{hold: make(chan struct{})}
	x, _ := runningOn(t, spool(t, dir), Config{Name: "a"}, held)
	three := []Event{alertEvent(t, 1, "203.0.113.9", "allowed"), alertEvent(t, 2, "203.0.113.9", "allowed"), alertEvent(t, 3, "203.0.113.9", "allowed")}
	x.OfferAt(three[:2], []uint64{10, 11}, false)
	y, _ := runningOn(t, spool(t, dir), Config{Name: "a"}, held)
	y.OfferAt(three, []uint64{10, 11, 12}, true)
	if st := y.Stats(); st.Offered != 1 || st.Waiting != 3 {
		t.Errorf("%+v", st)
	}
	close(held.hold)
}

// A name that is not configured any more leaves nothing behind.
func TestSpoolForgets(t *testing.T) {
	s := spool(t, t.TempDir())
	for _, name := range []string{"old", "kept"} {
		q, err := s.queue(name, 10)
		if err != nil {
			t.Fatal(err)
		}
		q.put([]Event{alertEvent(t, 1, "203.0.113.9", "allowed")}, 5)
	}
	if err := s.Forget([]Config{{Name: "kept"}}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{"old": 0, "kept": 1} {
		if q, err := s.queue(name, 10); err != nil || q.len() != want || q.had(5) != (want == 1) {
			t.Errorf("%s: %d wait, %v", name, q.len(), err)
		}
	}
}

func TestCheckNamesTheKey(t *testing.T) {
	file := Config{Name: "a", Type: TypeFile, Path: "/x"}
	for _, c := range []struct {
		key  string
		edit func(*Config)
	}{
		{"", func(*Config) {}},
		{"name", func(c *Config) { c.Name = "a b" }},
		{"type", func(c *Config) { c.Type = "fax" }},
		{"path", func(c *Config) { c.Path = "eve.json" }},
		{"events[1]", func(c *Config) { c.Events = []Kind{KindAlert, "flow"} }},
		{"events", func(c *Config) { c.Format, c.Events = FormatOCSF, Kinds() }},
		{"format", func(c *Config) { c.Format = "xml" }},
		{"batch", func(c *Config) { c.Batch, c.Queue = 10, 5 }},
		{"queue", func(c *Config) { c.Queue = -1 }},
		{"secret.env", func(c *Config) { c.Secret = Secret{File: "a", Env: "b"} }},
		{"tls", func(c *Config) { c.TLS.Key = "k" }},
		{"url", func(c *Config) { c.Type, c.URL = TypeHTTP, "siem:8080" }},
		{"secret", func(c *Config) { c.Type, c.URL = TypeWebhook, "https://hooks.example/" }},
		{"secret", func(c *Config) { c.Type = TypePagerDuty }},
		{"url", func(c *Config) { c.Type, c.URL = TypeSyslog, "https://siem" }},
		{"url", func(c *Config) { c.Type, c.URL = TypeSyslog, "tls://siem" }},
		{"kafka.topic", func(c *Config) { c.Type, c.Kafka.Brokers = TypeKafka, []string{"k:9092"} }},
		{"aws.source", func(c *Config) { c.Type = TypeSecurityLake }},
		{"aws.region", func(c *Config) { c.Type = TypeSecurityHub }},
		{"aws.account", func(c *Config) { c.Type, c.AWS.Region, c.AWS.Account = TypeSecurityHub, "eu-central-1", "12" }},
	} {
		x := file
		c.edit(&x)
		if key, reason := x.Check(); key != c.key || key != "" && reason == "" {
			t.Errorf("%+v: %q %q, want %q", x, key, reason, c.key)
		}
	}
}

func TestSecretsAreReadWhenUsed(t *testing.T) {
	t.Setenv("WEIR_TEST_SECRET", " s3cret ")
	for _, c := range []struct {
		s     Secret
		want  string
		fault string
	}{
		{Secret{}, "", ""}, {Secret{Env: "WEIR_TEST_SECRET"}, "s3cret", ""}, {secret(t, "abc"), "abc", ""}, {secret(t, ""), "", "is empty"},
		{Secret{Env: "WEIR_TEST_NONE"}, "", "is empty"}, {Secret{File: "/nowhere"}, "", "no such file"},
	} {
		got, err := c.s.Value()
		if got != c.want || (err != nil) != (c.fault != "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%+v: %q, %v", c.s, got, err)
		}
	}
}

func TestDigest(t *testing.T) {
	events := []Event{verdictEvent("remove"), alertEvent(t, 3, "203.0.113.9", "allowed"), alertEvent(t, 1, "203.0.113.9", "blocked"), alertEvent(t, 2, "203.0.113.10", "allowed"), incidentEvent("open")}
	groups := digest(events)
	if len(groups) != 4 {
		t.Fatalf("%d groups", len(groups))
	}
	if groups[0].Kind != KindIncident || groups[1].Count != 2 || groups[3].Kind != KindVerdict {
		t.Errorf("order: %v %v %v", groups[0].Group(), groups[1].Group(), groups[3].Group())
	}
	if g := groups[1]; !g.First.Equal(monday.Add(time.Second)) || !g.Last.Equal(monday.Add(3*time.Second)) || len(g.Targets) != 1 {
		t.Errorf("%v to %v, %v", g.First, g.Last, g.Targets)
	}
	const want = "GPL ATTACK_RESPONSE id check | returned=root [1:2100498:7] 203.0.113.9 → 10.0.0.1, blocked (2 times)"
	if got := groups[1].Text(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
