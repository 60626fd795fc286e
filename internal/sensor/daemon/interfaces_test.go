package daemon

import (
	"testing"
	"time"

	"github.com/weir-ips/weir/internal/lab"
)

// TestInterfaceStats sends a frame that is longer than the other end's MTU: it is lost before XDP, and must show.
func TestInterfaceStats(t *testing.T) {
	if err := lab.Require(); err != nil {
		t.Skip(err)
	}
	l, err := lab.New("interfacestats")
	check(t, err)
	t.Cleanup(func() { check(t, l.Close()) })
	near, err := l.Namespace("near")
	check(t, err)
	far, err := l.Namespace("far")
	check(t, err)
	end, other, err := l.Cable(lab.End{NS: near, Name: "eth0", MTU: 9000}, lab.End{NS: far, Name: "eth0", MTU: 2000})
	check(t, err)
	wire, err := lab.OpenWire(near, "eth0")
	check(t, err)
	t.Cleanup(func() { check(t, wire.Close()) })
	stats := func() (s InterfaceStats) {
		check(t, far.Run(func() error { s = interfaceStats("eth0"); return nil }))
		return s
	}
	before := stats()
	frame := append(append(append([]byte{}, other.MAC...), end.MAC...), make([]byte, 5000)...)
	_, err = wire.Send(frame)
	check(t, err)
	for start := time.Now(); stats().RxDropped == before.RxDropped; time.Sleep(time.Millisecond) {
		if time.Since(start) > 5*time.Second {
			t.Fatalf("a frame of %d bytes over an MTU of 2000: %+v, before %+v", len(frame), stats(), before)
		}
	}
	if s := interfaceStats("nonesuch0"); s != (InterfaceStats{}) {
		t.Errorf("an interface that does not exist has %+v", s)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
