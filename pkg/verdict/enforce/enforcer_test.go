package enforce

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/pkg/verdict"
)

const (
	bad4, good4 = "203.0.113.5", "203.0.113.6"
	bad6, good6 = "2001:db8:1::5", "2001:db8:2::6"
)

func TestApplyRemove(t *testing.T) {
	for _, src := range []string{bad4, bad6, "2001:db8:1::/64", "203.0.112.0/20", "2001:db8:1::/48", "203.0.113.4/31"} {
		t.Run(src, func(t *testing.T) {
			r := newRig(t, bpf.Options{})
			inside, outside := bad4, "198.18.0.1"
			if prefix(src).Addr().Is6() {
				inside, outside = bad6, good6
			}
			r.expect(inside, xdpPass)
			r.apply(r.drop("v", src))
			r.expect(inside, xdpDrop)
			r.expect(inside, xdpDrop)
			r.expect(outside, xdpPass)
			if v, ok := r.Verdict("v"); !ok || v.Packets != 2 || v.Bytes == 0 {
				t.Errorf("hits %d packets %d bytes, want 2 packets", v.Packets, v.Bytes)
			}
			if err := r.Remove("v"); err != nil {
				t.Fatal(err)
			}
			r.expect(inside, xdpPass)
			if err := r.Remove("v"); err != nil {
				t.Errorf("removing it twice: %v", err)
			}
		})
	}
}

func TestUpdateKeepsHits(t *testing.T) {
	r := newRig(t, bpf.Options{})
	v := r.drop("v", bad4)
	r.apply(v)
	r.expect(bad4, xdpDrop)
	v.Action = verdict.Observe
	r.apply(v)
	r.expect(bad4, xdpPass)
	if got, _ := r.Verdict("v"); got.Packets != 2 {
		t.Errorf("%d packets, want both", got.Packets)
	}
	v.Action, v.Match.Src = verdict.Drop, prefix(good4)
	r.apply(v)
	r.expect(bad4, xdpPass)
	r.expect(good4, xdpDrop)
	if fill := r.Fills()["verdicts"]; fill.Used != 1 {
		t.Errorf("%d slots in use, want 1", fill.Used)
	}
}

// TestMerge checks what holds while several verdicts are about one source, and what comes back as they go.
func TestMerge(t *testing.T) {
	r := newRig(t, bpf.Options{})
	feed, analyst := r.drop("feed", bad4), r.drop("analyst", bad4)
	feed.Origin = verdict.OriginFeed
	analyst.Origin, analyst.Action = verdict.OriginAnalyst, verdict.Pass
	ssh := r.drop("ssh", bad4)
	ssh.Match.Proto, ssh.Match.Port = 6, 22
	r.apply(feed)
	r.apply(ssh)
	r.expect(bad4, xdpDrop)
	r.apply(analyst)
	r.expect(bad4, xdpPass)
	r.Remove("feed")
	r.expect(bad4, xdpPass)
	r.Remove("analyst")
	r.expect(bad4, xdpPass) // port 443: only ssh is dropped
	to22 := segment(netip.AddrPortFrom(netip.MustParseAddr(bad4), 4000), netip.MustParseAddrPort("198.51.100.7:22"))
	if got := r.runFrame(to22); got != xdpDrop {
		t.Errorf("port 22: action %d", got)
	}
	r.apply(feed)
	r.expect(bad4, xdpDrop)
	r.Remove("ssh")
	r.expect(bad4, xdpDrop)
}

// TestNestedPrefixes adds and removes prefixes within each other in every order that matters.
func TestNestedPrefixes(t *testing.T) {
	wide, narrow := "203.0.112.0/20", "203.0.113.0/24"
	allow := func(r *rig) {
		v := r.drop("allow", wide)
		v.Origin, v.Action = verdict.OriginAnalyst, verdict.Pass
		r.apply(v)
	}
	drop := func(r *rig) { r.apply(r.drop("drop", narrow)) }
	for name, steps := range map[string][]func(*rig){"wide first": {allow, drop}, "narrow first": {drop, allow}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, bpf.Options{})
			for _, step := range steps {
				step(r)
			}
			r.expect(bad4, xdpPass)
			r.Remove("allow")
			r.expect(bad4, xdpDrop)
			allow(r)
			r.expect(bad4, xdpPass)
			r.Remove("drop")
			r.Remove("allow")
			r.expect(bad4, xdpPass)
		})
	}
}

