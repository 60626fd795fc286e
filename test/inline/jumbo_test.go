package inline

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

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
			if !bpf.HaveFrags() {
				t.Skip("needs Linux 5.18, which has XDP for frames of several buffers")
			}
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

// TestJumboRefused has an MTU above one buffer where frames of several cannot be had, for the driver has no XDP or the kernel is too old
// (before Linux 6.6): the sensor says what to set.
func TestJumboRefused(t *testing.T) {
	l := newLab(t)
	ns, err := l.Namespace("sensor")
	check(t, err)
	tried := 0
	for _, c := range []struct {
		link netlink.Link
		why  string
	}{
		{&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "eth0", MTU: 9001}}, "its driver takes no"},
		{&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0", MTU: 9001}, PeerName: "eth1"}, "Linux 6.6"},
	} {
		var possible error
		check(t, ns.Run(func() error {
			err := netlink.LinkAdd(c.link)
			if errors.Is(err, unix.EOPNOTSUPP) { // this kernel has no such interfaces
				return nil
			}
			dev, err := net.InterfaceByName("eth0")
			if err == nil {
				possible = bpf.Jumbo(dev, bpf.ModeGWLB)
			}
			return err
		}))
		if possible == nil {
			continue
		}
		tried++
		for _, mode := range []string{"gwlb\ninterfaces: [eth0]", "bridge\ninterfaces: [eth0, lo]"} {
			refused(t, ns, mode, "ip link set dev eth0 mtu 3498")
		}
		if !strings.Contains(possible.Error(), c.why) && !strings.Contains(possible.Error(), "Linux 6.6") {
			t.Errorf("refused because %v; want %q", possible, c.why)
		}
		check(t, ns.Run(func() error { return netlink.LinkDel(c.link) }))
	}
	if tried == 0 {
		t.Skip("this kernel takes frames of several buffers, and has no interface that does not (a bridge)")
	}
}

// refused runs a sensor that must not start, and say how that is mended.
func refused(t *testing.T, ns *lab.Namespace, mode, advice string) {
	t.Helper()
	config := filepath.Join(t.TempDir(), "sensor.yaml")
	check(t, os.WriteFile(config, []byte("id: refused\nmode: "+mode+"\nrules: []\ncontrol: \"\"\nmetrics: {listen: \"\"}\n"), 0o600))
	var out bytes.Buffer
	run := exec.Command(program, "run", "--config", config)
	run.Stdout, run.Stderr = &out, &out
	check(t, ns.Start(run))
	if err := run.Wait(); err == nil || !strings.Contains(out.String(), "MTU 9001") || !strings.Contains(out.String(), advice) {
		t.Errorf("%v: %s", err, out.String())
	}
	t.Logf("%s", out.String())
}
