package path

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/weir-ips/weir/pkg/decode/packettest"
	"github.com/weir-ips/weir/pkg/event"
)

// frameRecord is what tests read of records about frames.
type frameRecord struct {
	Type  string `json:"event_type"`
	Frame *struct {
		Type, Direction string
		Offset          *uint64 `json:"stream_offset"`
		Length          *uint64
		Complete        bool
		Payload         string  `json:"payload_printable"`
		Tx              *uint64 `json:"tx_id"`
	}
}

// frameSink keeps records about frames as "type frame: payload".
type frameSink struct {
	t    *testing.T
	list []string
}

func (s *frameSink) Put(_ event.Type, line []byte) {
	var r frameRecord
	if err := json.Unmarshal(line, &r); err != nil {
		s.t.Errorf("%v in %s", err, line)
	}
	if r.Frame == nil {
		return
	}
	if f := r.Frame; f.Offset == nil || f.Complete && f.Length == nil || f.Type == "request" && f.Tx == nil {
		s.t.Errorf("fields are lacking: %s", line)
	}
	s.list = append(s.list, r.Type+" "+r.Frame.Direction+" "+r.Frame.Type+": "+r.Frame.Payload)
}

const frameRule = `alert http any any -> any any (msg:"frame"; frame:http1.request; content:"/evil"; sid:1;)`

// TestFrameRecords looks at records and alerts of frames, with bytes that never came, and at a ruleset that begins to ask for them.
func TestFrameRecords(t *testing.T) {
	for _, c := range []struct {
		name, rules, swap string
		records           bool
		want              []string
	}{
		{"alert", frameRule, "", false, []string{"alert toserver request: " + evil}},
		{"nobody asks", `alert http any any -> any any (msg:"x"; http.uri; content:"/evil"; sid:1;)`, "", false, nil},
		{"new rules ask", `alert http any any -> any any (msg:"x"; http.uri; content:"/evil"; sid:1;)`, frameRule, false, []string{"alert toserver request: " + evil}},
		{"records", "", "", true, []string{"frame toserver request: " + evil, "frame toserver stream: " + evil,
			"frame toclient response: " + answer, "frame toclient stream: " + answer}},
	} {
		sink := &frameSink{t: t}
		s := newScene(t, c.rules, false, func(cfg *Config) {
			o := event.DefaultOptions()
			if o.Types = event.Set(event.Alert); c.records {
				o.Types = event.Set(event.Frame)
			}
			cfg.Outputs = []*event.Output{{Options: o, Sink: sink}}
		})
		if c.swap != "" {
			s.exchange(39999, evil, ethernet)
			s.Swap(ruleset(t, c.swap, false))
		}
		s.exchange(40000, evil, ethernet)
		s.Close()
		slices.Sort(sink.list)
		slices.Sort(c.want)
		if !slices.Equal(sink.list, c.want) {
			t.Errorf("%s: %q\nwant %q", c.name, sink.list, c.want)
		}
	}
}

// TestAFrameWithAHole loses a segment of a response.
func TestAFrameWithAHole(t *testing.T) {
	sink := &frameSink{t: t}
	s := newScene(t, `alert http any any -> any any (msg:"frame"; frame:http1.response; content:"def"; endswith; sid:1;)`+"\n"+
		`alert http any any -> any any (msg:"not at its end"; frame:http1.response; content:"abc"; endswith; sid:2;)`, false, func(cfg *Config) {
		o := event.DefaultOptions()
		o.Types = event.Set(event.Alert)
		cfg.Outputs = []*event.Output{{Options: o, Sink: sink}}
	})
	const head = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
	up := func(flags string, seq, ack int, data string) {
		s.send(packettest.IP4(client, server).TCP(4000, 80, flags).Seq(uint32(seq), uint32(ack)).Payload(data).Ethernet())
	}
	down := func(flags string, seq, ack int, data string) {
		s.send(packettest.IP4(server, client).TCP(80, 4000, flags).Seq(uint32(seq), uint32(ack)).Payload(data).Ethernet())
	}
	q, h := 101+len(fine), 501+len(head)
	up("S", 100, 0, "")
	down("SA", 500, 101, "")
	up("A", 101, 501, fine)
	down("A", 501, q, head+"abc")
	down("A", h+6, q, "def")
	up("A", q, h+9, "")
	down("A", h+9, q, "")
	s.Close()
	if want := []string{"alert toclient response: " + head + "abc[3 bytes missing]def"}; !slices.Equal(sink.list, want) {
		t.Errorf("%q\nwant %q", sink.list, want)
	}
}
