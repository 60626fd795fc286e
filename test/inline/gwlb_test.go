package inline

import (
	"testing"

	"github.com/weir-ips/weir/internal/lab"
)

// TestGWLB is the way of packets through a load balancer and its appliance in short: what is harmless passes both ways, what a rule drops
// does not, and the rest of what was decided is dropped by XDP.
func TestGWLB(t *testing.T) {
	topology, err := lab.GWLBTopology(newLab(t), lab.Options{})
	check(t, err)
	s := startSensor(t, topology.Sensor.Namespace, dropRules, "mode: gwlb\ninterfaces: [eth0]\n")
	transfers(t, topology)
	dropsInline(t, topology)
	s.await("XDP drops the retransmissions", func() bool {
		st, err := s.Status()
		return err == nil && st.Traffic.Dropped > 2 && st.Traffic.Alerts >= 2
	})
	st, err := s.Status()
	check(t, err)
	if st.Traffic.Inspected == 0 || st.Traffic.Lost+st.Traffic.Uninspected > 0 {
		t.Errorf("%+v", st.Traffic)
	}
	if g := topology.GWLB.Stats(); g.Dropped() > 0 || g.SourcePortChanged > 0 {
		t.Errorf("the load balancer refused what came back: %+v", g)
	}
}
