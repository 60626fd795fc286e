package enforce

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/pkg/verdict"
)

// The tests here are named after what has taken others' networks down.

// A list of more entries than the set holds has crashed gateways, and deltas went around the cap that full sets met.
func TestTwoHundredThousandEntriesIntoASmallMap(t *testing.T) {
	r := newRig(t, bpf.Options{Sources: 1 << 12})
	list := make([]verdict.Verdict, 200_000)
	for i := range list {
		a := netip.AddrFrom4([4]byte{100, byte(i >> 16), byte(i >> 8), byte(i)})
		list[i] = r.drop(fmt.Sprint("feed-", i), a.String()+"/32")
		list[i].Origin = verdict.OriginFeed
	}
	if err := r.Replace(1, 1, list); err == nil {
		t.Error("a set that does not fit was taken without a word")
	}
	full := r.Fills()["verdicts"]
	if full.Used < full.Max/2 || full.Used > full.Max-full.Max/16 {
		t.Errorf("%d of %d places used; want most of them, and some left to people", full.Used, full.Max)
	}
	for i := range 1000 { // deltas
		v := list[len(list)-1-i]
		if err := r.Apply(v); err == nil {
			t.Fatalf("delta %d went around the budget", i)
		}
	}
	v := r.drop("person", bad4)
	v.Origin = verdict.OriginAnalyst
	r.apply(v)
	r.expect(bad4, xdpDrop)
	r.expect("100.0.0.1", xdpDrop)
	r.expect(good4, xdpPass)
}

// Lists of protected addresses that somebody believed in were not applied where it mattered, or to what was blocked already.
func TestAProtectedSourceIsFreeWithTheNextPacket(t *testing.T) {
	r := newRig(t, bpf.Options{})
	r.apply(r.drop("v", bad4))
	r.expect(bad4, xdpDrop)
	if err := r.Protect([]verdict.Protected{{Prefix: prefix(bad4), Why: "a customer"}}); err != nil {
		t.Fatal(err)
	}
	r.expect(bad4, xdpPass)
	if err := r.Apply(r.drop("again", bad4)); err == nil {
		t.Error("blocked again")
	}
}

// A clock that is set back must not make what was to end in a second last for a day.
func TestAClockSetBackKeepsNoVerdictAlive(t *testing.T) {
	r := newRig(t, bpf.Options{})
	v := r.drop("v", bad4)
	v.ExpiresAt = r.now.Add(time.Second)
	r.apply(v)
	r.expect(bad4, xdpDrop)
	r.now = r.now.Add(-20 * time.Hour)
	for end := time.Now().Add(10 * time.Second); r.run(bad4) == xdpDrop; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("still dropped ten seconds later")
		}
	}
}

// A clock that is set forward ends verdicts early and never later: traffic passes.
func TestAClockSetForwardLiftsAndDoesNotHold(t *testing.T) {
	r := newRig(t, bpf.Options{})
	r.apply(r.drop("v", bad4))
	r.now = r.now.Add(2 * time.Hour)
	if _, err := r.Sweep(); err != nil {
		t.Fatal(err)
	}
	r.expect(bad4, xdpPass)
	if r.Len() != 0 {
		t.Errorf("%d verdicts left", r.Len())
	}
}