func TestExpiry(t *testing.T) {
	r := newRig(t, bpf.Options{})
	v := r.drop("v", bad4)
	v.ExpiresAt = r.now.Add(300 * time.Millisecond)
	r.apply(v)
	r.expect(bad4, xdpDrop)
	time.Sleep(300*time.Millisecond + 2*r.clock.Length())
	r.expect(bad4, xdpPass) // by the kernel alone
	if r.Len() != 1 {
		t.Fatalf("%d verdicts before the sweep", r.Len())
	}
	r.now = r.now.Add(time.Second)
	if _, err := r.Sweep(); err != nil {
		t.Fatal(err)
	}
	if r.Len() != 0 || r.Stats().Expired != 1 {
		t.Errorf("%d verdicts after the sweep, %d expired", r.Len(), r.Stats().Expired)
	}
}

func TestReplace(t *testing.T) {
	r := newRig(t, bpf.Options{})
	collectors := func(id, src string) verdict.Verdict {
		v := r.drop(id, src)
		v.Epoch, v.Seq = 7, 1
		return v
	}
	r.apply(r.drop("own", "192.0.2.1"))
	r.apply(collectors("old", "192.0.2.2"))
	r.apply(collectors("both", "192.0.2.3"))
	r.expect("192.0.2.3", xdpDrop)
	loopback := collectors("refused", "127.0.0.1")
	err := r.Replace(7, 9, []verdict.Verdict{collectors("both", "192.0.2.3"), collectors("new", "192.0.2.4"), collectors("wide", "198.18.0.0/16"), loopback})
	var refusal *verdict.Refusal
	if !errors.As(err, &refusal) || refusal.ID != "refused" || refusal.Rule != verdict.NeverBlock {
		t.Errorf("error %v, want the refusal of loopback", err)
	}
	for src, want := range map[string]uint32{"192.0.2.1": xdpDrop, "192.0.2.2": xdpPass, "192.0.2.3": xdpDrop, "192.0.2.4": xdpDrop, "198.18.9.9": xdpDrop} {
		r.expect(src, want)
	}
	if v, _ := r.Verdict("both"); v.Packets != 2 {
		t.Errorf("%d packets, want the hit before the swap kept", v.Packets)
	}
	if epoch, seq := r.Position(); epoch != 7 || seq != 9 {
		t.Errorf("position %d/%d", epoch, seq)
	}
	if err := r.Replace(8, 0, nil); err != nil {
		t.Fatal(err)
	}
	for src, want := range map[string]uint32{"192.0.2.1": xdpDrop, "192.0.2.3": xdpPass, "198.18.9.9": xdpPass} {
		r.expect(src, want)
	}
	if used := r.Fills()["verdicts"].Used; used != 1 {
		t.Errorf("%d slots in use, want 1", used)
	}
}

// TestManySources fills the table to its capacity, so that buckets overflow, and empties it again.
func TestManySources(t *testing.T) {
	const n = 1 << 12
	r := newRig(t, bpf.Options{Sources: n})
	src := func(i int) string { return fmt.Sprintf("10.%d.%d.1", i>>8, i&255) }
	held := 0
	for i := range n {
		if err := r.Apply(r.drop(fmt.Sprint(i), src(i))); err != nil {
			var refusal *verdict.Refusal
			if !errors.As(err, &refusal) || refusal.Rule != verdict.OverBudget {
				t.Fatal(err)
			}
			continue
		}
		held++
	}
	if held != n/2 { // rules may hold half
		t.Errorf("%d verdicts held, want %d", held, n/2)
	}
	for i := range n {
		want := uint32(xdpDrop)
		if i >= held {
			want = xdpPass
		}
		r.expect(src(i), want)
	}
	for i := range held {
		if i%3 != 0 {
			r.Remove(fmt.Sprint(i))
		}
	}
	for i := range held {
		want := uint32(xdpPass)
		if i%3 == 0 {
			want = xdpDrop
		}
		r.expect(src(i), want)
	}
}

