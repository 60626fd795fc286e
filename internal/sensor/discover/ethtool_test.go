package discover

import (
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/internal/lab"
)

// TestDriver asks the driver of a virtual cable, which counts and has queues.
func TestDriver(t *testing.T) {
	if err := lab.Require(); err != nil {
		t.Skip(err)
	}
	l, err := lab.New("discover")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	a, err := l.Namespace("a")
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Namespace("b")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := l.Cable(lab.End{NS: a, Name: "eth0", MTU: 9001, Queues: 3}, lab.End{NS: b, Name: "eth0"}); err != nil {
		t.Fatal(err)
	}
	err = a.Run(func() error {
		driver, err := Driver("eth0")
		queues, err2 := Queues("eth0")
		counters, err3 := Counters("eth0")
		if driver != "veth" || queues != 3 || counters["peer_ifindex"] == 0 {
			t.Errorf("driver %q, %d queues, counters %v", driver, queues, counters)
		}
		if err := testInline(t); err != nil {
			return err
		}
		return errors.Join(err, err2, err3)
	})
	if err != nil {
		t.Error(err)
	}
	if _, err := Counters("nonesuch0"); err == nil {
		t.Error("an interface that does not exist has counters")
	}
}

// testInline asks about a cable, which takes frames of several buffers since Linux 6.6, and about drivers and MTUs that are refused.
func testInline(t *testing.T) error {
	refused := func(name, what, mtu string) {
		t.Helper()
		for _, mode := range []bpf.Mode{bpf.ModeGWLB, bpf.ModeBridge} {
			err := Inline(name, mode)
			if err == nil || !strings.Contains(err.Error(), what) || !strings.Contains(err.Error(), "ip link set dev "+name+" mtu "+mtu) {
				t.Errorf("%v on %s: %v; want %q and MTU %s", mode, name, err, what, mtu)
			}
		}
	}
	eth0, err := net.InterfaceByName("eth0")
	if err != nil {
		return err
	}
	if err := bpf.Jumbo(eth0, bpf.ModeGWLB); err == nil {
		if err := errors.Join(Inline("eth0", bpf.ModeGWLB), Inline("eth0", bpf.ModeBridge)); err != nil {
			t.Error(err)
		}
	} else {
		refused("eth0", "Linux 6.6", "3498")
	}
	for mtu, c := range map[int]struct{ what, set string }{9001: {"several buffers", "3498"}, 65000: {"MTU 65000", "61418"}} {
		link := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0", MTU: mtu}} // whose driver has no XDP
		if err := netlink.LinkAdd(link); err != nil {
			return err
		}
		refused("br0", c.what, c.set)
		if err := netlink.LinkSetMTU(link, MaxMTU); err != nil {
			t.Error(err)
		}
		if err := Inline("br0", bpf.ModeGWLB); err != nil {
			t.Errorf("with an MTU of %d: %v", MaxMTU, err)
		}
		if err := netlink.LinkDel(link); err != nil {
			t.Error(err)
		}
	}
	return nil
}

func TestWarnings(t *testing.T) {
	for _, k := range []struct {
		mtu    int
		driver string
		c      channels
		want   int
	}{
		{1500, "ena", channels{combined: 4, maxCombined: 8}, 0},
		{1500, "ena", channels{combined: 8, maxCombined: 8}, 1},
		{9001, "ena", channels{combined: 8, maxCombined: 8}, 2},
		{1500, "veth", channels{combined: 8, maxCombined: 8}, 0},
		{3498, "ena", channels{combined: 1, maxCombined: 1}, 0},
		{3499, "virtio_net", channels{}, 1},
	} {
		if got := warnings(k.mtu, k.driver, k.c); len(got) != k.want {
			t.Errorf("MTU %d, %s, %+v: %q", k.mtu, k.driver, k.c, got)
		}
	}
}
