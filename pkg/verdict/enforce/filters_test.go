package enforce

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/weir-ips/weir/bpf"
)

// datagram is a UDP packet over IPv4, or IPv6, without checksums.
func datagram(src, dst netip.AddrPort, ttl uint8, payload []byte) []byte {
	b := segment(src, dst)
	ip := 34
	if src.Addr().Is6() {
		ip = 54
		b[20], b[21] = 17, ttl
		binary.BigEndian.PutUint16(b[18:], uint16(8+len(payload)))
	} else {
		b[22], b[23] = ttl, 17
		binary.BigEndian.PutUint16(b[16:], uint16(28+len(payload)))
	}
	udp := binary.BigEndian.AppendUint16(nil, src.Port())
	udp = binary.BigEndian.AppendUint16(udp, dst.Port())
	udp = binary.BigEndian.AppendUint16(udp, uint16(8+len(payload)))
	udp = append(udp, 0, 0)
	return append(append(b[:ip], udp...), append(payload, make([]byte, 24)...)...) // padded as a NIC does
}

// shot is a packet of the test of filters.
type shot struct {
	src, dst netip.AddrPort
	ttl      uint8
	payload  []byte
}

func (s shot) features() bpf.Features {
	f := bpf.Features{Length: uint16(28 + len(s.payload)), ID: 1, TTL: s.ttl, SPort: s.src.Port(), DPort: s.dst.Port(),
		Payload: uint16(len(s.payload)), Src: binary.BigEndian.Uint32(s.src.Addr().AsSlice()), Proto: 17, Version: 4}
	if s.src.Addr().Is6() {
		f.Length, f.ID, f.Version = uint16(48+len(s.payload)), 0, 6
	}
	copy(f.Head[:], s.payload)
	return f
}

// TestFiltersAgreeWithModel compares XDP with a model for fingerprints, ports and known-good sources drawn from some seeds.
func TestFiltersAgreeWithModel(t *testing.T) {
	dropped := 0
	for seed := range uint64(4) {
		dropped += filtersAgree(t, seed)
	}
	if dropped < 400 {
		t.Errorf("only %d packets dropped: the test compares too little", dropped)
	}
}

// FuzzFiltersAgreeWithModel looks for a seed whose filters XDP and the model see differently.
func FuzzFiltersAgreeWithModel(f *testing.F) {
	f.Add(uint64(99))
	f.Fuzz(func(t *testing.T, seed uint64) { filtersAgree(t, seed) })
}

// filterModel is what packets to each destination are compared with.
type filterModel struct {
	prints map[netip.Addr][]bpf.Fingerprint
	ports  map[netip.Addr]map[uint16]bool
	good   map[netip.Addr]bool
}

func (m *filterModel) drops(s shot) bool {
	src := s.src.Addr()
	if src.Is6() {
		src = netip.PrefixFrom(src, 64).Masked().Addr()
	}
	for _, f := range m.prints[s.dst.Addr()] {
		if alike(s.features(), f) && f.Flags&bpf.PrintObserve == 0 && (!m.good[src] || f.Flags&bpf.PrintEveryone != 0) {
			return true
		}
	}
	return m.ports[s.dst.Addr()][s.src.Port()] && !m.good[src]
}

// alike compares field by field.
func alike(x bpf.Features, f bpf.Fingerprint) bool {
	v, m := f.Value, f.Mask
	for _, c := range [][3]uint32{
		{uint32(x.Length), uint32(v.Length), uint32(m.Length)}, {uint32(x.ID), uint32(v.ID), uint32(m.ID)},
		{uint32(x.TTL), uint32(v.TTL), uint32(m.TTL)}, {uint32(x.SPort), uint32(v.SPort), uint32(m.SPort)},
		{uint32(x.DPort), uint32(v.DPort), uint32(m.DPort)}, {uint32(x.Payload), uint32(v.Payload), uint32(m.Payload)},
		{uint32(x.Head[0]), uint32(v.Head[0]), uint32(m.Head[0])}, {x.Src, v.Src, m.Src},
		{uint32(x.Version), uint32(v.Version), uint32(m.Version)},
	} {
		if (c[0]^c[1])&c[2] != 0 {
			return false
		}
	}
	return x.Length >= f.MinLength && (f.MaxLength == 0 || x.Length <= f.MaxLength) && x.TTL >= f.MinTTL && (f.MaxTTL == 0 || x.TTL <= f.MaxTTL)
}