func TestChainLimit(t *testing.T) {
	r := newRig(t, bpf.Options{})
	for port := range bpf.ChainLimit + 1 {
		v := r.drop(fmt.Sprint(port), bad4)
		v.Match.Port = uint16(1000 + port)
		err := r.Apply(v)
		if (err == nil) != (port < bpf.ChainLimit) {
			t.Errorf("verdict %d: error %v", port, err)
		}
	}
	if r.Len() != bpf.ChainLimit {
		t.Errorf("%d verdicts held", r.Len())
	}
	nested := newRig(t, bpf.Options{})
	for i := range bpf.ChainLimit + 1 {
		err := nested.Apply(nested.drop(fmt.Sprint(i), fmt.Sprintf("203.0.113.0/%d", 31-i)))
		if (err == nil) != (i < bpf.ChainLimit) {
			t.Errorf("prefix %d: error %v", i, err)
		}
	}
	nested.expect("203.0.113.1", xdpDrop)
}

func TestProtect(t *testing.T) {
	r := newRig(t, bpf.Options{})
	r.apply(r.drop("v", bad4))
	r.apply(r.drop("wide", "203.0.112.0/20"))
	r.expect(bad4, xdpDrop)
	list := []verdict.Protected{{Prefix: prefix(bad4), Why: "the gateway"}}
	if err := r.Protect(list); err != nil {
		t.Fatal(err)
	}
	r.expect(bad4, xdpPass)
	r.expect(good4, xdpDrop)
	if _, ok := r.Verdict("v"); ok {
		t.Errorf("the verdict on a protected address is still held")
	}
	var refusal *verdict.Refusal
	if err := r.Apply(r.drop("again", bad4)); !errors.As(err, &refusal) || refusal.Rule != verdict.NeverBlock {
		t.Errorf("error %v, want never-block", err)
	}
	if err := r.Protect(nil); err != nil {
		t.Fatal(err)
	}
	r.expect(bad4, xdpDrop)
}

func TestFlows(t *testing.T) {
	r := newRig(t, bpf.Options{})
	client, server := netip.MustParseAddrPort(bad4+":4000"), netip.MustParseAddrPort("198.51.100.7:443")
	key, fromB := bpf.NewTuple(0, client.Addr().As16(), server.Addr().As16(), client.Port(), server.Port(), 6)
	if err := r.DecideFlow(key, fromB, FlowDecision{Action: verdict.Drop, Rule: 9, Idle: time.Second, Life: time.Hour}); err != nil {
		t.Fatal(err)
	}
	r.expect(bad4, xdpDrop)
	if got := r.runFrame(segment(server, client)); got != xdpDrop {
		t.Errorf("answer: action %d", got)
	}
	packets, _, ok := r.ForgetFlow(key)
	if !ok || packets != [2]uint64{1, 1} {
		t.Errorf("counted %v %v, want one each way", packets, ok)
	}
	r.expect(bad4, xdpPass)

	// a verdict of the table takes the place of inspection's
	r.DecideFlow(key, fromB, FlowDecision{Action: verdict.Bypass, Idle: time.Minute, Life: time.Hour})
	v := r.drop("v", bad4)
	v.Match = verdict.Match{Flow: &verdict.FlowKey{Src: client, Dst: server, Proto: 6}}
	r.apply(v)
	r.expect(bad4, xdpDrop)
	if err := r.DecideFlow(key, fromB, FlowDecision{Action: verdict.Bypass, Idle: time.Minute}); err != nil {
		t.Fatal(err)
	}
	r.expect(bad4, xdpDrop)
	r.Remove("v")
	r.expect(bad4, xdpPass)
	if used := r.Fills()["flows"].Used; used != 0 {
		t.Errorf("%d flow slots in use", used)
	}
}

