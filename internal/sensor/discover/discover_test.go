package discover

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/weir-ips/weir/pkg/verdict"
)

func has(list []verdict.Protected, addr, why string) bool {
	return slices.ContainsFunc(list, func(p verdict.Protected) bool {
		return p.Why == why && p.Prefix.Contains(netip.MustParseAddr(addr))
	})
}

func TestOwnAddressesAreProtected(t *testing.T) {
	list, err := Host()
	if err != nil {
		t.Fatal(err)
	}
	if !has(list, "127.0.0.1", "own address") {
		t.Errorf("got %v", list)
	}
}

func TestResolvers(t *testing.T) {
	got := resolvers(strings.NewReader("# comment\nsearch x\nnameserver 10.0.0.2\nnameserver fe80::1%eth0\nnameserver nonsense\nnameserver\n"))
	if len(got) != 2 || !has(got, "10.0.0.2", "resolver") || !has(got, "fe80::1", "resolver") {
		t.Errorf("got %v", got)
	}
}

func TestCollector(t *testing.T) {
	got, err := Collector("nats://192.0.2.5:4222")
	if err != nil || !has(got, "192.0.2.5", "collector") {
		t.Error(got, err)
	}
	if got, err := Collector(""); err != nil || got != nil {
		t.Error(got, err)
	}
	if _, err := Collector("nats://no.such.name.invalid:4222"); err == nil {
		t.Error("an unknown name was accepted")
	}
}

func TestQueues(t *testing.T) {
	if n, err := Queues("lo"); err != nil || n != 1 {
		t.Errorf("lo has %d queues, %v; want 1", n, err)
	}
	if _, err := Queues("nonesuch0"); err == nil {
		t.Error("an interface that does not exist has queues")
	}
}
