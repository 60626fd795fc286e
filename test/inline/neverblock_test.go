package inline

import (
	"fmt"
	"testing"

	"github.com/weir-ips/weir/internal/lab"
)

// TestNeverBlockHoldsAgainstRules names the client: whatever the rules say, its connections go on, in both directions, and are reported.
// Others' do not.
func TestNeverBlockHoldsAgainstRules(t *testing.T) {
	topology, err := lab.BridgeTopology(newLab(t), lab.Options{})
	check(t, err)
	const rules = dropRules + `drop tcp any any -> any any (msg:"evil answer"; content:"evil-answer"; sid:2;)
reject tcp any any -> any any (msg:"go"; content:"go away"; sid:3;)
`
	s := startSensor(t, topology.Sensor.Namespace, rules, fmt.Sprintf(bridgeSettings, "closed")+"never-block: ["+topology.Client.Addr.String()+"]\n")
	near, far := connect(t, topology.Client, topology.Server, topology.Server.Addr)
	says(t, near, far, "an evil-payload")
	says(t, far, near, "an evil-answer")
	says(t, near, far, "go away")
	says(t, near, far, "and go on")
	s.await("three alerts", func() bool { st, err := s.Status(); return err == nil && st.Traffic.Alerts >= 3 })
	if st, err := s.Status(); err != nil || st.Drops["inspection"] > 0 {
		t.Errorf("drops %v, %v", st.Drops, err)
	}
	near, far = connect(t, topology.Attacker, topology.Server, topology.Server.Addr)
	silent(t, near, far, "an evil-payload")
}
