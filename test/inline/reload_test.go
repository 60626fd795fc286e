package inline

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weir-ips/weir/internal/lab"
)

// TestReloadUnderLoad loads a large set of rules again and again while every packet goes through inspection: none is lost, and memory goes
// back to that of one set.
func TestReloadUnderLoad(t *testing.T) {
	topology, err := lab.GWLBTopology(newLab(t), lab.Options{Queues: 2})
	check(t, err)
	s := startSensor(t, topology.Sensor.Namespace, manyRules(0), "mode: gwlb\ninterfaces: [eth0]\nworkers: 2\nfloods: {udp-per-second: 1000000}\n")
	rules := strings.Replace(s.config, "sensor.yaml", "t.rules", 1)
	stop := stream(t, topology, 3000)
	var first int
	const reloads = 5
	for i := range reloads {
		check(t, os.WriteFile(rules, []byte(manyRules(i+1)), 0o600))
		check(t, s.Reload())
		if i == 0 {
			first = resident(t, s.cmd.Process.Pid)
		}
	}
	last := resident(t, s.cmd.Process.Pid)
	if last > first*5/4 {
		t.Errorf("after one reload the sensor has %d kB, after %d it has %d kB", first, reloads, last)
	}
	time.Sleep(100 * time.Millisecond)
	if sent, got := stop(); sent == 0 || got != sent {
		t.Errorf("of %d packets %d arrived", sent, got)
	}
	if st, err := s.Status(); err != nil || st.Traffic.Lost+st.Traffic.Uninspected > 0 || st.Rules.Loaded != ruleCount+1 {
		t.Errorf("%+v, %v", st, err)
	}
	dropsInline(t, topology)
}

const ruleCount = 10_000

// manyRules is a set of rules that differs from round to round.
func manyRules(round int) string {
	var b strings.Builder
	b.WriteString(dropRules)
	for i := range ruleCount {
		fmt.Fprintf(&b, `alert tcp any any -> any any (msg:"rule %d"; content:"pattern-%d-of-%d"; content:"more-%d"; distance:0; sid:%d;)`+"\n", i, i, round, i, 1000+i)
	}
	return b.String()
}

// resident is a process's memory in kB.
func resident(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	check(t, err)
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	var kb int
	_, err = fmt.Sscan(rest, &kb)
	check(t, err)
	return kb
}
