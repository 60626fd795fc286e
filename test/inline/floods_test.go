package inline

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/weir-ips/weir/internal/lab"
	"github.com/weir-ips/weir/internal/sensor/control"
)

// TestFloodsThroughABridge reflects SYN-ACKs at the server, which no load balancer would let through, and floods its network with SYNs while
// the policy is to observe.
func TestFloodsThroughABridge(t *testing.T) {
	anybody := netip.MustParsePrefix("192.0.0.0/5")
	for _, c := range []struct {
		policy, vector, step string
		flood                lab.Flood
	}{
		{"enforce", "tcp-reflection", "unrequested answers", lab.Flood{Kind: lab.SYNACKFlood, SrcPort: 443, Rate: 5000}},
		{"observe", "syn-flood", "rate limit", lab.Flood{Kind: lab.SYNFlood, Rate: 10_000}},
	} {
		t.Run(c.vector, func(t *testing.T) {
			topology, err := lab.BridgeTopology(newLab(t), lab.Options{})
			check(t, err)
			s := startSensorThat(t, c.policy, topology.Sensor.Namespace, dropRules, fmt.Sprintf(bridgeSettings, "open"))
			c.flood.From, c.flood.Src, c.flood.Dst = topology.Attacker, anybody, netip.AddrPortFrom(topology.Server.Addr, 80)
			sent, err := c.flood.Run(context.Background(), 2*time.Second)
			check(t, err)
			var m control.Measure
			s.await("it is held", func() bool {
				list, err := s.Attacks()
				for _, a := range list {
					for i := range a.Measures {
						if err == nil && a.Vector == c.vector && a.Measures[i].Step == c.step {
							m = a.Measures[i]
						}
					}
				}
				return m.Dropped+m.Would > sent/2
			})
			if observes := c.policy == "observe"; observes != (m.Dropped == 0) || observes != (m.Would > 0) {
				t.Errorf("policy %s: %+v", c.policy, m)
			}
			t.Logf("%d sent: %s: %s: %d dropped, %d would have been", sent, m.Step, m.What, m.Dropped, m.Would)
			out, err := exec.Command(program, "floods", "--control", s.socket).CombinedOutput()
			if err != nil || !strings.Contains(string(out), c.vector) || !strings.Contains(string(out), c.step) {
				t.Errorf("%v: %s", err, out)
			}
			t.Logf("sensor floods:\n%s", out)
			out, err = exec.Command(program, "floods", "baseline", "export", "--control", s.socket).CombinedOutput()
			if err != nil || !strings.Contains(string(out), `"version": 1`) {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}
