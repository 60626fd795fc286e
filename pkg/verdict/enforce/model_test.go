package enforce

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/pkg/verdict"
)

// model decides about packets as the design says, from the plain list of verdicts: no tables, no chains.
type model struct {
	verdicts map[string]verdict.Verdict
	guarded  []netip.Prefix
}

func (m *model) drops(src, dst netip.AddrPort, proto uint8) bool {
	for _, p := range m.guarded {
		if p.Contains(src.Addr()) {
			return false
		}
	}
	var found []verdict.Verdict
	for _, v := range m.verdicts {
		if v.Action != verdict.Observe && matches(&v.Match, src, dst, proto) {
			found = append(found, v)
		}
	}
	if len(found) == 0 {
		return false
	}
	return slices.MaxFunc(found, stronger).Action == verdict.Drop
}

func matches(m *verdict.Match, src, dst netip.AddrPort, proto uint8) bool {
	if f := m.Flow; f != nil {
		return f.Proto == proto && (f.Src == src && f.Dst == dst || f.Src == dst && f.Dst == src)
	}
	return m.Src.Contains(src.Addr()) && (!m.Dst.IsValid() || m.Dst.Contains(dst.Addr())) &&
		(m.Proto == 0 || m.Proto == proto) && (m.Port == 0 || m.Port == dst.Port())
}

// stronger orders verdicts that match one packet: by rank, then the narrower subject, then the later.
func stronger(a, b verdict.Verdict) int {
	length := func(v *verdict.Verdict) int {
		if v.Match.Flow != nil {
			return 1000
		}
		return v.Match.Src.Bits()
	}
	return cmp.Or(cmp.Compare(a.Rank(), b.Rank()), cmp.Compare(length(&a), length(&b)), a.CreatedAt.Compare(b.CreatedAt))
}

// world draws addresses, prefixes and verdicts from so small a space that they meet.
type world struct {
	*rand.Rand
	serial int
	now    time.Time
}

func (w *world) addr(six bool) netip.Addr {
	if six {
		a := netip.MustParseAddr("2001:db8::").As16()
		a[5], a[7], a[15] = byte(w.IntN(2)), byte(w.IntN(3)), byte(w.IntN(3))
		return netip.AddrFrom16(a)
	}
	return netip.AddrFrom4([4]byte{198, 18, byte(w.IntN(3)), byte(w.IntN(4))})
}

func (w *world) prefix(six bool) netip.Prefix {
	bits := []int{32, 32, 32, 31, 24, 23, 20, 16}
	if six {
		bits = []int{128, 128, 64, 64, 127, 63, 48, 47, 40, 32}
	}
	return netip.PrefixFrom(w.addr(six), bits[w.IntN(len(bits))]).Masked()
}

func (w *world) ends(six bool) (src, dst netip.AddrPort) {
	return netip.AddrPortFrom(w.addr(six), uint16(1+w.IntN(2))), netip.AddrPortFrom(w.addr(six), uint16(1+w.IntN(3)))
}

func (w *world) verdict() verdict.Verdict {
	w.serial++
	six := w.IntN(2) == 0
	v := verdict.Verdict{
		ID: fmt.Sprint("v", w.serial), Reason: "test", CreatedBy: "test",
		Action:    []verdict.Action{verdict.Drop, verdict.Drop, verdict.Drop, verdict.Pass, verdict.Bypass, verdict.Observe}[w.IntN(6)],
		Origin:    []verdict.Origin{verdict.OriginAnalyst, verdict.OriginRule, verdict.OriginFlood, verdict.OriginFeed}[w.IntN(4)],
		CreatedAt: w.now.Add(time.Duration(w.serial)), ExpiresAt: w.now.Add(time.Hour),
	}
	if w.IntN(5) == 0 {
		src, dst := w.ends(six)
		v.Match.Flow = &verdict.FlowKey{Src: src, Dst: dst, Proto: 6}
		return v
	}
	v.Match.Src = w.prefix(six)
	if v.Allows() {
		v.Origin = verdict.OriginAnalyst
	}
	if v.Origin == verdict.OriginFlood {
		v.Match.Src = netip.PrefixFrom(v.Match.Src.Addr(), v.Match.Src.Addr().BitLen())
	}
	switch w.IntN(6) {
	case 0:
		v.Match.Port = uint16(1 + w.IntN(3))
	case 1:
		v.Match.Proto = []uint8{6, 17}[w.IntN(2)]
	case 2:
		v.Match.Dst = w.prefix(six)
	}
	return v
}

