package inline

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf/link"

	"github.com/weir-ips/weir/internal/lab"
)

// TestHealthIsWhatPacketsMeet probes as a load balancer does: it must not be told that all is well when the program is not on the
// interface any more.
func TestHealthIsWhatPacketsMeet(t *testing.T) {
	topology, err := lab.GWLBTopology(newLab(t), lab.Options{})
	check(t, err)
	at := netip.AddrPortFrom(topology.Sensor.Addr, 8080)
	s := startSensor(t, topology.Sensor.Namespace, dropRules, "mode: gwlb\ninterfaces: [eth0]\nhealth: {listen: "+at.String()+"}\n")
	probe := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DialContext: topology.VPC.Dial, DisableKeepAlives: true}}
	health := func() (int, string) {
		answer, err := probe.Get("http://" + at.String() + "/healthz")
		if err != nil {
			return 0, err.Error()
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		check(t, err)
		return answer.StatusCode, string(body)
	}
	if code, body := health(); code != http.StatusOK || !strings.Contains(body, `"healthy":true`) {
		t.Errorf("a sensor that inspects: %d %s", code, body)
	}
	st, err := s.Status()
	check(t, err)
	pins, err := filepath.Glob(fmt.Sprintf("/sys/fs/bpf/weir/v*/%s/link_eth0", st.ID))
	if err != nil || len(pins) != 1 {
		t.Fatalf("pinned links %v, %v", pins, err)
	}
	l, err := link.LoadPinnedLink(pins[0], nil)
	check(t, err)
	defer l.Close()
	check(t, l.Detach())
	if code, body := health(); code != http.StatusServiceUnavailable || !strings.Contains(body, "the XDP program is not on it any more") {
		t.Errorf("a sensor without its program: %d %s", code, body)
	}
}
