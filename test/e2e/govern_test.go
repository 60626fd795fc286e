package e2e

import (
	"context"
	"net/http"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/weir-ips/weir/internal/collector/api"
	"github.com/weir-ips/weir/internal/lab"
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

// collectorSays runs the collector's command line, as its operator does.
func (s *scene) collectorSays(args ...string) (string, error) {
	out, err := exec.Command(bin+"/collector", append(args, "--config", s.Collector.Config, "--by", "ann")...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func TestRulesAreTriedOnOneSensorFirst(t *testing.T) {
	s := newScene(t, "rollout")
	probe := lab.HTTPAttack{Name: "probe", Method: "GET", Path: "/only-the-new-rule-knows"}
	blocked := func(to *lab.HTTPServer) bool {
		return probe.Send(context.Background(), s.Attacker.Namespace, to.Addr, 1500*time.Millisecond) != nil
	}
	if blocked(s.server) {
		t.Fatal("blocked before there is a rule")
	}
	before, err := s.Inline.Status()
	if err != nil {
		t.Fatal(err)
	}
	// A rule that the grammar takes and the engine does not: the sensor says no, and goes on with what it had.
	path := writeFile(t, s.Dir, "bad.rules", `alert http any any -> any any (msg:"bad"; http.url; content:"x"; sid:1999998;)`+"\n")
	out, err := s.collectorSays("rules", "upload", path)
	if err != nil {
		t.Fatal(out)
	}
	bad := strings.Fields(out)[0]
	eventually(t, "the canary reports", func() bool { list, err := s.Collector.Sensors(); return err == nil && len(list) == 2 })
	if out, err := s.collectorSays("rules", "stage", bad[:12], "--canary", s.Inline.ID, "--watch", "2s"); err != nil {
		t.Fatal(out)
	}
	eventually(t, "the canary refuses it", func() bool {
		out, _ = s.collectorSays("rules", "list")
		return strings.Contains(out, "failed") && strings.Contains(out, "http.url")
	})
	if st, err := s.Inline.Status(); err != nil || st.Rules.Loaded != before.Rules.Loaded {
		t.Errorf("after a refused bundle %d rules, want the %d from before (%v)", st.Rules.Loaded, before.Rules.Loaded, err)
	}

	path = writeFile(t, s.Dir, "good.rules", `alert http any any -> any any (msg:"new"; flow:established,to_server; http.uri; content:"only-the-new-rule-knows"; classtype:web-application-attack; priority:3; sid:1999999;)`+"\n")
	if out, err = s.collectorSays("rules", "upload", path); err != nil || !strings.Contains(out, "1 added 1999999") {
		t.Fatalf("%v %s", err, out)
	}
	good := strings.Fields(out)[0]
	if out, err = s.collectorSays("rules", "stage", good[:12], "--canary", s.Inline.ID, "--watch", "3s"); err != nil {
		t.Fatal(out)
	}
	id := strings.Fields(out)[0]
	eventually(t, "the canary blocks by the new rule", func() bool { return blocked(s.server) })
	runs := func(sensor string) (bundle string) {
		list, err := s.Collector.Sensors()
		for _, x := range list {
			if err == nil && x.ID == sensor {
				bundle = x.Bundle
			}
		}
		return bundle
	}
	if got := runs(s.Host.ID); got != "" {
		t.Errorf("the other sensor runs %s already", got)
	}
	eventually(t, "it has passed", func() bool {
		out, _ = s.collectorSays("rules", "list")
		return strings.Contains(out, id) && strings.Contains(out, "passed")
	})
	t.Log(out)
	if out, err := s.collectorSays("rules", "promote", id); err != nil {
		t.Fatal(out)
	}
	eventually(t, "all sensors run it", func() bool { return runs(s.Host.ID) == good && runs(s.Inline.ID) == good })
	if out, err := s.collectorSays("rules", "rollback", id); err != nil {
		t.Fatal(out)
	}
	eventually(t, "nobody runs it any more", func() bool { return runs(s.Host.ID) == "" && runs(s.Inline.ID) == "" })
	s.settle()
}
