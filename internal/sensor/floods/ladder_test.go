package floods

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/threshold"
)

// browser is a SYN as clients send it, tool as a tool that floods does.
func browser(rng *rand.Rand) bpf.Features {
	return bpf.Features{Length: 60, ID: uint16(rng.Uint32()), Fragment: 0x4000, TTL: uint8(40 + rng.UintN(25)), SPort: 1024 + uint16(rng.UintN(60000)), DPort: 80,
		Window: []uint16{64240, 65535, 29200}[rng.UintN(3)], Options: 0x31842, MSS: 1460, Scale: 8, Flags: 2, Seq: rng.Uint32(), Proto: 6, Version: 4}
}

func tool(rng *rand.Rand) bpf.Features {
	return bpf.Features{Length: 40, ID: uint16(rng.Uint32()), TTL: uint8(40 + rng.UintN(200)), SPort: uint16(rng.Uint32()), DPort: 80, Window: 512,
		Flags: 2, Seq: rng.Uint32(), Proto: 6, Version: 4}
}

func many(n int, make func(*rand.Rand) bpf.Features) (out []bpf.Features) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range n {
		out = append(out, make(rng))
	}
	return out
}

func TestAFingerprintIsFoundAndSparesWhatIsNormal(t *testing.T) {
	normal := many(100, browser)
	mixed := append(many(200, tool), many(20, browser)...)
	for _, c := range []struct {
		name           string
		attack, normal []bpf.Features
		found          int
	}{
		{"a tool's", mixed, normal, 1},
		{"a tool's, while nothing is known", mixed, nil, 1},
		{"like clients'", many(200, browser), normal, 0},
		{"like clients', while nothing is known", many(200, browser), nil, 0},
	} {
		found := search(c.attack, c.normal, bpf.ClassSYN, 4)
		if len(found) != c.found {
			t.Errorf("%s: %d found: %+v", c.name, len(found), found)
			continue
		}
		for _, p := range found {
			alike := 0
			for i := range c.attack {
				if p.matches(&c.attack[i]) {
					alike++
				}
			}
			if alike < 190 || p.Mask.Window == 0 || p.Mask.Options != 1<<32-1 || p.Mask.Seq != 0 || !strings.Contains(p.words, "window 512") {
				t.Errorf("%s: %d alike: %s", c.name, alike, p.words)
			}
			for _, f := range normal {
				if p.matches(&f) {
					t.Fatalf("%s: %s drops %+v", c.name, p.words, f)
				}
			}
		}
	}
}

func TestAMixtureHasSeveralFingerprints(t *testing.T) {
	first, second := many(150, browser), many(150, browser)
	for i := range first {
		first[i].Window, second[i].Window = 512, 1024
	}
	found := search(append(first, second...), many(100, browser), bpf.ClassSYN, 4)
	if len(found) != 2 || found[0].Value.Window == found[1].Value.Window {
		t.Errorf("%+v", found)
	}
}

func TestAnUnalikeFloodHasNoFingerprint(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var noise []bpf.Features
	for range 200 {
		noise = append(noise, bpf.Features{Length: uint16(40 + rng.UintN(1400)), TTL: uint8(rng.UintN(255)), SPort: uint16(rng.Uint32()), DPort: uint16(rng.Uint32()),
			Head: [8]byte{byte(rng.Uint32()), byte(rng.Uint32())}, Proto: 17, Version: 4, ID: uint16(rng.Uint32()), TOS: uint8(rng.Uint32()), Fragment: uint16(rng.Uint32())})
	}
	if found := search(noise, nil, bpf.ClassUDP, 4); len(found) != 0 {
		t.Errorf("%s", found[0].words)
	}
}

// show lets the kernel show packets to the victim.
func (s *scene) show(n int, good uint8, make func(*rand.Rand) bpf.Features) {
	for i, f := range many(n, make) {
		a := decode.AddrFrom(netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)}))
		s.sighted(&bpf.Sighting{Src: a, Dst: decode.AddrFrom(victim), Class: bpf.ClassSYN, Good: good, Features: f}, s.now)
	}
}

// drop has the kernel count packets that look like the fingerprints in place.
func (s *scene) drop(d time.Duration, came, alike uint32) {
	for end := s.now.Add(d); s.now.Before(end); {
		for i := range s.prints[victim] {
			s.prints[victim][i].Packets += uint64(alike)
		}
		s.pass(lookEvery, bpf.ClassSYN, came, victim)
	}
}

