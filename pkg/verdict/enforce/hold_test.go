package enforce

import (
	"testing"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/pkg/verdict"
)

// What is switched off in part lets through what it stopped, goes on counting, and holds for what comes later, too.
func TestHoldOfAnOriginAndARule(t *testing.T) {
	r := newRig(t, bpf.Options{})
	add := func(id, src string, origin verdict.Origin, rule uint32) {
		v := r.drop(id, src)
		v.Origin, v.Rule = origin, rule
		r.apply(v)
	}
	add("feed", "192.0.2.1", verdict.OriginFeed, 0)
	add("noisy", "192.0.2.2", verdict.OriginRule, 7)
	add("other", "192.0.2.3", verdict.OriginRule, 8)
	add("person", "192.0.2.4", verdict.OriginAnalyst, 0)
	expect := func(feed, noisy uint32) {
		t.Helper()
		r.expect("192.0.2.1", feed)
		r.expect("192.0.2.2", noisy)
		r.expect("192.0.2.3", xdpDrop)
		r.expect("192.0.2.4", xdpDrop)
	}
	hold := func(h Hold) {
		t.Helper()
		if err := r.Hold(h); err != nil {
			t.Fatal(err)
		}
	}
	expect(xdpDrop, xdpDrop)
	hold(Hold{Origins: []verdict.Origin{verdict.OriginFeed}})
	expect(xdpPass, xdpDrop)
	add("late", "192.0.2.5", verdict.OriginFeed, 0)
	r.expect("192.0.2.5", xdpPass)
	hold(Hold{Rules: []uint32{7}})
	expect(xdpDrop, xdpPass)
	r.expect("192.0.2.5", xdpDrop)
	if v, _ := r.Verdict("noisy"); !v.Held || v.Packets < 3 {
		t.Errorf("held %v with %d packets: it must count what it would stop", v.Held, v.Packets)
	}
	hold(Hold{})
	expect(xdpDrop, xdpDrop)
}