// TestKernelAgreesWithModel compares XDP with the model for sets of verdicts drawn from some seeds.
func TestKernelAgreesWithModel(t *testing.T) {
	dropped := 0
	for seed := range uint64(6) {
		dropped += agree(t, seed)
	}
	if dropped < 600 {
		t.Errorf("only %d packets dropped: the test compares too little", dropped)
	}
}

// FuzzKernelAgreesWithModel looks for a seed whose verdicts XDP and the model see differently.
func FuzzKernelAgreesWithModel(f *testing.F) {
	f.Add(uint64(99))
	f.Fuzz(func(t *testing.T, seed uint64) { agree(t, seed) })
}

// agree changes a set of verdicts at random, one by one and in whole sets, and after each change compares what XDP does to
// random packets with what the model says. It returns how many were dropped.
func agree(t *testing.T, seed uint64) (dropped int) {
	r := newRig(t, bpf.Options{})
	w := &world{Rand: rand.New(rand.NewPCG(seed, 7)), now: r.now}
	m := &model{verdicts: map[string]verdict.Verdict{}}
	for round := range 60 {
		change(r, w, m)
		dropped += compare(r, w, m, round)
	}
	return dropped
}

// compare sends random packets and returns how many were dropped.
func compare(r *rig, w *world, m *model, round int) (dropped int) {
	r.Helper()
	for range 60 {
		src, dst := w.ends(w.IntN(2) == 0)
		if src.Addr() == dst.Addr() {
			continue // malformed: another stage's
		}
		want := m.drops(src, dst, 6)
		if got := r.runFrame(segment(src, dst)) == xdpDrop; got != want {
			r.Fatalf("round %d: %v to %v dropped: %v, the model says %v\n%vguarded %v", round, src, dst, got, want, about(m, src, dst), m.guarded)
		}
		if want {
			dropped++
		}
	}
	return dropped
}

func change(r *rig, w *world, m *model) {
	switch w.IntN(12) {
	case 0: // a whole set of the collector's
		var set []verdict.Verdict
		for range w.IntN(40) {
			v := w.verdict()
			v.Epoch, v.Seq = 1, uint64(w.serial)
			set = append(set, v)
		}
		for id, v := range m.verdicts {
			if v.Epoch != 0 {
				delete(m.verdicts, id)
			}
		}
		for _, v := range set {
			m.verdicts[v.ID] = v
		}
		for _, refused := range refusals(r.Replace(1, uint64(w.serial), set)) {
			delete(m.verdicts, refused)
		}
	case 1: // other guards
		m.guarded = m.guarded[:0]
		var list []verdict.Protected
		for range w.IntN(3) {
			a := w.addr(w.IntN(2) == 0)
			p := netip.PrefixFrom(a, a.BitLen()-w.IntN(2)).Masked()
			m.guarded = append(m.guarded, p)
			list = append(list, verdict.Protected{Prefix: p, Why: "test"})
		}
		if err := r.Protect(list); err != nil {
			r.Fatal(err)
		}
		for id := range m.verdicts {
			if _, ok := r.Verdict(id); !ok {
				delete(m.verdicts, id)
			}
		}
	case 2, 3, 4: // some go
		for _, id := range slices.Sorted(maps.Keys(m.verdicts)) {
			if w.IntN(4) == 0 {
				delete(m.verdicts, id)
				if err := r.Remove(id); err != nil {
					r.Fatal(err)
				}
			}
		}
	default: // some come
		for range 1 + w.IntN(8) {
			v := w.verdict()
			if err := r.Apply(v); err == nil {
				m.verdicts[v.ID] = v
			} else if len(refusals(err)) != 1 {
				r.Fatal(err)
			}
		}
	}
	if r.Len() != len(m.verdicts) {
		r.Fatalf("%d verdicts in the table, %d in the model", r.Len(), len(m.verdicts))
	}
}

// refusals are the IDs of the verdicts that an error refuses.
func refusals(err error) (ids []string) {
	switch e := err.(type) {
	case nil:
	case *verdict.Refusal:
		ids = append(ids, e.ID)
	case interface{ Unwrap() []error }:
		for _, each := range e.Unwrap() {
			ids = append(ids, refusals(each)...)
		}
	default:
		panic(err)
	}
	return ids
}

func about(m *model, src, dst netip.AddrPort) (out string) {
	for _, v := range m.verdicts {
		if matches(&v.Match, src, dst, 6) {
			out += fmt.Sprintf("  %s %v %v rank %d %v %+v\n", v.ID, v.Origin, v.Action, v.Rank(), v.Match, v.Match.Flow)
		}
	}
	return out
}
