package e2e

import (
	"net/http"
	"net/netip"
	"testing"

	"github.com/weir-ips/weir/internal/collector/api"
)

// preview asks what a drop of src would hit, as the console's dialog does.
func (s *scene) preview(src netip.Prefix) (p api.Preview) {
	s.t.Helper()
	err := s.Collector.Call(http.MethodPost, "/api/v1/verdicts/preview", map[string]any{
		"match": map[string]string{"src": src.String()}, "action": "drop", "ttl_seconds": 3600, "reason": "preview",
	}, &p)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

func TestAPreviewIsAnsweredFromTheSensorsTraffic(t *testing.T) {
	s := newScene(t, "preview")
	eventually(t, "the client has been at both servers", func() bool { return s.clients[0].Stats().OK > 20 && s.clients[1].Stats().OK > 20 })
	p := s.preview(netip.PrefixFrom(s.Client.Addr, 32)).Traffic
	t.Logf("a client: %+v", p)
	if p.Asked != 2 || p.Answered != 2 || p.Flows < 2 || p.Packets < 40 || p.Bytes < 40*60 || p.Peers != 2 {
		t.Errorf("the client, who uses the server and the proxy: %+v", p)
	}
	if p := s.preview(netip.MustParsePrefix("192.0.0.0/32")).Traffic; p.Answered != 2 || p.Flows != 0 || p.Packets != 0 || p.AtLeast {
		t.Errorf("an address that nobody has seen: %+v", p)
	}
	s.settle()
}
