package bpf

import (
	"encoding/binary"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

const (
	xdpDrop     = 1
	xdpPass     = 2
	xdpTX       = 3
	xdpRedirect = 4

	actObserve   = 0
	actRateLimit = 1
	actDrop      = 2
	actPass      = 3
	actBypass    = 4

	never = ^uint32(0) >> 1 // a tick that does not come
)

// mustLoad loads the program with maps of its own.
func mustLoad(tb testing.TB, o Options) *Sensor {
	tb.Helper()
	o.NoPin = true
	if o.Name == "" {
		o.Name = "test"
	}
	s, err := Load(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	return s
}

// rig is a loaded program whose maps a test fills by hand.
type rig struct {
	testing.TB
	*Sensor
	t     *Tables
	slots uint32 // used of verdicts
	flows uint32
	aims  uint32
}

func newRig(tb testing.TB, mode Mode) *rig {
	tb.Helper()
	s := mustLoad(tb, Options{Mode: mode, Sources: 1 << 12, Flows: 1 << 10, Destinations: 64, RingBytes: 1 << 16})
	return &rig{TB: tb, Sensor: s, t: s.Tables()}
}

// rigs loads one program for each mode: verifying it is what takes the time.
type rigs map[Mode]*rig

// fresh returns the mode's rig with empty maps, for the sub-test t of parent.
func (rs rigs) fresh(parent, t *testing.T, mode Mode) *rig {
	t.Helper()
	if rs[mode] == nil {
		rs[mode] = newRig(parent, mode)
	}
	r := &rig{TB: t, Sensor: rs[mode].Sensor, t: rs[mode].t}
	r.empty()
	return r
}

// empty makes the maps as they were when they were made.
func (r *rig) empty() {
	r.Helper()
	t := r.t
	*t.Control = Control{Seed: t.Control.Seed, Key: t.Control.Key, Challenges: t.Control.Challenges}
	clear(t.Sources)
	clear(t.Verdicts)
	*t.Coarse = Coarse{}
	clear(t.Presence4)
	clear(t.Presence6)
	clear(t.FlowCells)
	clear(t.Flows)
	clear(t.Dests)
	clear(t.Arms)
	clear(t.Filters)
	clear(t.Good)
	clear(t.Credits)
	trie, err := r.NewTrie(0)
	if err != nil {
		r.Fatal(err)
	}
	trie.Close()
	var key PrefixKey
	for t.Guard.NextKey(nil, &key) == nil {
		if err := t.Guard.Delete(key); err != nil {
			r.Fatal(err)
		}
	}
}

// result is what became of one frame.
type result struct {
	action uint32
	out    []byte
	drops  map[Reason]uint64
	would  map[Reason]uint64
	paths  map[Path]uint64
}

// send runs the program on a frame that came in by receive queue 0.
func (r *rig) send(frame []byte) result {
	r.Helper()
	before := r.counters()
	out := make([]byte, len(frame)+256)
	opts := ebpf.RunOptions{Data: frame, DataOut: out}
	action, err := r.Program().Run(&opts)
	if err != nil {
		r.Fatal(err)
	}
	after := r.counters()
	got := result{action, opts.DataOut, map[Reason]uint64{}, map[Reason]uint64{}, map[Path]uint64{}}
	for i := range after.Drops {
		if n := after.Drops[i] - before.Drops[i]; n > 0 {
			got.drops[Reason(i)] = n
		}
		if n := after.Would[i] - before.Would[i]; n > 0 {
			got.would[Reason(i)] = n
		}
	}
	for i := range after.Paths {
		if n := after.Paths[i] - before.Paths[i]; n > 0 {
			got.paths[Path(i)] = n
		}
	}
	return got
}

func (r *rig) counters() Counters {
	c, err := r.Counters()
	if err != nil {
		r.Fatal(err)
	}
	return c
}

// expect sends the frame and checks the action and the one reason it was, or would have been, dropped for.
func (r *rig) expect(frame []byte, action uint32, drop, would Reason) result {
	r.Helper()
	got := r.send(frame)
	if got.action != action {
		r.Errorf("action %d, want %d (drops %v would %v paths %v)", got.action, action, got.drops, got.would, got.paths)
	}
	check := func(what string, got map[Reason]uint64, want Reason) {
		r.Helper()
		if want == ReasonNone && len(got) > 0 || want != ReasonNone && (len(got) != 1 || got[want] != 1) {
			r.Errorf("%s %v, want one %v", what, got, want)
		}
	}
	check("drops", got.drops, drop)
	check("would drop", got.would, would)
	return got
}

func (r *rig) tick() uint32 { return r.Clock().Tick(Monotonic()) }

// add writes a verdict and returns its slot. Rank 0 becomes 2, no expiry never.
func (r *rig) add(v Verdict, src string) uint32 {
	p := prefix(src)
	v.Src, v.Plen = p.Addr().As16(), bits128(p)
	if v.Rank == 0 {
		v.Rank = 2
	}
	if v.Expires == 0 {
		v.Expires = never
	}
	r.slots++
	r.t.Verdicts[r.slots] = v
	return r.slots
}

// source puts a verdict on a /32, /128 or /64.
func (r *rig) source(src string, v Verdict) *Verdict {
	r.Helper()
	slot := r.add(v, src)
	p := prefix(src)
	putCell(r, r.Sensor, p.Addr().As16(), bits128(p), slot)
	return &r.t.Verdicts[slot]
}

// prefix puts a verdict on a wider prefix of generation 0.
func (r *rig) prefix(src string, v Verdict) *Verdict {
	r.Helper()
	slot := r.add(v, src)
	var id ebpf.MapID
	if err := r.t.Prefixes.Lookup(uint32(0), &id); err != nil {
		r.Fatal(err)
	}
	trie, err := ebpf.NewMapFromID(id)
	if err != nil {
		r.Fatal(err)
	}
	defer trie.Close()
	r.trie(trie, src, slot, HasPrefix)
	return &r.t.Verdicts[slot]
}

func (r *rig) guard(src string) {
	r.Helper()
	r.trie(r.t.Guard, src, 1, HasGuard)
}

func (r *rig) trie(m *ebpf.Map, src string, value uint32, level uint64) {
	r.Helper()
	p := prefix(src)
	if err := m.Put(PrefixKey{Plen: uint32(bits128(p)), Addr: p.Addr().As16()}, value); err != nil {
		r.Fatal(err)
	}
	for a := p.Addr(); p.Contains(a); { // tests keep prefixes small enough to walk
		setPresence(r.Sensor, a.As16(), level)
		step := [16]byte(a.As16())
		if a.Is6() {
			setShort(r.Sensor, step, level)
			break
		}
		binary.BigEndian.PutUint32(step[12:], binary.BigEndian.Uint32(step[12:])+256)
		a = netip.AddrFrom16(step).Unmap()
	}
}

// flow puts a verdict on a flow.
func (r *rig) flow(tenant uint64, src, dst string, proto uint8, f Flow) *Flow {
	r.Helper()
	s, d := netip.MustParseAddrPort(src), netip.MustParseAddrPort(dst)
	key, swapped := NewTuple(tenant, s.Addr().As16(), d.Addr().As16(), s.Port(), d.Port(), proto)
	f.Key = key
	if swapped {
		f.Flags = FlowFromB
	}
	if f.Rank == 0 {
		f.Rank = 2
	}
	if f.Expires == 0 {
		f.Expires = never
	}
	r.flows++
	r.t.Flows[r.flows] = f
	h := key.Hash(r.t.Control.Seed)
	place(r, r.t.FlowCells, uint32(h), uint32(h>>32), r.flows)
	r.t.Control.Flows = r.flows
	return &r.t.Flows[r.flows]
}

// aim adds a destination to narrow verdicts to.
func (r *rig) aim(dst string) uint32 {
	p := prefix(dst)
	t := Target{Addr: p.Addr().As16()}
	for i := range bits128(p) {
		t.Mask[i/8] |= 0x80 >> (i % 8)
	}
	r.aims++
	r.t.Targets[r.aims] = t
	return r.aims
}

// good marks a source as one that completed a handshake, in a generation.
func (r *rig) good(src string, generation int) {
	a := addr(src).As16()
	i, mask := GoodBits(r.t.Control.Seed, a)
	r.t.Good[i].Bits[generation] |= mask
	at, bit := Coarse6(a)
	if is4(&a) {
		at, bit = Coarse4(a)
	}
	r.t.Coarse.Good[at][generation] |= bit
}

// socket puts an AF_XDP socket into queue 0 and returns a function that closes it.
func (r *rig) socket() (closeIt func()) {
	r.Helper()
	fd, err := unix.Socket(unix.AF_XDP, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		r.Fatal(err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_XDP, unix.XDP_RX_RING, 2); err != nil { // Linux 7 takes none without
		r.Fatal(err)
	}
	if err := r.Sockets().Put(uint32(0), uint32(fd)); err != nil {
		r.Fatal(err)
	}
	r.t.Credits[0].Room, r.t.Credits[0].Most = 3840, 3840
	return func() { unix.Close(fd) }
}

func prefix(s string) netip.Prefix {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked()
	}
	a := netip.MustParseAddr(s)
	return netip.PrefixFrom(a, a.BitLen())
}

func bits128(p netip.Prefix) uint8 {
	if p.Addr().Is4() {
		return uint8(96 + p.Bits())
	}
	return uint8(p.Bits())
}

// putCell makes slot the verdict of a in generation 0.
func putCell(tb testing.TB, s *Sensor, a [16]byte, plen uint8, slot uint32) {
	tb.Helper()
	t := s.Tables()
	hash, tag := SourceKey(t.Control.Seed, a, plen)
	place(tb, t.Sources[:len(t.Sources)/2], uint32(hash), tag, slot)
	setPresence(s, a, HasSource)
}

func place(tb testing.TB, buckets []Bucket, hash, tag, slot uint32) {
	tb.Helper()
	for i := range uint32(Probes) {
		cells := &buckets[(hash+i)&uint32(len(buckets)-1)].Cells
		for c := range cells {
			if cells[c].Slot == 0 {
				cells[c].Tag = tag
				atomic.StoreUint32(&cells[c].Slot, slot)
				return
			}
		}
	}
	tb.Fatalf("no room for %08x", hash)
}

// setPresence raises the level of a's neighbourhood in generation 0.
func setPresence(s *Sensor, a [16]byte, level uint64) {
	t := s.Tables()
	if is4(&a) {
		i, mask := Coarse4(a)
		t.Coarse.Four[0][i] |= mask
		t.Coarse.Four[1][i] |= mask
		raise(t.Presence4, Presence4Cell(a), level)
	} else {
		i, mask := Coarse6(a)
		t.Coarse.Six[0][i] |= mask
		raise(t.Presence6, Presence6Cell(t.Control.Seed, a), level)
	}
}

func setShort(s *Sensor, a [16]byte, level uint64) {
	s.Control().Shorter6 |= Shorter6(a)
	raise(s.Tables().Presence6, Presence6Words*32+int(binary.BigEndian.Uint16(a[:])), level)
}

func raise(words []uint64, cell int, level uint64) {
	w, shift := &words[cell/32], cell%32*2
	if *w>>shift&3 < level {
		*w = *w&^(3<<shift) | level<<shift
	}
}
