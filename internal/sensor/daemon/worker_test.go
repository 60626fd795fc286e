package daemon

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-ips/weir/internal/sensor/config"
	"github.com/weir-ips/weir/internal/sensor/path"
	"github.com/weir-ips/weir/pkg/capture"
	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/decode/packettest"
	"github.com/weir-ips/weir/pkg/signatures"
	"github.com/weir-ips/weir/pkg/signatures/keyword"
)

// source lends the frames that are put in, and keeps their fates.
type source struct {
	in    chan []byte
	fates chan capture.Fate
}

func (s *source) Recv(frames []capture.Frame, wait time.Duration) (n int, _ error) {
	timeout := time.After(min(wait, 5*time.Millisecond))
	for n < len(frames) {
		select {
		case b := <-s.in:
			frames[n] = capture.Frame{Frame: decode.Frame{Data: b, WireLen: len(b), Time: time.Now().UnixNano(), Link: decode.LinkEthernet}}
			n++
		case <-timeout:
			return n, nil
		}
	}
	return n, nil
}

func (s *source) Done(frames []capture.Frame) error {
	for i := range frames {
		s.fates <- frames[i].Fate
	}
	return nil
}

func (s *source) Inline() bool         { return true }
func (s *source) Stats() capture.Stats { return capture.Stats{} }
func (s *source) Close() error         { return nil }

// panicky inspects until it meets "boom", and drops what says "evil".
func panicky(t *testing.T) (*worker, *source) {
	t.Helper()
	c := config.Default()
	c.Mode, c.Policy = config.GWLB, "enforce"
	c.Rules = []string{ruleFile(t, `drop udp any any -> any any (msg:"evil"; content:"evil"; sid:1;)
alert udp any any -> any any (msg:"boom"; content:"boom"; sid:2;)
`)}
	rs, err := loadRules(&c, nil)
	if err != nil {
		t.Fatal(err)
	}
	d := &Daemon{cfg: &c}
	d.shared.set(rs)
	shared := signatures.NewShared()
	s := &source{make(chan []byte, 100), make(chan capture.Fate, 100)}
	w := newWorker(func() *path.Path {
		return path.New(path.Config{Flow: d.flowConfig(path.DefaultParsers()), Decoder: d.decoder(), Rules: rs.Ruleset, Shared: shared, IPS: true,
			Block: func(sig *keyword.Signature) bool { panic("a fault in " + sig.Msg) }})
	}, s)
	w.rules = func() *signatures.Ruleset { return rs.Ruleset }
	return w, s
}

// datagram is the first of a conversation of its own.
func datagram(port uint16, payload string) []byte {
	return packettest.IP4("192.0.2.1", "198.51.100.1").UDP(port, 53).Payload(payload).Ethernet()
}

// TestAPanicCostsNoTraffic sends packets that make inspection panic between others, at once and again: they are treated by policy, and
// the others inspected as ever.
func TestAPanicCostsNoTraffic(t *testing.T) {
	for fate, name := range map[capture.Fate]string{capture.Forward: "open", capture.Discard: "closed"} {
		t.Run(name, func(t *testing.T) {
			w, s := panicky(t)
			w.lost = fate
			var told atomic.Pointer[trouble]
			w.failed = func(t trouble) { told.Store(&t) }
			ctx, cancel := context.WithCancel(context.Background())
			ended := make(chan error, 1)
			go func() { ended <- w.run(ctx) }()
			expect := func(what string, want capture.Fate) {
				t.Helper()
				if got := <-s.fates; got != want {
					t.Errorf("%s: fate %d, want %d", what, got, want)
				}
			}
			port := uint16(1000)
			send := func(payload string) {
				port++
				s.in <- datagram(port, payload)
			}
			for _, p := range []string{"fine", "evil", "boom", "fine", "evil"} {
				send(p)
			}
			for _, want := range []capture.Fate{capture.Forward, capture.Discard, fate, capture.Forward, capture.Discard} {
				expect("one panic", want)
			}
			if got := told.Load(); got == nil || got.what != "a fault in boom" || !strings.Contains(string(got.stack), "Process") {
				t.Errorf("told of %+v", got)
			}
			send("boom")
			expect("a panic soon after the first", fate)
			send("evil")
			expect("while inspection rests", fate)
			if !w.blind.Load() {
				t.Error("the worker does not say that it is blind")
			}
			for start := time.Now(); w.blind.Load(); time.Sleep(10 * time.Millisecond) {
				if time.Since(start) > 10*time.Second {
					t.Fatal("inspection rests for good")
				}
			}
			send("evil")
			expect("after the rest", capture.Discard)
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			st := w.troubles.stats()
			want := TroubleStats{Panics: 2, Passed: 3}
			if fate == capture.Discard {
				want = TroubleStats{Panics: 2, Dropped: 3}
			}
			if st != want {
				t.Errorf("%+v, want %+v", st, want)
			}
		})
	}
}