func TestFlowsLapse(t *testing.T) {
	r := newRig(t, bpf.Options{})
	client, server := netip.MustParseAddrPort(bad4+":4000"), netip.MustParseAddrPort("198.51.100.7:443")
	key, fromB := bpf.NewTuple(0, client.Addr().As16(), server.Addr().As16(), client.Port(), server.Port(), 6)
	r.DecideFlow(key, fromB, FlowDecision{Action: verdict.Drop, Idle: time.Second, Life: time.Hour})
	for range 4 { // alive for longer than the idle time
		time.Sleep(500 * time.Millisecond)
		r.expect(bad4, xdpDrop)
		r.Sweep()
	}
	time.Sleep(1200 * time.Millisecond)
	r.expect(bad4, xdpPass)
	r.Sweep()
	if used := r.Fills()["flows"].Used; used != 0 {
		t.Errorf("%d flow slots in use", used)
	}
}

func TestFlowsFull(t *testing.T) {
	r := newRig(t, bpf.Options{Flows: 8})
	var err error
	n := 0
	for ; err == nil && n < 100; n++ {
		key, fromB := bpf.NewTuple(0, netip.MustParseAddr(bad4).As16(), netip.MustParseAddr(good4).As16(), uint16(n+1), 80, 6)
		err = r.DecideFlow(key, fromB, FlowDecision{Action: verdict.Bypass, Idle: time.Minute})
	}
	if !errors.Is(err, ErrFlowsFull) || n != 9 || r.Stats().FlowFull != 1 {
		t.Errorf("after %d flows: %v, counted %d", n, err, r.Stats().FlowFull)
	}
}

func TestArm(t *testing.T) {
	r := newRig(t, bpf.Options{})
	server := netip.MustParseAddr("198.51.100.7")
	if err := r.Arm(server, bpf.ClassTCP, 0, time.Minute); err != nil {
		t.Fatal(err)
	}
	r.expect(good4, xdpDrop)
	r.MarkGood(netip.MustParseAddr(good4))
	r.expect(good4, xdpPass)
	r.expect(bad4, xdpDrop)
	r.MarkGood(netip.MustParseAddr(good6)) // by /64, which is another table's word
	r.now = r.now.Add(goodLife + time.Second)
	r.Sweep()
	r.expect(good4, xdpPass)
	r.now = r.now.Add(goodLife + time.Second)
	r.Sweep()
	r.expect(good4, xdpDrop)
	r.Disarm(server, bpf.ClassTCP)
	r.expect(bad4, xdpPass)
	for d := range r.Destinations() {
		if d.Addr != server || d.Packets[bpf.ClassTCP] != 6 || d.Fixed {
			t.Errorf("destination %+v", d)
		}
	}
	r.Arm(server, bpf.ClassTCP, 0, 100*time.Millisecond)
	r.expect(bad4, xdpDrop)
	time.Sleep(100*time.Millisecond + 2*r.clock.Length())
	r.expect(bad4, xdpPass)
}

func TestWatchFillsSets(t *testing.T) {
	r := newRig(t, bpf.Options{}) // 64 destinations
	var err error
	n := 0
	for ; err == nil && n < 200; n++ {
		err = r.Watch([]netip.Addr{netip.AddrFrom4([4]byte{198, 51, byte(n), 1})})
	}
	if err == nil || n < bpf.DestWays {
		t.Errorf("after %d watched destinations: %v", n, err)
	}
}

func TestControls(t *testing.T) {
	r := newRig(t, bpf.Options{})
	r.apply(r.drop("v", bad4))
	r.SetObserve(true)
	r.expect(bad4, xdpPass)
	r.SetObserve(false)
	r.expect(bad4, xdpDrop)
	r.KillSwitch(true)
	if r.expect(bad4, xdpPass); !r.Killed() {
		t.Error("not killed")
	}
	r.KillSwitch(false)
	r.SetFailure(Failure{Policy: bpf.FailOpen, Lease: 200 * time.Millisecond})
	r.Heartbeat()
	r.expect(bad4, xdpDrop)
	time.Sleep(200*time.Millisecond + 2*r.clock.Length())
	r.expect(bad4, xdpPass)
	r.Heartbeat()
	r.expect(bad4, xdpDrop)
	c, err := r.Counters()
	if err != nil || c.Drops[bpf.ReasonSource] != 3 || c.Would[bpf.ReasonSource] != 1 || c.Paths[bpf.PathKilled] != 1 {
		t.Errorf("counters %+v %v", c, err)
	}
}

