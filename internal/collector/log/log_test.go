package log

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weir-ips/weir/internal/collector/bus"
	"github.com/weir-ips/weir/pkg/verdict"
	"github.com/weir-ips/weir/pkg/wire"
)

// fixture is a bus with the streams, on which logs are opened.
type fixture struct {
	t   *testing.T
	nc  *nats.Conn
	js  jetstream.JetStream
	key ed25519.PrivateKey
	now time.Time
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	dir := t.TempDir()
	regs, err := bus.OpenRegistrations(filepath.Join(dir, "sensors.json"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := bus.Start(bus.Options{Dir: dir, Listen: "127.0.0.1:0", Sensors: regs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	nc, err := s.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if err := bus.EnsureStreams(t.Context(), js, 1); err != nil {
		t.Fatal(err)
	}
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{t: t, nc: nc, js: js, key: key, now: time.Now()}
}

func (f *fixture) open(change func(*Options)) *Log {
	f.t.Helper()
	o := Options{Conn: f.nc, Key: f.key, Now: func() time.Time { return f.now }}
	if change != nil {
		change(&o)
	}
	l, err := Open(f.t.Context(), o)
	if err != nil {
		f.t.Fatal(err)
	}
	return l
}

func (f *fixture) drop(id, src string) verdict.Verdict {
	return verdict.Verdict{
		ID: id, Match: verdict.Match{Src: netip.MustParsePrefix(src)}, Action: verdict.Drop, Origin: verdict.OriginAnalyst,
		Reason: "test", CreatedBy: "ann", CreatedAt: f.now, ExpiresAt: f.now.Add(time.Hour),
	}
}

func (f *fixture) add(l *Log, v verdict.Verdict) verdict.Verdict {
	f.t.Helper()
	v, err := l.Add(f.t.Context(), v)
	if err != nil {
		f.t.Fatal(err)
	}
	return v
}

// same compares two logs, one of which may have been read back.
func same(t *testing.T, a, b *Log) {
	t.Helper()
	ae, as := a.Position()
	be, bs := b.Position()
	if ae != be || as != bs || a.Hash() != b.Hash() || len(a.List()) != len(b.List()) {
		t.Errorf("logs differ: %d/%d hash %x, %d verdicts; %d/%d hash %x, %d verdicts", ae, as, a.Hash(), len(a.List()), be, bs, b.Hash(), len(b.List()))
	}
}

func TestNumbersHaveNoGaps(t *testing.T) {
	f := newFixture(t)
	l := f.open(nil)
	heard := make(chan *nats.Msg, 4096)
	if _, err := f.nc.ChanSubscribe(wire.SubjectDeltas, heard); err != nil {
		t.Fatal(err)
	}
	const writers, each = 8, 50
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				id := fmt.Sprintf("v-%d-%d", w, i)
				if _, err := l.Add(context.Background(), f.drop(id, "203.0.113.7/32")); err != nil {
					t.Error(err)
				}
				if i%5 == 0 {
					if _, err := l.Remove(context.Background(), id, "ann"); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	const total = writers * (each + each/5)
	for want := uint64(1); want <= total; want++ {
		d, err := wire.OpenDelta(f.key.Public().(ed25519.PublicKey), (<-heard).Data)
		if err != nil {
			t.Fatal(err)
		}
		if d.Seq != want {
			t.Fatalf("heard delta %d where %d is due", d.Seq, want)
		}
	}
	same(t, l, f.open(nil))
}

func TestCompactedLogReadsTheSame(t *testing.T) {
	f := newFixture(t)
	l := f.open(func(o *Options) { o.CompactAfter = 10 })
	for i := range 25 {
		f.add(l, f.drop(fmt.Sprintf("v-%d", i), fmt.Sprintf("203.0.113.%d/32", i)))
		if err := l.tidy(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Remove(t.Context(), "v-3", "ann"); err != nil {
		t.Fatal(err)
	}
	again := f.open(nil)
	same(t, l, again)
	f.add(again, f.drop("later", "203.0.113.99/32"))
	same(t, again, f.open(nil))
	stream, err := f.js.Stream(t.Context(), wire.StreamVerdicts)
	if err != nil {
		t.Fatal(err)
	}
	info, err := stream.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if info.State.Msgs > 12 {
		t.Errorf("%d messages in the stream after compaction", info.State.Msgs)
	}
}

// Two collectors on one bus: the second to write finds that it has missed something, reads, and numbers after it.
func TestAnotherWriterIsNoticed(t *testing.T) {
	f := newFixture(t)
	a := f.open(nil)
	b := f.open(nil)
	f.add(a, f.drop("a-1", "203.0.113.1/32"))
	if _, err := b.Add(t.Context(), f.drop("b-1", "203.0.113.2/32")); err == nil {
		t.Fatal("the second writer wrote over the first")
	}
	got := f.add(b, f.drop("b-1", "203.0.113.2/32"))
	if got.Seq != 2 {
		t.Errorf("the second writer's verdict is numbered %d, want 2", got.Seq)
	}
	if _, ok := b.Get("a-1"); !ok {
		t.Error("the second writer does not know the first one's verdict")
	}
	same(t, b, f.open(nil))
}

func TestRevokedStaysRevoked(t *testing.T) {
	f := newFixture(t)
	l := f.open(func(o *Options) { o.CompactAfter = 1 })
	auto := f.drop("auto-1", "203.0.113.7/32")
	auto.Origin = verdict.OriginRule
	f.add(l, auto)
	if _, err := l.Remove(t.Context(), "auto-1", "ann"); err != nil {
		t.Fatal(err)
	}
	if err := l.tidy(t.Context()); err != nil { // into the snapshot
		t.Fatal(err)
	}
	for _, l := range []*Log{l, f.open(nil)} {
		if _, err := l.Add(t.Context(), auto); !errors.Is(err, ErrRevoked) {
			t.Errorf("automation again: %v, want ErrRevoked", err)
		}
	}
	l = f.open(nil)
	f.add(l, f.drop("v-1", "203.0.113.7/32")) // a person may
	other := auto
	other.ID, other.Match.Src = "auto-2", netip.MustParsePrefix("203.0.113.8/32")
	f.add(l, other) // another source may be decided about
	f.now = f.now.Add(2 * time.Hour)
	auto.ExpiresAt = f.now.Add(time.Hour)
	f.add(l, auto) // its time is over
}

func TestRefusals(t *testing.T) {
	f := newFixture(t)
	l := f.open(func(o *Options) { o.Max = 2 })
	if _, err := l.Remove(t.Context(), "v-1", "ann"); !errors.Is(err, ErrUnknown) {
		t.Errorf("removing what is not there: %v, want ErrUnknown", err)
	}
	forever := f.drop("v-1", "203.0.113.7/32")
	forever.ExpiresAt = time.Time{}
	if _, err := l.Add(t.Context(), forever); !errors.Is(err, wire.ErrMalformed) {
		t.Errorf("without expiry: %v, want ErrMalformed", err)
	}
	three := []verdict.Verdict{f.drop("v-1", "203.0.113.1/32"), f.drop("v-2", "203.0.113.2/32"), f.drop("v-3", "203.0.113.3/32")}
	if _, err := l.AddAll(t.Context(), three); !errors.Is(err, ErrFull) {
		t.Errorf("three into a log of two: %v, want ErrFull", err)
	}
	if _, seq := l.Position(); seq != 0 || len(l.List()) != 0 {
		t.Errorf("refusals left %d verdicts, seq %d", len(l.List()), seq)
	}
	f.add(l, three[0])
	f.add(l, three[1])
	f.add(l, three[1]) // replaces
	if _, err := l.Add(t.Context(), three[2]); !errors.Is(err, ErrFull) {
		t.Errorf("a third: %v, want ErrFull", err)
	}
}

func TestExpiryOfReplacedVerdict(t *testing.T) {
	f := newFixture(t)
	l := f.open(nil)
	v := f.drop("v-1", "203.0.113.7/32")
	v.ExpiresAt = f.now.Add(time.Minute)
	f.add(l, v)
	v.ExpiresAt = f.now.Add(3 * time.Minute)
	f.add(l, v)
	for _, c := range []struct {
		after time.Duration
		left  int
	}{{2 * time.Minute, 1}, {3 * time.Minute, 0}} {
		now := f.now
		f.now = f.now.Add(c.after)
		if err := l.tidy(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := len(l.List()); n != c.left {
			t.Errorf("%d verdicts after %s, want %d", n, c.after, c.left)
		}
		f.now = now
	}
	same(t, l, f.open(nil))
}

func TestCovering(t *testing.T) {
	f := newFixture(t)
	l := f.open(nil)
	for id, src := range map[string]string{"net": "203.0.113.0/24", "host": "203.0.113.7/32", "other": "203.0.114.0/24", "six": "2001:db8::/48"} {
		f.add(l, f.drop(id, src))
	}
	for p, want := range map[string][]string{
		"203.0.113.7/32": {"net", "host"}, "203.0.113.8/32": {"net"}, "203.0.0.0/16": nil, "2001:db8::5/128": {"six"}, "2001:db9::/64": nil,
	} {
		var got []string
		for _, v := range l.Covering(netip.MustParsePrefix(p)) {
			got = append(got, v.ID)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("covering %s: %v, want %v", p, got, want)
		}
	}
}

// A stream that somebody else wrote into, or that lost its middle, is not followed blindly.
func TestDamagedStream(t *testing.T) {
	for name, harm := range map[string]func(*fixture){
		"a forged delta": func(f *fixture) {
			_, other, err := ed25519.GenerateKey(nil)
			if err != nil {
				f.t.Fatal(err)
			}
			v := f.drop("forged", "203.0.113.66/32")
			v.Epoch, v.Seq = f.epoch(), 4
			d := wire.Delta{Epoch: v.Epoch, Seq: 4, Op: wire.OpAdd, Verdict: &v}
			msg, err := d.Seal(other)
			if err != nil {
				f.t.Fatal(err)
			}
			f.publish(msg)
		},
		"nonsense": func(f *fixture) { f.publish([]byte("nonsense")) },
		"a hole": func(f *fixture) {
			stream, err := f.js.Stream(f.t.Context(), wire.StreamVerdicts)
			if err != nil {
				f.t.Fatal(err)
			}
			info, err := stream.Info(f.t.Context())
			if err != nil {
				f.t.Fatal(err)
			}
			if err := stream.DeleteMsg(f.t.Context(), info.State.LastSeq-1); err != nil {
				f.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			l := f.open(nil)
			for i := range 3 {
				f.add(l, f.drop(fmt.Sprintf("v-%d", i), fmt.Sprintf("203.0.113.%d/32", i)))
			}
			epoch, _ := l.Position()
			harm(f)
			l = f.open(nil)
			if e, _ := l.Position(); e <= epoch {
				t.Errorf("epoch %d after damage, want a new one after %d", e, epoch)
			}
			if _, ok := l.Get("v-0"); !ok {
				t.Error("what was readable is gone")
			}
			if _, ok := l.Get("forged"); ok {
				t.Error("a forged delta was followed")
			}
			f.add(l, f.drop("next", "203.0.113.50/32"))
			same(t, l, f.open(nil))
		})
	}
}

func (f *fixture) epoch() uint64 {
	epoch, _ := f.open(nil).Position()
	return epoch
}

func (f *fixture) publish(msg []byte) {
	f.t.Helper()
	if _, err := f.js.Publish(f.t.Context(), wire.DeltaSubject(""), msg); err != nil {
		f.t.Fatal(err)
	}
}

func TestSyncAnswers(t *testing.T) {
	f := newFixture(t)
	l := f.open(nil)
	for i := range 5 {
		f.add(l, f.drop(fmt.Sprintf("v-%d", i), fmt.Sprintf("203.0.113.%d/32", i)))
	}
	epoch, seq := l.Position()
	for _, c := range []struct {
		what string
		req  wire.SyncRequest
		kind string
		n    int
	}{
		{"nothing missing", wire.SyncRequest{Epoch: epoch, Last: seq, Hash: l.Hash()}, wire.PartDeltas, 0},
		{"two missing", wire.SyncRequest{Epoch: epoch, Last: seq - 2}, wire.PartDeltas, 2},
		{"all missing", wire.SyncRequest{Epoch: epoch}, wire.PartDeltas, 5},
		{"never met", wire.SyncRequest{}, wire.PartSnapshot, 5},
		{"another epoch", wire.SyncRequest{Epoch: epoch - 1, Last: seq}, wire.PartSnapshot, 5},
		{"ahead of the log", wire.SyncRequest{Epoch: epoch, Last: seq + 1}, wire.PartSnapshot, 5},
		{"another set", wire.SyncRequest{Epoch: epoch, Last: seq, Hash: l.Hash() + 1}, wire.PartSnapshot, 5},
	} {
		parts, err := l.parts(&c.req)
		if err != nil || len(parts) != 1 {
			t.Fatalf("%s: %d parts, %v", c.what, len(parts), err)
		}
		n := 0
		if parts[0].Kind == wire.PartSnapshot {
			vs, err := parts[0].Verdicts()
			if err != nil {
				t.Fatal(err)
			}
			n = len(vs)
		} else {
			ds, err := parts[0].Deltas(l.public())
			if err != nil {
				t.Fatal(err)
			}
			n = len(ds)
		}
		if parts[0].Kind != c.kind || n != c.n {
			t.Errorf("%s: %s of %d, want %s of %d", c.what, parts[0].Kind, n, c.kind, c.n)
		}
	}
}
