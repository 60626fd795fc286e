package inline

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/internal/lab"
)

// The largest packets that a load balancer carries, and the MTU of its appliances' links.
const (
	jumboPacket = 8500
	jumboLink   = jumboPacket + 68
)

const jumboRules = `drop tcp any any -> any any (msg:"evil, far behind"; content:"evil-payload"; offset:4097; sid:1;)
pass tcp any any -> any any (msg:"decided"; content:"all is well"; sid:2;)
`

// TestJumbo has frames of several buffers inspected, forwarded, dropped for what a byte beyond the first buffer says, and sent on by XDP
// once their flow is decided, in both inline modes.
func TestJumbo(t *testing.T) {
	for _, c := range []struct {
		mode     string
		queues   int
		build    func(*lab.Lab, lab.Options) (*lab.Topology, error)
		mtu      int
		settings string
	}{
		{"gwlb", 1, lab.GWLBTopology, jumboLink, "mode: gwlb\ninterfaces: [eth0]\n"},
		{"gwlb", 2, lab.GWLBTopology, jumboLink, "mode: gwlb\ninterfaces: [eth0]\nworkers: 3\n"},
		{"bridge", 2, lab.BridgeTopology, jumboPacket, fmt.Sprintf(bridgeSettings, "open") + "workers: 2\n"},
	} {
		t.Run(fmt.Sprintf("%s %d queues", c.mode, c.queues), func(t *testing.T) {
			topology, err := c.build(newLab(t), lab.Options{MTU: c.mtu, HostMTU: jumboPacket, Queues: c.queues})
			check(t, err)
			needJumbo(t, topology.Sensor.Namespace)
			s := startSensor(t, topology.Sensor.Namespace, jumboRules, c.settings)
			transfers(t, topology)
			st, err := s.Status()
			if err != nil || st.Traffic.Jumbo < 200 || st.Traffic.Lost+st.Traffic.Uninspected > 0 {
				t.Errorf("%+v, %v, %v", st.Traffic, st.Drops, err)
			}
			if topology.GWLB != nil {
				s.await("every packet that was not dropped came back to the load balancer", func() bool {
					g := topology.GWLB.Stats()
					st, err := s.Status()
					return err == nil && g.Accepted+st.Traffic.Dropped == g.Sent
				})
			}
			dropsFarBehind(t, topology)
			before := st.Traffic.Hairpin
			decidedJumbo(t, topology)
			st, err = s.Status()
			if err != nil || st.Traffic.Hairpin < before+100 || st.Traffic.Lost+st.Traffic.Uninspected > 0 || st.Traffic.Alerts < 2 {
				t.Errorf("%+v, %v", st.Traffic, err)
			}
			if topology.GWLB != nil {
				if g := topology.GWLB.Stats(); g.Dropped()+g.SourcePortChanged+g.TooLong > 0 {
					t.Errorf("the load balancer refused what came back: %+v", g)
				}
			}
			t.Logf("%+v", st.Traffic)
		})
	}
}

// needJumbo skips the test where AF_XDP or veth take no frames of several buffers.
func needJumbo(t *testing.T, ns *lab.Namespace) {
	t.Helper()
	if err := ns.Run(func() error {
		dev, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		return bpf.Jumbo(dev, bpf.ModeGWLB)
	}); err != nil {
		t.Skip(err)
	}
}

// dropsFarBehind sends segments of one packet each that a rule drops for what stands beyond byte 4,096: not a byte may arrive.
func dropsFarBehind(t *testing.T, topology *lab.Topology) {
	t.Helper()
	for _, addr := range []netip.Addr{topology.Server.Addr, topology.Server.Addr6} {
		near, far := connect(t, topology.Client, topology.Server, addr)
		payload := bytes.Repeat([]byte{'.'}, 8000)
		copy(payload[7000:], "evil-payload")
		silent(t, near, far, string(payload))
	}
}

// decidedJumbo has a connection decided, and moves a megabyte each way over it.
func decidedJumbo(t *testing.T, topology *lab.Topology) {
	t.Helper()
	near, far := connect(t, topology.Client, topology.Server, topology.Server.Addr)
	says(t, near, far, "all is well")
	says(t, far, near, "and so it is")
	moves(t, near, far)
	moves(t, far, near)
}

// TestJumboRefused has an MTU that neither one buffer nor several can carry, as the driver has no XDP: the sensor says what to set.
func TestJumboRefused(t *testing.T) {
	topology, err := lab.GWLBTopology(newLab(t), lab.Options{})
	check(t, err)
	ns := topology.Sensor.Namespace
	check(t, ns.Run(func() error {
		return netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0", MTU: 9001}})
	}))
	config := filepath.Join(t.TempDir(), "sensor.yaml")
	check(t, os.WriteFile(config, []byte("id: refused\nmode: gwlb\ninterfaces: [br0]\nrules: []\ncontrol: \"\"\nmetrics: {listen: \"\"}\n"), 0o600))
	var out bytes.Buffer
	run := exec.Command(program, "run", "--config", config)
	run.Stdout, run.Stderr = &out, &out
	check(t, ns.Start(run))
	err = run.Wait()
	if err == nil || !strings.Contains(out.String(), "MTU 9001") || !strings.Contains(out.String(), "ip link set dev br0 mtu 3498") {
		t.Errorf("%v: %s", err, out.String())
	}
	t.Logf("%s", out.String())
}
