package enforce

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/pkg/verdict"
)

// TestAdopt ends one process's Enforcer and starts another on what it left pinned.
func TestAdopt(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("bpf", dir, "bpf", 0, ""); err != nil {
		t.Fatalf("mount bpf file system: %v (run as root)", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	start := func() *rig {
		s, err := bpf.Load(bpf.Options{Mode: bpf.ModeHost, Name: "w0", BPFFS: dir, Sources: 256, Flows: 64})
		if err != nil {
			t.Fatal(err)
		}
		e, err := New(s, Options{})
		if err != nil {
			t.Fatal(err)
		}
		return &rig{TB: t, Enforcer: e, s: s, now: time.Now()}
	}
	stop := func(r *rig) {
		if err := errors.Join(r.Enforcer.Close(), r.s.Close()); err != nil {
			t.Fatal(err)
		}
	}
	list := []verdict.Protected{{Prefix: prefix("203.0.112.9"), Why: "test"}}

	r := start()
	if err := r.Protect(list); err != nil {
		t.Fatal(err)
	}
	r.apply(r.drop("own", bad4))
	narrow := r.drop("narrow", good4)
	narrow.Match.Dst, narrow.Match.Port, narrow.Rule = prefix("198.51.100.0/24"), 443, 77
	r.apply(narrow)
	collectors := r.drop("collector's", bad6)
	collectors.Epoch = 3
	r.apply(collectors)
	wide := r.drop("wide", "203.0.112.0/24")
	wide.Origin, wide.CreatedBy = verdict.OriginAnalyst, "alice"
	r.apply(wide)
	client, server := netip.MustParseAddrPort("192.0.2.8:4000"), netip.MustParseAddrPort("198.51.100.7:443")
	key, fromB := bpf.NewTuple(0, client.Addr().As16(), server.Addr().As16(), 4000, 443, 6)
	if err := r.DecideFlow(key, fromB, FlowDecision{Action: verdict.Drop, Idle: time.Minute, Life: time.Hour}); err != nil {
		t.Fatal(err)
	}
	r.KillSwitch(false)
	check := func(r *rig) {
		t.Helper()
		for src, want := range map[string]uint32{bad4: xdpDrop, good4: xdpDrop, "203.0.112.77": xdpDrop, "203.0.112.9": xdpPass,
			"192.0.2.8": xdpDrop, "192.0.2.9": xdpPass} {
			r.expect(src, want)
		}
	}
	check(r)
	r.expect(bad6, xdpDrop)
	stop(r)

	r = start()
	if !r.s.Adopted() || r.Stats().Adopted != 4 || r.Fills()["flows"].Used != 1 {
		t.Fatalf("adopted %v: %d verdicts, %d flows", r.s.Adopted(), r.Stats().Adopted, r.Fills()["flows"].Used)
	}
	check(r)
	r.expect(bad6, xdpDrop)
	for _, v := range r.Verdicts() {
		if v.Match.Src == prefix(good4) {
			if v.Match.Dst != narrow.Match.Dst || v.Match.Port != 443 || v.Rule != 77 || v.Packets != 2 || v.Origin != verdict.OriginRule {
				t.Errorf("adopted as %+v", v)
			}
		}
		if left := v.ExpiresAt.Sub(r.now); left < 59*time.Minute || left > 61*time.Minute {
			t.Errorf("%v expires in %v, want an hour", v.Match, left)
		}
	}
	reclaims(t, r, narrow, collectors)
	if err := r.Replace(4, 1, nil); err != nil {
		t.Fatal(err)
	}
	check(r)
	r.expect(bad6, xdpPass)
	r.KillSwitch(true)
	stop(r)

	r = start()
	if !r.Killed() {
		t.Error("the kill switch did not outlive the process")
	}
	r.KillSwitch(false)
	check(r)
	for _, v := range r.Verdicts() {
		if err := r.Remove(v.ID); err != nil {
			t.Fatal(err)
		}
	}
	r.ForgetFlow(key)
	for _, src := range []string{bad4, good4, "203.0.112.77", "192.0.2.8"} {
		r.expect(src, xdpPass)
	}
	if err := r.s.Detach(); err != nil {
		t.Fatal(err)
	}
	stop(r)
}

// reclaims gives two adopted verdicts their names back, one by Apply, one by Replace, and expects them where they were.
func reclaims(t *testing.T, r *rig, own, collectors verdict.Verdict) {
	t.Helper()
	changed := own
	changed.ID, changed.Rule = "of another rule", own.Rule+1
	r.apply(own)
	r.apply(changed)
	if err := r.Replace(collectors.Epoch, 1, []verdict.Verdict{collectors}); err != nil {
		t.Fatal(err)
	}
	for id, packets := range map[string]uint64{own.ID: 2, collectors.ID: 2, changed.ID: 0} {
		v, ok := r.Verdict(id)
		if !ok || v.Packets != packets || v.Reason != "test" {
			t.Errorf("%s: %v, %d packets, want %d: %+v", id, ok, v.Packets, packets, v)
		}
	}
	if n := r.Len(); n != 5 {
		t.Errorf("%d verdicts, want 5", n)
	}
	if err := r.Remove(changed.ID); err != nil {
		t.Fatal(err)
	}
}

// TestReclaimFlow has a verdict on a flow come back after inspection's decision on it was adopted.
func TestReclaimFlow(t *testing.T) {
	r := newRig(t, bpf.Options{})
	client, server := netip.MustParseAddrPort("192.0.2.8:4000"), netip.MustParseAddrPort("198.51.100.7:443")
	key, fromB := tuple(0, client, server, 6)
	for _, c := range []struct {
		name    string
		rule    uint32
		packets uint64
	}{{"the same rule", 7, 1}, {"another rule", 8, 0}} {
		if err := r.DecideFlow(key, fromB, FlowDecision{Action: verdict.Drop, Rule: 7, Idle: time.Minute, Life: time.Hour}); err != nil {
			t.Fatal(err)
		}
		r.runFrame(segment(client, server))
		v := verdict.Verdict{ID: c.name, Match: verdict.Match{Flow: &verdict.FlowKey{Src: client, Dst: server, Proto: 6}}, Action: verdict.Drop,
			Origin: verdict.OriginRule, Rule: c.rule, Reason: "test", CreatedBy: "test", CreatedAt: r.now, ExpiresAt: r.now.Add(time.Hour)}
		r.apply(v)
		if got, _ := r.Verdict(v.ID); got.Packets != c.packets {
			t.Errorf("%s: %d packets, want %d", c.name, got.Packets, c.packets)
		}
		r.expect("192.0.2.8", xdpDrop)
		if err := r.Remove(v.ID); err != nil {
			t.Fatal(err)
		}
		r.expect("192.0.2.8", xdpPass)
	}
}

// BenchmarkReplace swaps in a million sources, and then each time another million: ns/op is the whole call, ms-swap the
// writing of the maps. Again swaps a million in that differ by one.
func BenchmarkReplace(b *testing.B) {
	const n = 1 << 20
	sets := [2][]verdict.Verdict{million(n, 11), million(n, 12)}
	for name, vary := range map[string]int{"others": 1, "again": 0} {
		b.Run(name, func(b *testing.B) {
			r := newRig(b, bpf.Options{Sources: 2 * n})
			r.guard = verdict.NewGuard(verdict.DefaultLimits(4 * n))
			swap := time.Hour
			for i := 0; b.Loop(); i++ {
				set := sets[i&vary]
				if i > 0 {
					set[0].Seq++
				}
				if err := r.Replace(1, 1, set); err != nil {
					b.Fatal(err)
				}
				if i > 0 || b.N == 1 {
					swap = min(swap, r.Stats().LastSwap)
				}
			}
			b.ReportMetric(swap.Seconds()*1e3, "ms-swap")
		})
	}
}

// million are n verdicts of a feed on addresses in a /8.
func million(n int, net byte) []verdict.Verdict {
	now := time.Now()
	vs := make([]verdict.Verdict, n)
	for i := range vs {
		a := netip.AddrFrom4([4]byte{net, byte(i * 7 >> 16), byte(i * 7 >> 8), byte(i * 7)})
		vs[i] = verdict.Verdict{
			ID: fmt.Sprint(net, "-", i), Epoch: 1, Seq: uint64(i + 1), Match: verdict.Match{Src: netip.PrefixFrom(a, 32)}, Action: verdict.Drop,
			Origin: verdict.OriginFeed, Reason: "listed", CreatedBy: "feed", CreatedAt: now, ExpiresAt: now.Add(24 * time.Hour),
		}
	}
	return vs
}