// fingerprint asks for one to three fields of a packet like those that are sent.
func (w *world) fingerprint() bpf.Fingerprint {
	from := w.shot().features()
	var f bpf.Fingerprint
	for range 1 + w.IntN(3) {
		switch w.IntN(9) {
		case 0:
			f.Value.Length, f.Mask.Length = from.Length, 0xffff
		case 1:
			f.Value.TTL, f.Mask.TTL = from.TTL, 0xff
		case 2:
			f.Value.SPort, f.Mask.SPort = from.SPort, 0xfffe
		case 3:
			f.Value.Payload, f.Mask.Payload = from.Payload, 0xffff
		case 4:
			f.Value.Head[0], f.Mask.Head[0] = from.Head[0], 0xff
		case 5:
			f.Value.Src, f.Mask.Src = from.Src, 0xffffff00
		case 6:
			f.Value.Version, f.Mask.Version = from.Version, 0xff
		case 7:
			f.MinTTL, f.MaxTTL = 63, 63+uint8(w.IntN(2))
		case 8:
			f.MinLength, f.MaxLength = 30, 51
		}
	}
	f.Flags = uint8([]int{0, 0, 0, bpf.PrintObserve, bpf.PrintEveryone}[w.IntN(5)])
	return f
}

func (w *world) shot() shot {
	src, dst := w.ends(w.IntN(2) == 0)
	return shot{src, dst, uint8(62 + w.IntN(4)), []byte("abcd"[w.IntN(2) : 2+w.IntN(3)])}
}

// filtersAgree changes filters at random, and after each change compares what XDP does to random packets with what the model
// says. It returns how many were dropped.
func filtersAgree(t *testing.T, seed uint64) (dropped int) {
	r := newRig(t, bpf.Options{Destinations: 4096})
	w := &world{Rand: rand.New(rand.NewPCG(seed, 11)), now: r.now}
	m := &filterModel{prints: map[netip.Addr][]bpf.Fingerprint{}, ports: map[netip.Addr]map[uint16]bool{}, good: map[netip.Addr]bool{}}
	for round := range 60 {
		changeFilters(r, w, m)
		for range 40 {
			s := w.shot()
			if s.src.Addr() == s.dst.Addr() {
				continue // malformed: another stage's
			}
			want := m.drops(s)
			if got := r.runFrame(datagram(s.src, s.dst, s.ttl, s.payload)) == xdpDrop; got != want {
				t.Fatalf("seed %d round %d: %+v dropped: %v, the model says %v\nfingerprints %+v\nports %v good %v", seed, round, s, got, want,
					m.prints[s.dst.Addr()], m.ports[s.dst.Addr()], m.good)
			}
			if want {
				dropped++
			}
		}
	}
	return dropped
}

func changeFilters(r *rig, w *world, m *filterModel) {
	dst := w.addr(w.IntN(2) == 0)
	switch w.IntN(6) {
	case 0:
		a := w.addr(w.IntN(2) == 0)
		r.MarkGood(a)
		if a.Is6() {
			a = netip.PrefixFrom(a, 64).Masked().Addr()
		}
		m.good[a] = len(m.good) < 3 || m.good[a]
		if !m.good[a] { // few: else all are good soon
			clear(m.good)
			clear(r.maps.Good)
		}
	case 1:
		if len(m.prints[dst]) > 0 {
			r.LiftLike(dst, m.prints[dst][0])
			m.prints[dst] = m.prints[dst][1:]
		}
	case 2:
		if w.IntN(2) == 0 {
			r.EndStep(dst, bpf.StepUnasked)
			delete(m.ports, dst)
			return
		}
		port := uint16(1 + w.IntN(2))
		if err := r.DropUnasked(dst, []uint16{9999, port}, time.Hour); err != nil {
			r.Fatal(err)
		}
		m.ports[dst] = map[uint16]bool{port: true}
	default:
		f := w.fingerprint()
		if err := r.DropLike(dst, f, time.Hour); err != nil {
			if len(m.prints[dst]) == 0 {
				r.Fatal(err)
			}
			return // no room: fingerprints lifted a moment ago rest
		}
		for i, old := range m.prints[dst] {
			a, b := normal(old), normal(f)
			if same(&a, &b) {
				m.prints[dst][i] = f
				return
			}
		}
		m.prints[dst] = append(m.prints[dst], f)
	}
}

