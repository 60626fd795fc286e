package enforce

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/pkg/verdict"
)

const (
	xdpDrop = 1
	xdpPass = 2
)

// rig is an Enforcer over maps of its own, with a clock that tests move.
type rig struct {
	testing.TB
	*Enforcer
	s   *bpf.Sensor
	now time.Time
}

func newRig(tb testing.TB, o bpf.Options) *rig {
	tb.Helper()
	return newRigMode(tb, bpf.ModeHost, o)
}

func newRigMode(tb testing.TB, mode bpf.Mode, o bpf.Options) *rig {
	tb.Helper()
	o.Mode, o.NoPin = mode, true
	if o.Name == "" {
		o.Name = "test"
	}
	if o.Sources == 0 {
		o.Sources = 1 << 12
	}
	if o.Flows == 0 {
		o.Flows = 1 << 10
	}
	if o.Destinations == 0 {
		o.Destinations = 64
	}
	s, err := bpf.Load(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	r := &rig{TB: tb, s: s, now: time.Now()}
	limits := verdict.DefaultLimits(o.Sources)
	limits.Bits4[verdict.OriginRule], limits.Bits6[verdict.OriginRule] = 16, 32 // tests need prefixes of every rank
	limits.Bits4[verdict.OriginAnalyst], limits.Bits6[verdict.OriginAnalyst] = 16, 32
	r.Enforcer, err = New(s, Options{Limits: &limits, Now: func() time.Time { return r.now }})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { r.Enforcer.Close() })
	return r
}

// tcp4 and the like are one TCP segment with ACK set.
func segment(src, dst netip.AddrPort) []byte {
	l4 := make([]byte, 20)
	binary.BigEndian.PutUint16(l4[0:], src.Port())
	binary.BigEndian.PutUint16(l4[2:], dst.Port())
	l4[12], l4[13] = 5<<4, 0x10
	eth := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00}
	ip := []byte{0x45, 0, 0, 40, 0, 1, 0, 0, 64, 6, 0, 0}
	if src.Addr().Is6() {
		eth[12], eth[13] = 0x86, 0xdd
		ip = []byte{0x60, 0, 0, 0, 0, 20, 6, 64}
	}
	b := append(eth, ip...)
	b = append(b, src.Addr().AsSlice()...)
	b = append(b, dst.Addr().AsSlice()...)
	b = append(b, l4...)
	for len(b) < 60 {
		b = append(b, 0)
	}
	return b
}

// run returns what XDP does with a segment from src port 4000 to a fixed server's port 443.
func (r *rig) run(src string) uint32 {
	r.Helper()
	a := netip.MustParseAddr(src)
	server := netip.MustParseAddrPort("198.51.100.7:443")
	if a.Is6() {
		server = netip.MustParseAddrPort("[2001:db8:ffff::7]:443")
	}
	return r.runFrame(segment(netip.AddrPortFrom(a, 4000), server))
}

func (r *rig) runFrame(frame []byte) uint32 {
	r.Helper()
	action, _, err := r.s.Program().Test(frame)
	if err != nil {
		r.Fatal(err)
	}
	return action
}

func (r *rig) expect(src string, action uint32) {
	r.Helper()
	if got := r.run(src); got != action {
		r.Errorf("packet from %s: action %d, want %d", src, got, action)
	}
}

// drop is a verdict of a rule that stops src for an hour.
func (r *rig) drop(id, src string) verdict.Verdict {
	return verdict.Verdict{ID: id, Match: verdict.Match{Src: prefix(src)}, Action: verdict.Drop, Origin: verdict.OriginRule,
		Reason: "test", CreatedBy: "test", CreatedAt: r.now, ExpiresAt: r.now.Add(time.Hour)}
}

func (r *rig) apply(v verdict.Verdict) {
	r.Helper()
	if err := r.Apply(v); err != nil {
		r.Fatal(err)
	}
}

func prefix(s string) netip.Prefix {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p
	}
	a := netip.MustParseAddr(s)
	return netip.PrefixFrom(a, a.BitLen())
}
