package floods

import (
	"net"
	"testing"
	"time"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/pkg/threshold"
)

func TestTheHostsOwnQuestionsAreNoAttack(t *testing.T) {
	for _, c := range []struct {
		sent uint64 // datagrams in a tenth of a second
		told string
	}{{100, ""}, {10, "udp-amplification start"}} {
		var host HostCounters
		s := newScene(t, func(o *Options) {
			o.OneSide, o.Host = true, func() (HostCounters, error) { host.Sent += c.sent; return host, nil }
		})
		s.pass(3*time.Second, bpf.ClassUDP, 0)
		s.Report(amplification(threshold.Start, s.now, 2000))
		s.Report(amplification(threshold.Update, s.now, 2000))
		if s.phases() != c.told {
			t.Errorf("%d datagrams sent a second: told %q, want %q", 10*c.sent, s.phases(), c.told)
		}
	}
}

func TestTheHostsCountersAreRead(t *testing.T) {
	before, err := ReadHost()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, at := range []string{"127.0.0.1:9", "[::1]:9"} {
		udp, err := net.Dial("udp", at)
		if err != nil {
			t.Fatal(err)
		}
		defer udp.Close()
		if _, err := udp.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	after, err := ReadHost()
	if err != nil || after.Accepted <= before.Accepted || after.Opened <= before.Opened || after.Sent < before.Sent+2 {
		t.Errorf("%+v, then %+v (%v)", before, after, err)
	}
}
