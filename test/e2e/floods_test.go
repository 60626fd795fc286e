package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-ips/weir/internal/lab"
	"github.com/weir-ips/weir/internal/lab/fleet"
)

// anybody is where spoofed sources lie.
var anybody = netip.MustParsePrefix("192.0.0.0/5")

// pour floods a host for two seconds and returns how many packets were sent.
func (s *scene) pour(f lab.Flood) uint64 {
	s.t.Helper()
	f.From, f.Seed = s.Attacker, 1
	sent, err := f.Run(context.Background(), 2*time.Second)
	if err != nil {
		s.t.Fatal(err)
	}
	return sent
}

// held checks that the sensor's kernel dropped most of the flood of a victim and says why. What other sensors have found is told by
// the collector, and explained too.
func (s *scene) held(sensor *fleet.Sensor, victim netip.Addr, before, sent uint64) {
	s.t.Helper()
	now, err := sensor.FloodDrops()
	if err != nil {
		s.t.Fatal(err)
	}
	if dropped := now - before; dropped < sent*7/10 {
		s.t.Errorf("%s: %d of %d dropped", sensor.ID, dropped, sent)
	}
	st, err := sensor.Status()
	if err != nil {
		s.t.Fatal(err)
	}
	about := slices.DeleteFunc(st.Floods, func(text string) bool { return !strings.Contains(text, " to "+victim.String()+": ") })
	if len(about) != 1 || !strings.Contains(about[0], "; the ") {
		s.t.Errorf("%s explains %q", sensor.ID, about)
	}
	for _, a := range st.Attacks {
		if a.Dst == nil || *a.Dst != victim {
			continue
		}
		if len(a.Measures) == 0 || len(a.Samples) == 0 || a.Value == 0 || a.ID == "" {
			s.t.Errorf("%s tells %+v", sensor.ID, a)
		}
		for _, m := range a.Measures {
			s.t.Logf("%s: %s: %s (%s): %d dropped", sensor.ID, m.Step, m.What, m.Why, m.Dropped)
		}
	}
}

// started lists the vectors whose start the sensor has recorded.
func (s *scene) started(sensor *fleet.Sensor) []string {
	s.t.Helper()
	text, err := sensor.Records()
	if err != nil {
		s.t.Fatal(err)
	}
	var out []string
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		var e struct {
			Alert struct {
				Context struct {
					Weir struct {
						Detection struct{ Vector, Phase, Explanation string }
					}
				}
			}
		}
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			continue // a line that is being written
		}
		if d := e.Alert.Context.Weir.Detection; d.Phase == "start" {
			out = append(out, d.Vector)
		}
	}
	return out
}

// TestFloodsAreHeld pours each kind of flood over each kind of sensor, while clients ask the victims and notice nothing.
func TestFloodsAreHeld(t *testing.T) {
	for _, c := range []struct {
		name   string
		kind   lab.FloodKind
		from   uint16 // source port; 0: any
		port   uint16
		vector string
	}{
		{"SYN", lab.SYNFlood, 0, 80, "syn-flood"},
		{"UDP", lab.UDPFlood, 0, 9, "udp-flood"},
		{"ICMP", lab.ICMPFlood, 0, 0, "icmp-flood"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(t, "fl"+strings.ToLower(c.name))
			for _, side := range []struct {
				sensor *fleet.Sensor
				victim *lab.HTTPServer
			}{{s.Host, s.proxy}, {s.Inline, s.server}} {
				before, err := side.sensor.FloodDrops()
				if err != nil {
					t.Fatal(err)
				}
				dst := netip.AddrPortFrom(side.victim.Addr.Addr(), c.port)
				sent := s.pour(lab.Flood{Kind: c.kind, Dst: dst, Src: anybody, SrcPort: c.from, Rate: 40_000, Payload: 64})
				s.held(side.sensor, dst.Addr(), before, sent)
				eventually(t, "an alert of "+side.sensor.ID, func() bool { return len(s.started(side.sensor)) > 0 })
				if got := s.started(side.sensor); len(got) != 1 || got[0] != c.vector {
					t.Errorf("%s records the start of %v, want one %s", side.sensor.ID, got, c.vector)
				}
			}
			s.settle()
		})
	}
}

// TestAmplificationIsHeld sends answers of a service that nobody asked for through the load balancer, below what a flood of any
// UDP would be.
func TestAmplificationIsHeld(t *testing.T) {
	s := newScene(t, "amplify")
	before, err := s.Inline.FloodDrops()
	if err != nil {
		t.Fatal(err)
	}
	dst := netip.AddrPortFrom(s.server.Addr.Addr(), 4444)
	sent := s.pour(lab.Flood{Kind: lab.UDPFlood, Dst: dst, Src: anybody, SrcPort: 11211, Rate: 4500, Payload: 1000})
	eventually(t, "an alert", func() bool { return len(s.started(s.Inline)) > 0 })
	if got := s.started(s.Inline); len(got) != 1 || got[0] != "udp-amplification" {
		t.Errorf("the start of %v is recorded, want one udp-amplification", got)
	}
	after, err := s.Inline.FloodDrops()
	if err != nil {
		t.Fatal(err)
	}
	if after-before < sent/2 {
		t.Errorf("%d of %d dropped", after-before, sent)
	}
	s.settle()
}

// TestACrowdIsServed lets more than twice as many new clients come as a flood has SYNs, and none of them may be dropped.
func TestACrowdIsServed(t *testing.T) {
	s := newSceneWith(t, fleet.Options{Name: "crowd", SYNs: 400})
	for _, victim := range []*lab.HTTPServer{s.proxy, s.server} {
		crowd := lab.StartHTTPClient(lab.HTTPClientConfig{NS: s.Client.Namespace, URL: "http://" + victim.Addr.String() + "/", Rate: 1500})
		time.Sleep(3 * time.Second)
		st := crowd.Stop()
		t.Logf("%d new connections in 3 s, p50 %v, p99 %v", st.Sent, st.P50, st.P99)
		if st.Failed > 0 {
			t.Errorf("%d of %d connections failed: %v", st.Failed, st.Sent, st.LastError)
		}
	}
	for _, sensor := range []*fleet.Sensor{s.Host, s.Inline} {
		if n, err := sensor.Drops(""); err != nil || n > 0 {
			t.Errorf("%s dropped %d packets (%v)", sensor.ID, n, err)
		}
		if got := s.started(sensor); len(got) > 0 {
			t.Errorf("%s calls the crowd %v", sensor.ID, got)
		}
	}
	s.settle()
}
