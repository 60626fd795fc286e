package flow_test

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/weir-ips/weir/pkg/decode/packettest"
	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/flow/app"
)

// stamped adds the sender's clock to a segment (RFC 7323 §3.2).
func stamped(p *packettest.Builder, value uint32) *packettest.Builder {
	o := []byte{1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 1}
	binary.BigEndian.PutUint32(o[4:], value)
	return p.TCPOptions(o...)
}

// TestResetsHaveTheirTime: a receiver does not take a reset whose sender's clock runs backwards, so that the connection goes on.
func TestResetsHaveTheirTime(t *testing.T) {
	for name, c := range map[string]struct {
		clock uint32
		taken bool
	}{"later": {300, true}, "much earlier": {50, false}} {
		b := newBench(t, nil)
		b.send(stamped(segment(app.ToServer, "S", -1, -isnS-1, ""), 100))
		b.send(stamped(segment(app.ToClient, "SA", -1, 0, ""), 1000))
		b.send(stamped(segment(app.ToServer, "A", 0, 0, ""), 200))
		r := b.send(stamped(segment(app.ToServer, "R", 0, 0, ""), c.clock))
		if r.Closed != c.taken || r.Stream.Has(flow.StreamPacketInvalidTimestamp) == c.taken {
			t.Errorf("%s: closed %v, %+v", name, r.Closed, r.Stream)
		}
	}
}

// TestBareAckBeforeHandshake: an acknowledgement of the client that nothing has answered is no error of the stream.
func TestBareAckBeforeHandshake(t *testing.T) {
	b := newBench(t, func(c *flow.Config) { c.IPS, c.Inline = true, true })
	b.c("S", -1, -isnS-1, "")
	if r := b.c("A", 0, 0, ""); r.Drop || r.Stream.Any() || r.Established {
		t.Errorf("%+v", r)
	}
	b.s("SA", -1, 0, "")
	if r := b.c("A", 0, 0, ""); !r.Established || r.Drop {
		t.Errorf("the handshake behind it: %+v", r)
	}
}

// TestStreamForAlerts: the payload of an alert says where bytes of the stream are missing.
func TestStreamForAlerts(t *testing.T) {
	for _, c := range []struct {
		limit int
		want  string
	}{{0, "before abc[3 bytes missing]ghi"}, {10, "before abc"}, {14, "before abc[3 b"}} {
		b := newBench(t, nil)
		b.handshake()
		b.c("PA", 0, 0, "abc")
		r := b.c("PA", 6, 0, "ghi")
		if got := string(r.Flow.TCP.AppendStream([]byte("before "), app.ToServer, c.limit)); got != c.want {
			t.Errorf("up to %d bytes: %q, want %q", c.limit, got, c.want)
		}
	}
}

// TestDatagramWithBadChecksum: the receiver may take it (RFC 768 lets it go without), so the parser reads it.
func TestDatagramWithBadChecksum(t *testing.T) {
	b := newBench(t, func(c *flow.Config) { c.Checksums = true })
	b.send(packettest.IP4(client, server).UDP(1234, 53).Payload("question").BadChecksum())
	if want := `client "question"`; !slices.Contains(b.log, want) {
		t.Errorf("%q has no %s", b.log, want)
	}
}
