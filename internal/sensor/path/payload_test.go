package path

import (
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/weir-ips/weir/pkg/decode/packettest"
	"github.com/weir-ips/weir/pkg/event"
)

// payloads is a Sink that keeps the payloads of alerts.
type payloads struct {
	t    *testing.T
	list []string
}

func (p *payloads) Put(_ event.Type, line []byte) {
	var r struct{ Payload string }
	if err := json.Unmarshal(line, &r); err != nil {
		p.t.Errorf("%v in %s", err, line)
	}
	b, err := base64.StdEncoding.DecodeString(r.Payload)
	if err != nil {
		p.t.Error(err)
	}
	p.list = append(p.list, string(b))
}

// TestPayloadOfStream: the alert about a stream shows what is held of it, and says where bytes are missing.
func TestPayloadOfStream(t *testing.T) {
	got := payloads{t: t}
	opts := event.Options{Types: event.Set(event.Alert), Alert: event.AlertOptions{Payload: true}}
	s := newScene(t, `alert tcp any any -> any 80 (content:"needle"; sid:1;)`, false, func(c *Config) {
		c.Outputs = []*event.Output{{Options: opts, Sink: &got}}
	})
	up := func(flags string, seq uint32, data string) {
		s.send(packettest.IP4(client, server).TCP(40000, 80, flags).Seq(seq, 501).Payload(data).Ethernet())
	}
	down := func(flags string, seq, ack uint32) {
		s.send(packettest.IP4(server, client).TCP(80, 40000, flags).Seq(seq, ack).Ethernet())
	}
	up("S", 100, "")
	down("SA", 500, 101)
	up("A", 101, "")
	up("PA", 101, "some ")
	up("PA", 110, "needle ")
	s.Close()
	if len(got.list) != 1 || got.list[0] != "some [4 bytes missing]needle " {
		t.Errorf("payloads %q", got.list)
	}
}