// TestFilterLife checks counters, renewal, limits and the end of filters.
func TestFilterLife(t *testing.T) {
	r := newRig(t, bpf.Options{})
	dst := netip.MustParseAddr("198.51.100.7")
	s := shot{netip.MustParseAddrPort("203.0.113.9:53"), netip.AddrPortFrom(dst, 4000), 64, []byte("x")}
	frame := datagram(s.src, s.dst, s.ttl, s.payload)
	if err := r.DropLike(dst, bpf.Fingerprint{}, time.Hour); err == nil {
		t.Error("a fingerprint of every packet was taken")
	}
	port := bpf.Fingerprint{Value: bpf.Features{SPort: 53}, Mask: bpf.Features{SPort: 0xffff}, Rule: 7}
	for range 2 {
		if err := r.DropLike(dst, port, time.Hour); err != nil {
			t.Fatal(err)
		}
		if got := r.runFrame(frame); got != xdpDrop {
			t.Errorf("action %d", got)
		}
	}
	f, ok := r.Filter(dst)
	if !ok || f.Prints[0].Packets != 2 || f.Prints[0].Rule != 7 || !r.InForce(&f.Prints[0]) || r.InForce(&f.Prints[1]) {
		t.Errorf("filter %+v", f)
	}
	for i := range bpf.Prints - 1 {
		if err := r.DropLike(dst, bpf.Fingerprint{MinLength: uint16(2000 + i)}, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.DropLike(dst, bpf.Fingerprint{MinLength: 3000}, time.Hour); err == nil {
		t.Errorf("more than %d fingerprints", bpf.Prints)
	}
	if err := r.DropLike(dst, port, -time.Second); err != nil { // prolonged into the past
		t.Fatal(err)
	}
	if got := r.runFrame(frame); got != xdpPass {
		t.Errorf("expired: action %d", got)
	}
	if err := r.TakeStep(dst, bpf.StepSYNACK, time.Hour); err == nil {
		t.Error("in host mode nothing is known of what was asked")
	}
	for _, ports := range [][]uint16{nil, {0}, make([]uint16, bpf.FilterPorts+1)} {
		if err := r.DropUnasked(dst, ports, time.Hour); err == nil {
			t.Errorf("ports %v were taken", ports)
		}
	}
}

// TestFiltersGiveWay gives filters to many more destinations than there are, one after the other.
func TestFiltersGiveWay(t *testing.T) {
	r := newRig(t, bpf.Options{Destinations: 4096})
	taken := 0
	for n := range 2 * bpf.Filters {
		dst := netip.AddrFrom4([4]byte{198, 51, byte(n >> 8), byte(n)})
		if err := r.TakeStep(dst, bpf.StepSight, time.Hour); err == nil {
			taken++
		}
	}
	if taken != bpf.Filters-1 {
		t.Errorf("%d destinations have filters, want %d", taken, bpf.Filters-1)
	}
	r.EndStep(netip.AddrFrom4([4]byte{198, 51, 0, 0}), bpf.StepSight)
	if err := r.TakeStep(netip.MustParseAddr("198.52.0.1"), bpf.StepSight, time.Hour); err == nil {
		t.Error("a filter was taken from under a packet")
	}
	for n := range 2 * bpf.Filters {
		r.EndStep(netip.AddrFrom4([4]byte{198, 51, byte(n >> 8), byte(n)}), bpf.StepSight)
	}
	time.Sleep((restTicks + 2) * r.clock.Length())
	for n := range 10 {
		if err := r.TakeStep(netip.AddrFrom4([4]byte{198, 52, 0, byte(n)}), bpf.StepSight, time.Hour); err != nil {
			t.Error(err)
		}
	}
}

// TestSightings reads what comes to an armed destination.
func TestSightings(t *testing.T) {
	r := newRig(t, bpf.Options{})
	all, err := r.OpenSightings()
	if err != nil {
		t.Fatal(err)
	}
	defer all.Close()
	s := shot{netip.MustParseAddrPort("203.0.113.9:53"), netip.MustParseAddrPort("198.51.100.7:4000"), 64, []byte("hello")}
	if err := r.TakeStep(s.dst.Addr(), bpf.StepSight, time.Hour); err != nil {
		t.Fatal(err)
	}
	r.runFrame(datagram(s.src, s.dst, s.ttl, s.payload))
	got, ok, err := all.Next(time.Second)
	if !ok || err != nil || got.Features != s.features() || netip.AddrFrom16(got.Src).Unmap() != s.src.Addr() || got.Class != bpf.ClassUDP {
		t.Errorf("sighting %+v, %v, %v", got, ok, err)
	}
	if _, ok, err := all.Next(0); ok || err != nil {
		t.Error(fmt.Sprint("another, ", err))
	}
}

// TestQuestionsAreForgotten checks that XDP notes questions only while somebody is armed against answers to none.
func TestQuestionsAreForgotten(t *testing.T) {
	r := newRigMode(t, bpf.ModeGWLB, bpf.Options{})
	dst := netip.MustParseAddr("198.51.100.7")
	if err := r.DropUnasked(dst, []uint16{53}, time.Hour); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Sweep(); err != nil || r.maps.Control.Asking != 1 {
		t.Errorf("asking %d, %v", r.maps.Control.Asking, err)
	}
	r.EndStep(dst, bpf.StepUnasked)
	if _, err := r.Sweep(); err != nil || r.maps.Control.Asking != 0 {
		t.Errorf("asking %d, %v", r.maps.Control.Asking, err)
	}
}
