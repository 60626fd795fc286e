package main

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-ips/weir/internal/sensor/uplink"
	"github.com/weir-ips/weir/pkg/wire"
)

// TestPreviewAsksTheSensors has two sensors that answer, one of them of another group, and one that does not.
func TestPreviewAsksTheSensors(t *testing.T) {
	dir := t.TempDir()
	p := start(t, "--config", config(t, dir, ""))
	peers := func(list ...string) (out []netip.Addr) {
		for _, s := range list {
			out = append(out, netip.MustParseAddr(s))
		}
		return out
	}
	answer := func(f wire.Findings) func(*uplink.Options) {
		return func(o *uplink.Options) {
			o.Survey = func(_ context.Context, s *wire.Survey) *wire.Findings {
				if s.Match.Src != netip.MustParsePrefix("203.0.113.7/32") {
					t.Errorf("asked about %v", s.Match)
				}
				f := f
				return &f
			}
		}
	}
	connectWith(t, "a", p.bus, dir, "", answer(wire.Findings{Window: 10 * time.Minute, Flows: 2, Packets: 10, Bytes: 100, Peers: peers("10.0.0.1", "10.0.0.2"), PeerCount: 2}))
	connectWith(t, "b", p.bus, dir, "", answer(wire.Findings{Window: time.Minute, Flows: 1, Packets: 5, Bytes: 50, LongLived: 1, Established: 1, Peers: peers("10.0.0.2"), PeerCount: 1}))
	connect(t, "mute", p.bus, dir, "")
	var got struct {
		Sensors  int
		Warnings []string
		Traffic  struct {
			Asked, Answered, Seconds     int
			Missing                      []string
			Flows, Packets, Bytes, Peers uint64
			AtLeast                      bool `json:"at_least"`
		}
	}
	body := map[string]any{"match": map[string]string{"src": "203.0.113.7"}, "action": "drop", "ttl_seconds": 60, "reason": "test"}
	eventually(t, "two of three sensors answer", func() bool {
		return p.call(http.MethodPost, "/api/v1/verdicts/preview", body, &got) == http.StatusOK && got.Traffic.Asked == 3
	})
	if tr := got.Traffic; tr.Answered != 2 || !slices.Equal(tr.Missing, []string{"mute"}) || tr.Flows != 3 || tr.Packets != 15 || tr.Bytes != 150 ||
		tr.Peers != 2 || tr.Seconds != 60 || !tr.AtLeast {
		t.Errorf("%+v", tr)
	}
	if said := strings.Join(got.Warnings, "\n"); !strings.Contains(said, "2 of 3 sensors answered") || !strings.Contains(said, "works through it") {
		t.Errorf("warnings: %s", said)
	}
	body["scope"] = "a"
	if p.call(http.MethodPost, "/api/v1/verdicts/preview", body, &got); got.Traffic.Asked != 1 || got.Traffic.Answered != 1 || got.Traffic.Flows != 2 {
		t.Errorf("in the scope of one: %+v", got.Traffic)
	}
}
