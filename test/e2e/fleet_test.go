package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-ips/weir/deploy"
	"github.com/weir-ips/weir/internal/collector/api"
	"github.com/weir-ips/weir/internal/lab"
	"github.com/weir-ips/weir/internal/lab/fleet"
	"github.com/weir-ips/weir/internal/sensor/control"
	"github.com/weir-ips/weir/pkg/verdict"
)

// scene is a running fleet with servers and a client that asks them all along.
type scene struct {
	*fleet.Fleet
	t             *testing.T
	server, proxy *lab.HTTPServer
	clients       []*lab.HTTPClient
	alerts        <-chan fleet.Arrival
}

func newScene(t *testing.T, name string) *scene { return newSceneWith(t, fleet.Options{Name: name}) }

func newSceneWith(t *testing.T, o fleet.Options) *scene {
	t.Helper()
	needLab(t)
	o.Bin, o.Dir, o.Console = bin, t.TempDir(), freePort(t)
	o.Rules = writeFile(t, o.Dir, "weir.rules", string(deploy.Rules))
	f, err := fleet.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	s := &scene{Fleet: f, t: t}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() {
		cancel()
		if t.Failed() {
			t.Log(f.Logs())
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	if s.alerts, err = f.Collector.Stream(ctx); err != nil {
		t.Fatal(err)
	}
	s.server = s.serve(f.Server)
	s.proxy = s.serve(f.Proxy)
	return s
}

func (s *scene) serve(h *lab.Host) *lab.HTTPServer {
	s.t.Helper()
	srv, err := lab.StartHTTPServer(h.Namespace, netip.AddrPortFrom(h.Addr, 80))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { srv.Close() })
	s.clients = append(s.clients, lab.StartHTTPClient(lab.HTTPClientConfig{NS: s.Client.Namespace, URL: "http://" + srv.Addr.String() + "/"}))
	return srv
}

// settle ends the clients and fails if one of their requests was lost.
func (s *scene) settle() {
	s.t.Helper()
	for _, c := range s.clients {
		st := c.Stop()
		if st.Failed > 0 || st.OK < 10 {
			s.t.Errorf("the client lost %d of %d requests: %v", st.Failed, st.Sent, st.LastError)
		}
		s.t.Logf("client: %d requests, p50 %v, p99 %v", st.Sent, st.P50, st.P99)
	}
	s.clients = nil
	if g := s.GWLB.Stats(); g.Dropped() > 0 {
		s.t.Errorf("the load balancer dropped what the sensor returned: %+v", g)
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (s *scene) attack(i int, to *lab.HTTPServer) error {
	return lab.HTTPAttacks()[i].Send(context.Background(), s.Attacker.Namespace, to.Addr, 1500*time.Millisecond)
}

// verdictOn waits for the collector's automatic drop of the attacker.
func (s *scene) verdictOn(addr netip.Addr) (v api.VerdictStatus) {
	s.t.Helper()
	eventually(s.t, "the collector has a drop of "+addr.String(), func() bool {
		list, err := s.Collector.Verdicts()
		for _, have := range list {
			if err == nil && have.Match.Src.IsValid() && have.Match.Src.Contains(addr) && have.Action == verdict.Drop && have.State == "active" {
				v = have
				return true
			}
		}
		return false
	})
	return v
}

func find(sensor *fleet.Sensor, id string) (control.Entry, bool) {
	list, err := sensor.Verdicts()
	for _, e := range list {
		if err == nil && e.ID == id {
			return e, true
		}
	}
	return control.Entry{}, false
}

func TestOneSensorsDetectionBecomesEverySensorsDrop(t *testing.T) {
	s := newScene(t, "spread")
	sent := time.Now()
	if err := s.attack(0, s.server); err == nil {
		t.Error("the attacker got an answer through the load balancer")
	}
	var alert fleet.Arrival
	eventually(t, "the alert is in the collector's stream", func() bool {
		select {
		case alert = <-s.alerts:
			return alert.SrcIP == s.Attacker.Addr
		default:
			return false
		}
	})
	t.Logf("alert in the stream after %v", alert.At.Sub(sent))
	if alert.SID != 1000001 || alert.Action != "blocked" || alert.Sensor != s.Inline.ID {
		t.Errorf("got alert %+v", alert.Alert)
	}
	if n := s.server.Saw("jndi"); n != 0 {
		t.Errorf("the attack reached the server %d times", n)
	}

	v := s.verdictOn(s.Attacker.Addr)
	for _, sensor := range []*fleet.Sensor{s.Inline, s.Host} {
		eventually(t, sensor.ID+" enforces it", func() bool { e, ok := find(sensor, v.ID); return ok && e.State == "enforced" })
		e, _ := find(sensor, v.ID)
		t.Logf("%s: in the map %v after it was made", sensor.ID, e.AppliedAt.Sub(v.CreatedAt))
	}
	if err := s.attack(1, s.proxy); err == nil {
		t.Error("the attacker got an answer from the proxy")
	}
	eventually(t, "the proxy's kernel counts drops by this verdict", func() bool { e, _ := find(s.Host, v.ID); return e.Packets > 0 })
	if s.proxy.Saw("passwd") != 0 {
		t.Error("the attack reached the proxy")
	}

	if err := s.Collector.Lift(v.ID); err != nil {
		t.Fatal(err)
	}
	for _, sensor := range []*fleet.Sensor{s.Inline, s.Host} {
		eventually(t, sensor.ID+" has let go", func() bool { _, ok := find(sensor, v.ID); return !ok })
	}
	harmless := lab.HTTPAttack{Method: "GET", Path: "/welcome"}
	if err := harmless.Send(context.Background(), s.Attacker.Namespace, s.proxy.Addr, 5*time.Second); err != nil {
		t.Errorf("after the verdict was lifted: %v", err)
	}
	s.settle()
}

func TestASYNFloodIsHeldWhileTheClientIsServed(t *testing.T) {
	s := newScene(t, "flood")
	eventually(t, "the client has been here", func() bool { return s.clients[1].Stats().OK > 20 })
	time.Sleep(time.Second) // the sensor reads the host's connections twice a second
	flood := lab.Flood{Kind: lab.SYNFlood, From: s.Attacker, Dst: s.proxy.Addr, Src: netip.MustParsePrefix("192.0.0.0/5"), Rate: 30_000, Seed: 7}
	sent, err := flood.Run(context.Background(), 4*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	var dropped uint64
	eventually(t, "the kernel's counter is read back", func() bool {
		dropped, err = s.Host.FloodDrops()
		return err == nil && dropped > 0
	})
	t.Logf("%d SYNs sent, %d dropped in XDP", sent, dropped)
	if dropped < sent*8/10 {
		t.Errorf("only %d of %d SYNs were dropped", dropped, sent)
	}
	st, err := s.Host.Status()
	if err != nil || len(st.Floods) != 1 {
		t.Errorf("status lists floods %v, %v; want one", st.Floods, err)
	}
	s.settle()
}

func TestAKilledSensorKeepsEnforcingAndComesBack(t *testing.T) {
	s := newScene(t, "kill")
	v, err := s.Collector.Block(netip.PrefixFrom(s.Attacker.Addr, 32), time.Hour, "test")
	if err != nil {
		t.Fatal(err)
	}
	for _, sensor := range []*fleet.Sensor{s.Inline, s.Host} {
		eventually(t, sensor.ID+" enforces it", func() bool { _, ok := find(sensor, v.ID); return ok })
	}
	if err := s.Host.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := s.Inline.Kill(); err != nil {
		t.Fatal(err)
	}
	before := s.clients[0].Stats().OK
	if err := s.attack(1, s.proxy); err == nil {
		t.Error("with its sensor killed, the proxy answered the attacker")
	}
	eventually(t, "the client is served through the load balancer without its sensor", func() bool { return s.clients[0].Stats().OK > before+10 })
	for _, sensor := range []*fleet.Sensor{s.Host, s.Inline} {
		if err := sensor.Start(); err != nil {
			t.Fatal(err)
		}
		st, err := sensor.Status()
		if err != nil || !st.Adopted {
			t.Errorf("%s came back without adopting its maps: %+v %v", sensor.ID, st, err)
		}
		eventually(t, sensor.ID+" lists the verdict again", func() bool { _, ok := find(sensor, v.ID); return ok })
	}
	e, _ := find(s.Host, v.ID)
	if e.Packets == 0 {
		t.Error("the verdict's counter was lost with the process")
	}
	s.settle()
}

func TestAlertsSurviveTheCollectorsDeath(t *testing.T) {
	s := newScene(t, "spool")
	if err := s.Collector.Kill(); err != nil {
		t.Fatal(err)
	}
	const attacks = 5
	for range attacks {
		if err := s.attack(3, s.server); err == nil {
			t.Error("without a collector the sensor let the attack through")
		}
	}
	eventually(t, "the sensor has spooled the alerts", func() bool { st, err := s.Inline.Status(); return err == nil && st.Traffic.Alerts >= attacks })
	if err := s.Collector.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all alerts have arrived", func() bool { a, err := s.Collector.Alerts("sid=1000003"); return err == nil && len(a) >= attacks })
	time.Sleep(time.Second)
	alerts, err := s.Collector.Alerts("sid=1000003")
	if err != nil {
		t.Fatal(err)
	}
	records, err := s.Inline.Records()
	if err != nil {
		t.Fatal(err)
	}
	if want := bytes.Count(records, []byte(`"signature_id":1000003`)); len(alerts) != want || want < attacks {
		t.Errorf("the collector has %d alerts, the sensor wrote %d", len(alerts), want)
	}
	s.settle()
}

func TestAnOperatorBlocksFromTheCommandLine(t *testing.T) {
	s := newScene(t, "cli")
	ask := func(args ...string) (string, error) {
		out, err := exec.Command(bin+"/sensor", append(args, "--control", s.Host.Control)...).CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	if err := s.attack(6, s.proxy); err != nil {
		t.Fatalf("before the verdict: %v", err)
	}
	if out, err := ask("verdicts", "add", s.Attacker.Addr.String()); err == nil || !strings.Contains(out, "reason") {
		t.Errorf("a verdict without a reason: %v %s", err, out)
	}
	if out, err := ask("verdicts", "add", s.Proxy.Addr.String(), "--reason", "myself"); err == nil || !strings.Contains(out, "own address") {
		t.Errorf("a verdict on the host itself: %v %s", err, out)
	}
	id, err := ask("verdicts", "add", s.Attacker.Addr.String(), "--ttl", "5m", "--reason", "scanner")
	if err != nil {
		t.Fatal(id)
	}
	if err := s.attack(6, s.proxy); err == nil {
		t.Error("the attacker still gets an answer")
	}
	out, err := ask("verdicts", "list", "--json")
	var list []control.Entry
	if err != nil || json.Unmarshal([]byte(out), &list) != nil || len(list) != 1 || list[0].ID != id || list[0].Packets == 0 || list[0].State != "enforced" {
		t.Errorf("list: %v %s", err, out)
	}
	if out, err := ask("status"); err != nil || !strings.Contains(out, "source") {
		t.Errorf("status does not tell the drops: %v %s", err, out)
	}
	if out, err := ask("verdicts", "kill"); err != nil {
		t.Error(out)
	}
	if err := s.attack(6, s.proxy); err != nil {
		t.Errorf("with the kill switch on: %v", err)
	}
	if out, err := ask("status"); err != nil || !strings.Contains(out, "KILL SWITCH") {
		t.Errorf("status does not show the kill switch: %v %s", err, out)
	}
	if out, err := ask("verdicts", "resume"); err != nil {
		t.Error(out)
	}
	if err := s.attack(6, s.proxy); err == nil {
		t.Error("after the kill switch the verdict is not enforced any more")
	}
	if out, err := ask("verdicts", "remove", id); err != nil {
		t.Error(out)
	}
	if err := s.attack(6, s.proxy); err != nil {
		t.Errorf("after the verdict: %v", err)
	}
	s.settle()
}

func TestIPv6IsInspectedAndBlockedAlike(t *testing.T) {
	s := newScene(t, "ipv6")
	server, err := lab.StartHTTPServer(s.Server.Namespace, netip.AddrPortFrom(s.Server.Addr6, 80))
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	harmless := lab.HTTPAttack{Name: "harmless", Method: "GET", Path: "/"}
	if err := harmless.Send(context.Background(), s.Attacker.Namespace, server.Addr, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	if err := s.attack(0, server); err == nil || server.Saw("jndi") != 0 {
		t.Errorf("the attack got through: %v, in the server's log %d times", err, server.Saw("jndi"))
	}
	v := s.verdictOn(s.Attacker.Addr6)
	eventually(t, "the host sensor enforces it", func() bool { _, ok := find(s.Host, v.ID); return ok })
	proxy, err := lab.StartHTTPServer(s.Proxy.Namespace, netip.AddrPortFrom(s.Proxy.Addr6, 80))
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	if err := s.attack(1, proxy); err == nil {
		t.Error("the attacker got an answer from the proxy")
	}
	s.settle()
}

func TestRulesAreReplacedUnderLoad(t *testing.T) {
	s := newScene(t, "reload")
	probe := lab.HTTPAttack{Name: "probe", Method: "GET", Path: "/only-the-new-rule-knows"}
	if err := probe.Send(context.Background(), s.Attacker.Namespace, s.server.Addr, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	rule := `alert http any any -> any any (msg:"new"; flow:established,to_server; http.uri; content:"only-the-new-rule-knows"; classtype:web-application-attack; sid:1999999;)` + "\n"
	if err := os.WriteFile(s.Rules, []byte(rule), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Inline.Reload(); err != nil {
		t.Fatal(err)
	}
	if err := probe.Send(context.Background(), s.Attacker.Namespace, s.server.Addr, 1500*time.Millisecond); err == nil {
		t.Error("the new rule does not block")
	}
	if err := os.WriteFile(s.Rules, []byte(rule+"alert http any any -> any any (msg:\"bad\"; http.url; content:\"x\"; sid:2;)\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Host.Reload(); err == nil || !strings.Contains(err.Error(), "weir.rules:2:") || !strings.Contains(err.Error(), "http.url") {
		t.Errorf("a bad rule: %v", err)
	}
	if st, err := s.Host.Status(); err != nil || st.Rules.Loaded != 5 {
		t.Errorf("after a refused reload the host sensor has %d rules (%v), want the 5 from before", st.Rules.Loaded, err)
	}
	s.settle()
}

func TestAFullDiskDoesNotEndProtection(t *testing.T) {
	s := newScene(t, "disk")
	eventually(t, "the client has been here", func() bool { return s.clients[0].Stats().OK > 5 })
	if err := s.Inline.Stop(); err != nil {
		t.Fatal(err)
	}
	if logs, err := filepath.Glob(filepath.Join(s.Inline.FlowLog, "AWSLogs/123456789012/vpcflowlogs/lab/*/*/*/*.log.gz")); err != nil || len(logs) != 1 {
		t.Errorf("a stopped sensor leaves its flow log whole: %v, %v", logs, err)
	}
	config, err := os.ReadFile(s.Inline.Config)
	if err != nil {
		t.Fatal(err)
	}
	full := strings.Replace(string(config), s.Inline.EVE, "/dev/full", 1) // every write fails with ENOSPC
	if err := os.WriteFile(s.Inline.Config, []byte(full), 0o600); err != nil || full == string(config) {
		t.Fatal("the configuration was not changed", err)
	}
	if err := s.Inline.Start(); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if err := s.attack(3, s.server); err == nil {
			t.Errorf("attack %d got through", i)
		}
		time.Sleep(1500 * time.Millisecond) // records are written out once a second
	}
	if st, err := s.Inline.Status(); err != nil || !st.Healthy {
		t.Errorf("the sensor: %+v %v", st, err)
	}
	eventually(t, "the alerts reach the collector all the same", func() bool { a, err := s.Collector.Alerts("sid=1000003"); return err == nil && len(a) > 0 })
	s.settle()
}
