package uplink

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weir-ips/weir/internal/collector/bus"
	"github.com/weir-ips/weir/internal/collector/enrol"
	vlog "github.com/weir-ips/weir/internal/collector/log"
	"github.com/weir-ips/weir/pkg/verdict"
	"github.com/weir-ips/weir/pkg/wire"
)

// world is a collector's bus, verdict log and intake, with a store that remembers ids; it can be stopped and started again on
// the same files and the same port.
type world struct {
	t      testing.TB
	dir    string
	listen string
	key    ed25519.PrivateKey
	regs   *bus.Registrations
	open   []netip.Prefix
	tls    *tls.Config
	enrol  *enrol.Service // nil: none
	vlog   vlog.Options   // Conn and Key are filled in

	server  *bus.Server
	nc      *nats.Conn
	log     *vlog.Log
	sensors *bus.Sensors
	store   *memoryStore
	stop    func()
}

func newWorld(t testing.TB) *world {
	t.Helper()
	dir := t.TempDir()
	regs, err := bus.OpenRegistrations(filepath.Join(dir, "sensors.json"))
	if err != nil {
		t.Fatal(err)
	}
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &world{
		t: t, dir: dir, listen: "127.0.0.1:0", key: key, regs: regs, sensors: &bus.Sensors{},
		open: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, store: &memoryStore{ids: map[string]int{}},
	}
}

func (w *world) start() {
	w.t.Helper()
	var err error
	o := bus.Options{Dir: filepath.Join(w.dir, "bus"), Listen: w.listen, TLS: w.tls, Open: w.open, Sensors: w.regs}
	if w.enrol != nil {
		o.TLS, o.Enrolment = w.enrol.CA.TLS(), w.enrol.List
	}
	w.server, err = bus.Start(o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.listen = w.server.Addr()
	if w.nc, err = w.server.Connect(); err != nil {
		w.t.Fatal(err)
	}
	js, err := jetstream.New(w.nc)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if err := bus.EnsureStreams(ctx, js, 1); err != nil {
		w.t.Fatal(err)
	}
	w.vlog.Conn, w.vlog.Key = w.nc, w.key
	if w.log, err = vlog.Open(ctx, w.vlog); err != nil {
		w.t.Fatal(err)
	}
	if err := w.sensors.Listen(w.nc, slog.New(slog.DiscardHandler)); err != nil {
		w.t.Fatal(err)
	}
	var wg sync.WaitGroup
	ingest := &bus.Ingest{JetStream: js, Store: w.store}
	runs := []func(context.Context) error{w.log.Run, ingest.Run}
	if w.enrol != nil {
		runs = append(runs, func(ctx context.Context) error { return w.enrol.Run(ctx, w.nc) })
	}
	for _, run := range runs {
		wg.Go(func() {
			if err := run(ctx); err != nil && ctx.Err() == nil {
				w.t.Error(err)
			}
		})
	}
	w.stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		w.nc.Close()
		w.server.Shutdown()
	})
	w.t.Cleanup(func() { w.stop() })
}

// memoryStore counts how often each event came and was kept.
type memoryStore struct {
	mu    sync.Mutex
	ids   map[string]int
	order []wire.Event
	fail  int // so many inserts fail
}

func (s *memoryStore) Insert(_ context.Context, events []wire.Event) ([]wire.Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail > 0 {
		s.fail--
		return nil, fmt.Errorf("disk full")
	}
	var fresh []wire.Event
	for _, e := range events {
		if s.ids[e.ID]++; s.ids[e.ID] == 1 {
			fresh = append(fresh, e)
		}
	}
	s.order = append(s.order, fresh...)
	return fresh, nil
}

func (s *memoryStore) events() []wire.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]wire.Event(nil), s.order...)
}

// table is an Applier that keeps verdicts in a map.
type table struct {
	mu       sync.Mutex
	verdicts map[string]verdict.Verdict
	at       map[string]time.Time // of Apply
	replaced int
	refuse   func(verdict.Verdict) error
}

func newTable() *table {
	return &table{verdicts: map[string]verdict.Verdict{}, at: map[string]time.Time{}}
}

func (t *table) Apply(v verdict.Verdict) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.refuse != nil {
		if err := t.refuse(v); err != nil {
			return err
		}
	}
	t.verdicts[v.ID], t.at[v.ID] = v, time.Now()
	return nil
}

func (t *table) Remove(id string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.verdicts, id)
	return nil
}

func (t *table) Replace(_, _ uint64, vs []verdict.Verdict) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.replaced++
	clear(t.verdicts)
	for _, v := range vs {
		t.verdicts[v.ID] = v
	}
	return nil
}

func (t *table) has(id string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.verdicts[id]
	return ok
}

func (t *table) replacements() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.replaced
}

func (t *table) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.verdicts)
}

// sensor is one uplink and what it applied; stop ends its run.
type sensor struct {
	*Uplink
	*table
	stop func()
}

func (w *world) sensor(id string, change func(*Options)) *sensor {
	w.t.Helper()
	s := &sensor{table: newTable()}
	o := Options{Sensor: id, URL: "nats://" + w.listen, Dir: filepath.Join(w.dir, "sensor-"+id), Applier: s.table}
	if change != nil {
		change(&o)
	}
	u, err := New(o)
	if err != nil {
		w.t.Fatal(err)
	}
	s.Uplink = u
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := u.Run(ctx); err != nil {
			w.t.Error(err)
		}
	}()
	s.stop = sync.OnceFunc(func() { cancel(); <-done })
	w.t.Cleanup(s.stop)
	return s
}

// eventually waits for ok, at most ten seconds.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

func drop(id, src string) verdict.Verdict {
	now := time.Now()
	return verdict.Verdict{
		ID: id, Match: verdict.Match{Src: netip.MustParsePrefix(src)}, Action: verdict.Drop, Origin: verdict.OriginAnalyst,
		Reason: "test", CreatedBy: "ann", CreatedAt: now, ExpiresAt: now.Add(time.Hour),
	}
}

func (w *world) add(v verdict.Verdict) verdict.Verdict {
	w.t.Helper()
	v, err := w.log.Add(context.Background(), v)
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// inSync reports whether the sensor stands where the log does, with the same set.
func (w *world) inSync(s *sensor) bool {
	epoch, seq := w.log.Position()
	e, q, hash := s.follower.position()
	return e == epoch && q == seq && hash == w.log.Hash()
}

func removeAll(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

// subscription is the sensor's own to subject, so that a test can cut it.
func (s *sensor) subscription(t *testing.T, subject string) *nats.Subscription {
	t.Helper()
	for _, sub := range s.subs {
		if sub.Subject == subject {
			return sub
		}
	}
	t.Fatalf("no subscription to %s", subject)
	return nil
}
