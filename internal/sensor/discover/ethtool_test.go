package discover

import (
	"errors"
	"strings"
	"testing"

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
		if err := Inline("eth0"); err == nil || !strings.Contains(err.Error(), "MTU 9001") || !strings.Contains(err.Error(), "mtu 3498") {
			t.Errorf("inline with jumbo frames: %v", err)
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