// TestTheLadderIsClimbed goes from a limit at once to a fingerprint on trial, in force, and the limit lifted; and back when the
// attack changes.
func TestTheLadderIsClimbed(t *testing.T) {
	s := newScene(t, nil)
	s.show(60, 0, browser)
	s.pass(5*time.Second, bpf.ClassSYN, 5, victim)
	s.pass(300*time.Millisecond, bpf.ClassSYN, 2000, victim)
	if s.armed[armKey{victim, bpf.ClassSYN}] != 1000 || !s.steps[victim][bpf.StepSight] {
		t.Fatalf("armed %v, steps %v", s.armed, s.steps)
	}
	s.show(100, 0, tool)
	s.pass(2*lookEvery, bpf.ClassSYN, 2000, victim)
	if p := s.prints[victim]; len(p) != 1 || p[0].Flags != bpf.PrintObserve {
		t.Fatalf("no fingerprint on trial: %+v", p)
	}
	s.drop(6*lookEvery, 2000, 1990)
	if p := s.prints[victim]; len(p) != 1 || p[0].Flags != 0 {
		t.Fatalf("the fingerprint is not in force: %+v", p)
	}
	s.drop(4*time.Second, 2000, 1990)
	if len(s.armed) != 0 {
		t.Errorf("the limit stays: %v", s.armed)
	}
	if st := s.Stats(); st.Active["syn-flood"] != 1 || st.Begun["syn-flood"] != 1 || st.Fingerprints != 1 || st.Sighted != 160 {
		t.Errorf("%+v", st)
	}
	a := s.Attacks()[0]
	if m := a.Measures[len(a.Measures)-1]; m.Step != stepPrint || m.Dropped < 30*1990 || !strings.Contains(m.Why, "99 %") {
		t.Errorf("%+v", a.Measures)
	}
	if a.Samples == nil {
		t.Error("no samples")
	}
	s.drop(2*time.Second, 2000, 0) // it looks otherwise now
	if s.armed[armKey{victim, bpf.ClassSYN}] != 1000 {
		t.Error("the limit is not back")
	}
	s.pass(20*time.Second, bpf.ClassSYN, 0)
	if len(s.prints[victim]) != 0 || len(s.armed) != 0 || len(s.Attacks()) != 0 {
		t.Errorf("something stays: %v %v %v", s.prints, s.armed, s.phases())
	}
}

func TestAFingerprintThatDoesNotHoldIsLifted(t *testing.T) {
	s := newScene(t, nil)
	s.pass(300*time.Millisecond, bpf.ClassSYN, 2000, victim)
	s.show(100, 0, tool)
	s.pass(2*lookEvery, bpf.ClassSYN, 2000, victim)
	if len(s.prints[victim]) != 1 {
		t.Fatal("no trial")
	}
	s.drop(time.Second, 2000, 300)
	s.show(100, 0, tool)
	s.drop(time.Second, 2000, 300)
	if len(s.prints[victim]) != 0 || s.armed[armKey{victim, bpf.ClassSYN}] != 1000 {
		t.Errorf("%+v, armed %v", s.prints, s.armed)
	}
}

func TestObservingCountsWhatItWouldDrop(t *testing.T) {
	s := newScene(t, func(o *Options) { o.Enforce = false })
	s.pass(300*time.Millisecond, bpf.ClassSYN, 2000, victim)
	s.total.Would[bpf.ReasonFloodSYN] += 1500
	s.pass(lookEvery, bpf.ClassSYN, 2000, victim)
	a := s.Attacks()[0]
	if m := a.Measures[len(a.Measures)-1]; m.Step != stepLimit || m.Would != 1500 || m.Dropped != 0 {
		t.Errorf("%+v", a.Measures)
	}
}

func TestTalkersAreNamed(t *testing.T) {
	s := newScene(t, nil)
	s.pass(300*time.Millisecond, bpf.ClassSYN, 2000, victim)
	loud := decode.AddrFrom(netip.MustParseAddr("203.0.113.9"))
	for _, f := range many(100, tool) {
		s.sighted(&bpf.Sighting{Src: loud, Dst: decode.AddrFrom(victim), Class: bpf.ClassSYN, Features: f}, s.now)
	}
	s.show(150, 0, tool)
	s.pass(lookEvery, bpf.ClassSYN, 2000, victim)
	top := s.Attacks()[0].Top
	if len(top) == 0 || top[0].Addr != loud || top[0].Packets < 2000 {
		t.Errorf("%+v", top)
	}
	if n := s.Attacks()[0].Sources; n < 100 || n > 200 {
		t.Errorf("%d sources of about 150", n)
	}
}

func TestNormalsStayBounded(t *testing.T) {
	n := normals{known: map[normalKey]*normal{}}
	now := time.Unix(1e9, 0)
	for i := range 3 * normalsKept {
		n.add(threshold.Network(decode.Addr{10: 0xff, 11: 0xff, 12: 10, 13: byte(i >> 8), 14: byte(i)}), bpf.ClassSYN, &bpf.Features{}, now.Add(time.Duration(i)))
	}
	if len(n.known) != normalsKept {
		t.Errorf("%d networks", len(n.known))
	}
}
