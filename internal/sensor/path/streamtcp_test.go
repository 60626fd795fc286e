package path

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/weir-ips/weir/pkg/event"
)

// states is a Sink that keeps the session's state from each stream_tcp record.
type states struct {
	t    *testing.T
	list []string
}

func (s *states) Put(kind event.Type, line []byte) {
	var r struct {
		Type      string `json:"event_type"`
		Direction string
		StreamTCP struct {
			Packet  struct{ Len int }
			Session struct {
				State  string
				Client struct {
					ISN uint32
				}
			}
		} `json:"stream_tcp"`
	}
	if err := json.Unmarshal(line, &r); err != nil || r.Type != "stream_tcp" || r.StreamTCP.Packet.Len < 40 || r.StreamTCP.Session.Client.ISN != 100 {
		s.t.Errorf("%v in %s", err, line)
	}
	s.list = append(s.list, r.Direction+" "+r.StreamTCP.Session.State)
}

func TestStreamRecords(t *testing.T) {
	changes := []string{"to_server syn_sent", "to_client syn_recv", "to_server established", "to_server close_wait", "to_client last_ack", "to_server closed"}
	for _, c := range []struct {
		name string
		opt  event.StreamOptions
		want int
	}{
		{"all", event.StreamOptions{All: true}, 10},
		{"changes of state", event.StreamOptions{State: true}, len(changes)},
		{"events", event.StreamOptions{Events: true}, 0},
	} {
		sink := &states{t: t}
		s := newScene(t, "", false, func(cfg *Config) {
			o := event.DefaultOptions()
			o.Types, o.Stream = event.Set(event.StreamTCP), c.opt
			cfg.Outputs = []*event.Output{{Options: o, Sink: sink}}
		})
		s.exchange(40000, fine, ethernet)
		s.Close()
		if len(sink.list) != c.want || c.opt.State && !slices.Equal(sink.list, changes) {
			t.Errorf("%s: %q", c.name, sink.list)
		}
	}
}
