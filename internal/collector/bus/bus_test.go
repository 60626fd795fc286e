package bus

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"github.com/weir-ips/weir/pkg/wire"
)

func testServer(t *testing.T, open ...string) (*Server, *Registrations) {
	t.Helper()
	dir := t.TempDir()
	regs, err := OpenRegistrations(filepath.Join(dir, "sensors.json"))
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Dir: dir, Listen: "127.0.0.1:0", Sensors: regs}
	for _, p := range open {
		o.Open = append(o.Open, netip.MustParsePrefix(p))
	}
	s, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	return s, regs
}

func collectorConn(t *testing.T, s *Server) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	nc, err := s.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if err := EnsureStreams(t.Context(), js, 1); err != nil {
		t.Fatal(err)
	}
	return nc, js
}

// refusals collects what the server did not permit.
func refusals(t *testing.T, s *Server, opts ...nats.Option) (*nats.Conn, <-chan error) {
	t.Helper()
	errs := make(chan error, 16)
	opts = append(opts, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { errs <- err }))
	nc, err := nats.Connect("nats://"+s.Addr(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc, errs
}

func TestSensorPermissions(t *testing.T) {
	s, regs := testServer(t)
	collectorConn(t, s)
	seed, err := regs.Add("edge", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := nkeys.FromSeed([]byte(seed))
	if err != nil {
		t.Fatal(err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	nc, errs := refusals(t, s, nats.Nkey(public, pair.Sign), nats.Name("other"), nats.CustomInboxPrefix(wire.InboxPrefix("edge")))
	for _, c := range []struct {
		subject string
		allowed bool
	}{
		{"alerts.edge", true}, {"h.edge", true}, {"f.edge", true}, {"v.sync", true}, {"cfg.rules", true},
		{"alerts.other", false}, {"h.other", false}, {"f.other", false}, {"v.arm", false}, {"v.delta.all", false}, {"v.beacon", false}, {"v.snap", false},
		{"cfg.edge.rules", false}, {"_I.other.sync", false}, {"$JS.API.STREAM.DELETE.ALERTS", false}, {"$JS.API.STREAM.MSG.GET.ALERTS", false},
	} {
		if err := nc.Publish(c.subject, []byte("x")); err != nil {
			t.Fatal(err)
		}
		if got := permitted(t, nc, errs); got != c.allowed {
			t.Errorf("publish to %s: permitted is %v, want %v", c.subject, got, c.allowed)
		}
	}
	for _, c := range []struct {
		subject string
		allowed bool
	}{
		{"v.delta.>", true}, {"v.beacon", true}, {"cfg.edge.>", true}, {"_I.edge.sync", true},
		{"alerts.*", false}, {"alerts.other", false}, {"h.*", false}, {"f.*", false}, {"v.sync", false}, {"cfg.rules", false}, {">", false}, {"_I.other.>", false}, {"_I.>", false}, {"cfg.>", false},
	} {
		if _, err := nc.SubscribeSync(c.subject); err != nil {
			t.Fatal(err)
		}
		if got := permitted(t, nc, errs); got != c.allowed {
			t.Errorf("subscribe to %s: permitted is %v, want %v", c.subject, got, c.allowed)
		}
	}
}

// permitted waits until the server has seen what was sent, and says whether it refused it.
func permitted(t *testing.T, nc *nats.Conn, errs <-chan error) bool {
	t.Helper()
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-errs:
		if !errors.Is(err, nats.ErrPermissionViolation) {
			t.Fatalf("got %v, want a permission violation or nothing", err)
		}
		return false
	case <-time.After(20 * time.Millisecond):
		return true
	}
}

func TestWhoMayConnect(t *testing.T) {
	s, regs := testServer(t, "127.0.0.0/8")
	closed, _ := testServer(t, "192.0.2.0/24")
	if _, err := regs.Add("registered", time.Now()); err != nil {
		t.Fatal(err)
	}
	stranger, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, err := stranger.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what    string
		server  *Server
		opts    []nats.Option
		allowed bool
	}{
		{"by address", s, []nats.Option{nats.Name("edge")}, true},
		{"by address, with no name", s, nil, false},
		{"by address, named like a subject", s, []nats.Option{nats.Name("edge.>")}, false},
		{"by address, as a sensor that has credentials", s, []nats.Option{nats.Name("registered")}, false},
		{"from elsewhere without credentials", closed, []nats.Option{nats.Name("edge")}, false},
		{"with an unknown key", s, []nats.Option{nats.Name("edge"), nats.Nkey(public, stranger.Sign)}, false},
		{"with the collector's key, unproven", s, []nats.Option{nats.Nkey(s.auth.public, stranger.Sign)}, false},
		{"with a password", closed, []nats.Option{nats.Name("edge"), nats.UserInfo("collector", "")}, false},
	} {
		nc, err := nats.Connect("nats://"+c.server.Addr(), c.opts...)
		if err == nil {
			nc.Close()
		}
		if (err == nil) != c.allowed {
			t.Errorf("%s: %v, want allowed %v", c.what, err, c.allowed)
		}
	}
}

func TestRegistrationsAcrossProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sensors.json")
	a, err := OpenRegistrations(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := OpenRegistrations(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Add("edge", time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Add("edge", time.Now()); err == nil {
		t.Error("registered twice")
	}
	if _, err := b.Add("a b", time.Now()); err == nil {
		t.Error("a name with a space was registered")
	}
	time.Sleep(110 * time.Millisecond) // a looks ten times a second
	if !a.Has("edge") {
		t.Error("the other process does not know the new sensor")
	}
	if err := b.Remove("edge"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(110 * time.Millisecond)
	if a.Has("edge") {
		t.Error("the other process still knows the removed sensor")
	}
	if err := b.Remove("edge"); err == nil {
		t.Error("removed twice")
	}
}

func TestListenFails(t *testing.T) {
	s, regs := testServer(t)
	_, err := Start(Options{Dir: t.TempDir(), Listen: s.Addr(), Sensors: regs})
	if err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("a second server on %s: %v", s.Addr(), err)
	}
}

// countingStore keeps nothing.
type countingStore struct{ inserted chan []wire.Event }

func (c countingStore) Insert(_ context.Context, events []wire.Event) ([]wire.Event, error) {
	c.inserted <- events
	return events, nil
}

func TestIngestThrowsAwayWhatIsNotTheSendersOwn(t *testing.T) {
	s, _ := testServer(t)
	_, js := collectorConn(t, s)
	store := countingStore{inserted: make(chan []wire.Event, 10)}
	in := &Ingest{JetStream: js, Store: store, Log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- in.Run(ctx) }()
	batch := func(sensor string, n uint64) []byte {
		b := wire.Batch{Sensor: sensor, Boot: "b", N: n, Events: []wire.Event{{SID: uint32(n), EVE: []byte("{}")}}}
		msg, err := b.Encode(nil)
		if err != nil {
			t.Fatal(err)
		}
		return msg
	}
	for _, m := range [][]byte{[]byte("not a batch"), batch("other", 1), batch("edge", 2)} {
		if _, err := js.Publish(ctx, wire.AlertsSubject("edge"), m); err != nil {
			t.Fatal(err)
		}
	}
	got := <-store.inserted
	if len(got) != 1 || got[0].ID != "edge:b:2:0" {
		t.Errorf("stored %+v, want only the sensor's own batch", got)
	}
	empty := func() bool {
		st, err := js.Stream(ctx, wire.StreamAlerts)
		if err != nil {
			t.Fatal(err)
		}
		info, err := st.Info(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return info.State.Msgs == 0
	}
	for end := time.Now().Add(10 * time.Second); !empty(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("batches stay in the stream")
		}
	}
	if st := in.Stats(); st.Malformed != 2 || st.Events != 1 || st.Batches != 1 {
		t.Errorf("counted %+v", st)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestHealthReports(t *testing.T) {
	var s Sensors
	report := func(subject, sensor string) error {
		msg, err := (&wire.Health{Sensor: sensor, Seq: 7}).Encode()
		if err != nil {
			t.Fatal(err)
		}
		return s.take(&nats.Msg{Subject: subject, Data: msg})
	}
	if err := report("h.edge", "edge"); err != nil {
		t.Error(err)
	}
	if err := report("h.edge", "other"); err == nil {
		t.Error("a sensor reported for another")
	}
	if err := s.take(&nats.Msg{Subject: "h.edge", Data: []byte("x")}); err == nil {
		t.Error("nonsense was taken")
	}
	if r := s.Get("edge"); r == nil || r.Seq != 7 || len(s.All()) != 1 || s.Malformed() != 2 {
		t.Errorf("kept %+v, %d in all, %d malformed", r, len(s.All()), s.Malformed())
	}
}
