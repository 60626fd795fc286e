package fleetflood

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weir-ips/weir/internal/collector/bus"
	"github.com/weir-ips/weir/pkg/wire"
)

// TestTwoSensorsOnTheBus has two sensors tell of six tenths of a flood each, over a real bus: both are told to arm, and that it is over.
func TestTwoSensorsOnTheBus(t *testing.T) {
	dir := t.TempDir()
	regs, err := bus.OpenRegistrations(filepath.Join(dir, "sensors.json"))
	if err != nil {
		t.Fatal(err)
	}
	server, err := bus.Start(bus.Options{Dir: filepath.Join(dir, "bus"), Listen: "127.0.0.1:0", Sensors: regs, Open: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
	nc, err := server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &Service{Key: private, Log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, nc) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	var told []chan *wire.Arming
	var conns []*nats.Conn
	for _, id := range []string{"edge-1", "edge-2"} {
		sensor, err := nats.Connect("nats://"+server.Addr(), nats.Name(id))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(sensor.Close)
		ch := make(chan *wire.Arming, 1024)
		if _, err := sensor.Subscribe(wire.SubjectArming, func(m *nats.Msg) {
			a, err := wire.OpenArming(public, m.Data)
			if err != nil {
				t.Error(err)
				return
			}
			ch <- a
		}); err != nil {
			t.Fatal(err)
		}
		if err := sensor.Flush(); err != nil {
			t.Fatal(err)
		}
		told, conns = append(told, ch), append(conns, sensor)
	}
	tell := func(i int, rate uint32) {
		msg, err := tally([]string{"edge-1", "edge-2"}[i], "gwlb", "edge", rate).Encode()
		if err == nil {
			err = conns[i].Publish(wire.TallySubject([]string{"edge-1", "edge-2"}[i]), msg)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	tell(0, 600)
	tell(1, 600)
	for i, ch := range told {
		select {
		case a := <-ch:
			if len(a.Orders) != 1 || a.Orders[0].Dst != victim || a.Orders[0].Rate != 1200 {
				t.Errorf("sensor %d is told %+v", i, a.Orders)
			}
			t.Logf("sensor %d is told after %v: %s", i, time.Since(start), a.Orders[0].Why)
		case <-time.After(10 * time.Second):
			t.Fatalf("sensor %d is not told; the service counts %+v", i, s.Stats())
		}
	}
	if err := conns[0].Publish(wire.TallySubject("edge-1"), []byte("x")); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); s.Stats().Malformed == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("a malformed tally was not counted: %+v", s.Stats())
		}
	}
	if st := s.Stats(); st.Tallies != 2 || st.Armings == 0 || st.Orders != 1 {
		t.Errorf("%+v", st)
	}
}
