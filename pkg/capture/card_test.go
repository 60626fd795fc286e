package capture_test

import (
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/internal/lab"
	"github.com/weir-ips/weir/pkg/capture"
)

// TestCard asks of a driver all that the inline modes need of it, with a socket in copy mode and in the driver's zero-copy mode: that
// frames go through the socket, and that what the program sends back by itself goes out by the same queue. WEIR_CARDS=eth0,eth1 names two
// network cards with a cable between them, which it takes; without, it asks veth.
func TestCard(t *testing.T) {
	r := cardRig(t)
	var device *net.Interface
	check(t, r.far.NS.Run(func() (err error) { device, err = net.InterfaceByIndex(r.index); return err }))
	for _, zeroCopy := range []bool{false, true} {
		x := r.open(t, capture.XSKConfig{ZeroCopy: zeroCopy})
		proof := r.far.NS.Run(func() error { return x.Prove(r.sensor.Program(), bpf.ModeGWLB, device) })
		bound := x.ZeroCopy()
		check(t, r.far.NS.Run(func() error { return capture.ProveBack(device) })) // what did not come by the wire no driver loses
		sent := r.frames(300)
		forwarded := r.through(t, x, sent)
		check(t, r.sensor.Sockets().Delete(uint32(0))) // the socket stays bound; the program returns frames by itself
		returned := r.exchange(t, sent)
		if len(returned) < len(sent) && bound { // in zero-copy mode some drivers lose these; then it is to be left
			x.LeaveZeroCopy()
			check(t, r.far.NS.Run(func() error { _, err := x.Recv(make([]capture.Frame, 1), 0); return err }))
			check(t, r.sensor.Sockets().Delete(uint32(0)))
			again := r.exchange(t, sent)
			t.Logf("bound anew in copy mode: %d by XDP_TX", len(again))
			compare(t, again, sent)
		}
		check(t, x.Close())
		t.Logf("zero-copy asked for: %v, bound: %v, self-test: %v, of %d frames %d came through the socket, %d by XDP_TX",
			zeroCopy, bound, proof, len(sent), len(forwarded), len(returned))
		check(t, proof)
		compare(t, forwarded, sent)
		if !bound {
			compare(t, returned, sent)
		}
	}
}

// through sends frames through a socket and returns those that come back.
func (r *rig) through(t *testing.T, x *capture.XSK, sent [][]byte) map[string]int {
	t.Helper()
	var stop atomic.Bool
	done := make(chan error, 1)
	go func() { done <- serve(x, &stop) }()
	got := r.exchange(t, sent)
	stop.Store(true)
	check(t, <-done)
	return got
}

// exchange sends frames, not more at once than the shortest queue on the way holds, and returns those that come back.
func (r *rig) exchange(t *testing.T, sent [][]byte) map[string]int {
	t.Helper()
	got := map[string]int{}
	for batch := range slices.Chunk(sent, 30) {
		_, err := r.wire.Send(batch...)
		check(t, err)
		for f, n := range r.geneve(t, len(batch)) {
			got[f] += n
		}
	}
	return got
}

// cardRig is a rig with the cards that WEIR_CARDS names.
func cardRig(t *testing.T) *rig {
	t.Helper()
	cards := os.Getenv("WEIR_CARDS")
	if cards == "" {
		return newRig(t, bpf.Options{Mode: bpf.ModeGWLB})
	}
	near, far, ok := strings.Cut(cards, ",")
	if !ok {
		t.Fatalf("WEIR_CARDS=%s: must be two interfaces with a comma between them", cards)
	}
	l := newLab(t)
	return rigOn(t, bpf.Options{Mode: bpf.ModeGWLB}, take(t, l, near, balancer), take(t, l, far, target))
}

// take moves a network card into a namespace of its own.
func take(t *testing.T, l *lab.Lab, card string, addr netip.Addr) lab.End {
	t.Helper()
	ns, err := l.Namespace(card)
	check(t, err)
	check(t, ns.Sysctl("net/ipv6/conf/default/disable_ipv6", "1"))
	end, err := ns.Take(card, netip.PrefixFrom(addr, 24))
	check(t, err)
	return end
}