func TestBreaker(t *testing.T) {
	r := newRig(t, bpf.Options{})
	flood := r.drop("flood", "192.0.2.1")
	flood.Origin = verdict.OriginFlood
	r.apply(flood)
	r.apply(r.drop("settled", "192.0.2.2"))
	r.Sweep()
	r.now = r.now.Add(time.Minute)
	r.apply(r.drop("new", "192.0.2.3"))
	r.apply(r.drop("new too", "192.0.2.4"))
	r.Sweep()
	burst := func(src string, n int) {
		frame := segment(netip.AddrPortFrom(netip.MustParseAddr(src), 4000), netip.MustParseAddrPort("198.51.100.7:443"))
		if _, _, err := r.s.Program().Benchmark(frame, n, func() {}); err != nil {
			t.Fatal(err)
		}
	}
	sweep := func() []string {
		r.now = r.now.Add(time.Second)
		tripped, err := r.Sweep()
		if err != nil {
			t.Fatal(err)
		}
		return tripped
	}
	burst("192.0.2.1", 5000)
	burst("192.0.2.2", 5000)
	if got := sweep(); got != nil {
		t.Errorf("tripped by settled and flood verdicts: %v", got)
	}
	burst("192.0.2.3", 5000)
	burst("192.0.2.9", 50000)
	if got := sweep(); got != nil {
		t.Errorf("tripped by a tenth: %v", got)
	}
	burst("192.0.2.3", 900)
	if got := sweep(); got != nil {
		t.Errorf("tripped by a trickle: %v", got)
	}
	burst("192.0.2.3", 5000)
	burst("192.0.2.9", 5000)
	if got := sweep(); len(got) != 2 || r.Stats().Tripped != 1 {
		t.Errorf("tripped %v, want both new ones", got)
	}
	r.expect("192.0.2.3", xdpPass)
	r.expect("192.0.2.4", xdpPass)
	r.expect("192.0.2.1", xdpDrop)
	if v, _ := r.Verdict("new"); !v.Suspended || v.Packets != 10901 {
		t.Errorf("suspended %v, counted %d", v.Suspended, v.Packets)
	}
	if err := r.Resume("new"); err != nil {
		t.Fatal(err)
	}
	r.expect("192.0.2.3", xdpDrop)
}

func TestSamples(t *testing.T) {
	r := newRig(t, bpf.Options{})
	s, err := r.OpenSamples()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, ok, err := s.Next(10 * time.Millisecond); ok || err != nil {
		t.Errorf("a sample of nothing: %v %v", ok, err)
	}
	v := r.drop("v", bad4)
	v.Rule = 2001219
	r.apply(v)
	r.expect(bad4, xdpDrop)
	got, ok, err := s.Next(time.Second)
	if !ok || err != nil || got.Rule != 2001219 || got.Reason != bpf.ReasonSource {
		t.Errorf("sample %+v %v %v", got, ok, err)
	}
}

// TestInspectionDoesNotWaitForASet decides, arms and sweeps while another goroutine holds the table, as Replace does for seconds.
func TestInspectionDoesNotWaitForASet(t *testing.T) {
	r := newRig(t, bpf.Options{})
	client, server := netip.MustParseAddrPort("192.0.2.8:4000"), netip.MustParseAddrPort("198.51.100.7:443")
	key, fromB := tuple(0, client, server, 6)
	r.mu.Lock()
	done := make(chan error, 1)
	go func() {
		err := r.DecideFlow(key, fromB, FlowDecision{Action: verdict.Drop, Idle: time.Minute, Life: time.Hour})
		_, swept := r.Sweep()
		done <- errors.Join(err, swept, r.Arm(server.Addr(), bpf.ClassSYN, 1, time.Minute))
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Error("it waited for the table")
	}
	r.mu.Unlock()
	r.expect("192.0.2.8", xdpDrop)
}
