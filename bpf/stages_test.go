package bpf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"github.com/cilium/ebpf/ringbuf"
)

// TestSanity sends what no honest stack sends, and what looks odd but is honest.
func TestSanity(parent *testing.T) {
	rs := rigs{}
	ok := tcp(4000, 443, "S")
	ip := func(change func(b []byte), payload []byte) []byte {
		b := ip4(good4, server4, protoTCP, payload)
		change(b)
		return eth(ethIP4, b)
	}
	flags := func(f string) []byte { return eth(ethIP4, ip4(good4, server4, protoTCP, tcp(4000, 443, f))) }
	v6 := func(next int, payload []byte) []byte { return eth(ethIP6, ip6(good6, server6, next, payload)) }
	seven := ext6(60, ext6(60, ext6(60, ext6(60, ext6(60, ext6(60, ext6(protoTCP, ok)))))))
	badOffset := tcp(4000, 443, "S")
	badOffset[12] = 4 << 4
	longOffset := tcp(4000, 443, "S")
	longOffset[12] = 6 << 4
	for _, c := range []struct {
		name  string
		frame []byte
		want  Reason
	}{
		{"ipv4 version 5", ip(func(b []byte) { b[0] = 0x55 }, ok), ReasonBadIP},
		{"ipv4 header length 4", ip(func(b []byte) { b[0] = 0x44 }, ok), ReasonBadIP},
		{"ipv4 length beyond frame", ip(func(b []byte) { b[3] += 60 }, ok), ReasonBadIP},
		{"ipv4 length below header", ip(func(b []byte) { b[3] = 19 }, ok), ReasonBadIP},
		{"ipv4 header cut", eth(ethIP4, nil)[:30], ReasonBadIP},
		{"ipv6 version 4", eth(ethIP6, append([]byte{0x40}, ip6(good6, server6, protoTCP, ok)[1:]...)), ReasonBadIP},
		{"ipv6 length beyond frame", eth(ethIP6, ip6(good6, server6, protoTCP, ok)[:50]), ReasonBadIP},
		{"tcp cut", ip(func([]byte) {}, ok[:19]), ReasonBadL4},
		{"tcp offset below 5", ip(func([]byte) {}, badOffset), ReasonBadL4},
		{"tcp offset beyond segment", ip(func([]byte) {}, longOffset), ReasonBadL4},
		{"udp cut", eth(ethIP4, ip4(good4, server4, protoUDP, udp(53, 53, nil)[:7])), ReasonBadL4},
		{"udp length 7", eth(ethIP4, ip4(good4, server4, protoUDP, join(be16(53), be16(53), be16(7), be16(0)))), ReasonBadL4},
		{"udp length beyond datagram", eth(ethIP4, ip4(good4, server4, protoUDP, join(be16(53), be16(53), be16(9), be16(0)))), ReasonBadL4},
		{"icmp cut", eth(ethIP4, ip4(good4, server4, protoICMP, icmp(8, 0)[:3])), ReasonBadL4},
		{"sctp cut", eth(ethIP4, ip4(good4, server4, 132, ok[:11])), ReasonBadL4},
		{"no flags", flags(""), ReasonTCPFlags},
		{"syn fin", flags("SF"), ReasonTCPFlags},
		{"syn rst", flags("SR"), ReasonTCPFlags},
		{"xmas", flags("FPU"), ReasonTCPFlags},
		{"land", eth(ethIP4, ip4(server4, server4, protoTCP, tcp(80, 80, "S"))), ReasonLand},
		{"land icmp6", eth(ethIP6, ip6(server6, server6, protoICMP6, icmp(128, 0))), ReasonLand},
		{"tcp to port 0", eth(ethIP4, ip4(good4, server4, protoTCP, tcp(4000, 0, "S"))), ReasonPortZero},
		{"udp from port 0", v6(protoUDP, udp(0, 53, nil)), ReasonPortZero},
		{"tiny first fragment", eth(ethIP4, ip4frag(good4, server4, protoTCP, 0x2000, ok[:8])), ReasonFragment},
		{"tiny first fragment ipv6", v6(44, frag6(protoTCP, 0, true, ok[:8])), ReasonFragment},
		{"fragment at offset 1", eth(ethIP4, ip4frag(good4, server4, protoTCP, 1, ok)), ReasonFragment},
		{"from loopback", eth(ethIP4, ip4("127.0.0.1", server4, protoTCP, ok)), ReasonBadSource},
		{"from multicast", eth(ethIP4, ip4("224.0.0.1", server4, protoUDP, udp(1, 2, nil))), ReasonBadSource},
		{"from broadcast", eth(ethIP4, ip4("255.255.255.255", server4, protoUDP, udp(1, 2, nil))), ReasonBadSource},
		{"from ipv6 loopback", eth(ethIP6, ip6("::1", server6, protoTCP, ok)), ReasonBadSource},
		{"from ipv6 multicast", eth(ethIP6, ip6("ff02::1", server6, protoUDP, udp(1, 2, nil))), ReasonBadSource},
		{"seven extension headers", v6(0, seven), ReasonExtensions},
		{"extension header cut", eth(ethIP6, ip6(good6, server6, 0, []byte{6, 0, 1, 4}))[:58], ReasonExtensions},
		{"extension header longer than packet", v6(0, append([]byte{protoTCP, 9, 1, 4, 0, 0, 0, 0}, ok...)), ReasonExtensions},

		{"syn", flags("S"), 0},
		{"fin without ack", flags("F"), 0}, // a scan, for a rule to see
		{"all of a closing segment", flags("FPUA"), 0},
		{"dhcp", eth(ethIP4, ip4("0.0.0.0", "255.255.255.255", protoUDP, udp(68, 67, nil))), 0},
		{"duplicate address detection", eth(ethIP6, ip6("::", "ff02::1:ff00:1", protoICMP6, icmp(135, 0))), 0},
		{"udp first fragment", eth(ethIP4, ip4frag(good4, server4, protoUDP, 0x2000, join(be16(53), be16(53), be16(3000), be16(0)))), 0},
		{"no next header", v6(59, nil), 0},
		{"gre", eth(ethIP4, ip4(good4, server4, 47, make([]byte, 4))), 0},
		{"sctp", eth(ethIP4, ip4(good4, server4, 132, make([]byte, 12))), 0},
	} {
		parent.Run(c.name, func(t *testing.T) {
			r := rs.fresh(parent, t, ModeHost)
			if c.want == 0 {
				r.expect(c.frame, xdpPass, ReasonNone, ReasonNone)
				return
			}
			r.expect(c.frame, xdpDrop, c.want, ReasonNone)
			r.t.Control.Observe = 1
			r.expect(c.frame, xdpPass, ReasonNone, c.want)
		})
	}
}

// dest finds the counters of a destination.
func (r *rig) dest(ip string) (*Dest, *Arm) {
	for i := range r.t.Dests {
		if r.t.Dests[i].Addr == addr(ip).As16() {
			return &r.t.Dests[i], &r.t.Arms[i]
		}
	}
	return nil, nil
}

// TestClasses checks what each packet counts as, and that an armed destination drops what is over its limit.
func TestClasses(parent *testing.T) {
	rs := rigs{}
	for _, c := range []struct {
		class Class
		frame []byte
	}{
		{ClassSYN, eth(ethIP4, ip4(good4, server4, protoTCP, tcp(1, 443, "S")))},
		{ClassSYNACK, eth(ethIP6, ip6(good6, server6, protoTCP, tcp(1, 443, "SA")))},
		{ClassUDP, eth(ethIP4, ip4(good4, server4, protoUDP, udp(1, 53, []byte("x"))))},
		{ClassICMP, eth(ethIP4, ip4(good4, server4, protoICMP, icmp(8, 0)))},
		{ClassICMP, eth(ethIP6, ip6(good6, server6, protoICMP6, icmp(128, 0)))},
		{ClassTCP, eth(ethIP4, ip4(good4, server4, protoTCP, tcp(1, 443, "PA")))},
		{ClassFragment, eth(ethIP4, ip4frag(good4, server4, protoUDP, 5, []byte("xyz")))},
		{ClassOther, eth(ethIP4, ip4(good4, server4, 47, []byte("wxyz")))},
	} {
		parent.Run(fmt.Sprint(c.class, len(c.frame)), func(t *testing.T) {
			r := rs.fresh(parent, t, ModeHost)
			to := server4
			if c.frame[12] == 0x86 {
				to = server6
			}
			r.expect(c.frame, xdpPass, ReasonNone, ReasonNone)
			d, arm := r.dest(to)
			if d == nil || d.Packets[c.class] != 1 || d.Bytes != uint64(len(c.frame)) {
				t.Fatalf("counters %+v", d)
			}
			arm.Budget[c.class], arm.Expires[c.class] = 2, never
			d.Armed = 1 << c.class
			for r.tick()&3 > 0 { // not across the window's end
				time.Sleep(20 * time.Millisecond)
			}
			r.expect(c.frame, xdpPass, ReasonNone, ReasonNone)
			r.expect(c.frame, xdpPass, ReasonNone, ReasonNone)
			r.expect(c.frame, xdpDrop, FloodReason(c.class), ReasonNone)
			if d.Packets[c.class] != 4 {
				t.Errorf("%d packets counted, want all 4", d.Packets[c.class])
			}
			arm.Expires[c.class] = r.tick() - 1
			r.expect(c.frame, xdpPass, ReasonNone, ReasonNone)
		})
	}
}

// TestArmedSpares checks who passes a destination whose budget is spent.
func TestArmedSpares(t *testing.T) {
	r := newRig(t, ModeHost)
	syn := func(src string) []byte { return eth(ethIP4, ip4(src, server4, protoTCP, tcp(1, 443, "S"))) }
	r.send(syn(good4))
	d, arm := r.dest(server4)
	d.Armed = 1<<ClassSYN | 1<<ClassICMP
	arm.Expires[ClassSYN], arm.Expires[ClassICMP] = never, never
	r.expect(syn(good4), xdpDrop, ReasonFloodSYN, ReasonNone)

	for generation := range 2 {
		r.good(good4, generation)
		if got := r.expect(syn(good4), xdpPass, ReasonNone, ReasonNone); got.paths[PathGood] != 1 {
			t.Errorf("paths %v, want it known good", got.paths)
		}
		clear(r.t.Good)
		r.expect(syn(good4), xdpDrop, ReasonFloodSYN, ReasonNone)
	}
	r.expect(eth(ethIP4, ip4(good4, server4, protoICMP, icmp(8, 0))), xdpDrop, ReasonFloodICMP, ReasonNone)
	r.expect(eth(ethIP4, ip4(good4, server4, protoICMP, icmp(3, 4))), xdpPass, ReasonNone, ReasonNone)
	r.source(good4, Verdict{Action: actPass})
	r.expect(syn(good4), xdpPass, ReasonNone, ReasonNone)
	r.guard(bad4)
	if got := r.expect(syn(bad4), xdpPass, ReasonNone, ReasonNone); got.paths[PathGuarded] != 1 {
		t.Errorf("paths %v, want it guarded", got.paths)
	}
	r.t.Control.Observe = 1
	r.expect(syn("203.0.113.77"), xdpPass, ReasonNone, ReasonFloodSYN)
}

// TestARepeatedSYNIsLetThrough checks that only those who send their SYN again after a while reach a destination armed so.
func TestARepeatedSYNIsLetThrough(t *testing.T) {
	r := newRig(t, ModeHost)
	syn := func(src string, port int) []byte {
		return eth(ethIP4, ip4(src, server4, protoTCP, tcp(port, 443, "S")))
	}
	r.send(syn(bad4, 9))
	d, arm := r.dest(server4)
	d.Armed, d.Steps = 1<<ClassSYN, 1<<StepFirst
	arm.Budget[ClassSYN], arm.Expires[ClassSYN], arm.Until[StepFirst] = 1000, never, never
	r.expect(syn(good4, 1), xdpDrop, ReasonFloodSYN, ReasonNone)
	r.expect(syn(good4, 1), xdpDrop, ReasonFloodSYN, ReasonNone) // at once: nobody real does
	for start := r.tick(); r.tick()-start <= FirstAgain; {
		time.Sleep(20 * time.Millisecond)
	}
	r.expect(syn(good4, 2), xdpDrop, ReasonFloodSYN, ReasonNone) // another connection
	r.expect(syn(bad4, 1), xdpDrop, ReasonFloodSYN, ReasonNone)  // another source
	r.expect(syn(good4, 1), xdpPass, ReasonNone, ReasonNone)
	arm.Budget[ClassSYN] = 0
	r.expect(syn(good4, 1), xdpDrop, ReasonFloodSYN, ReasonNone) // there is still a limit
}

// TestDestinationWays fills a set and checks that an idle way is reused, a busy or fixed one is not.
func TestDestinationWays(t *testing.T) {
	r := newRig(t, ModeHost)
	sets := len(r.t.Dests) / DestWays
	var same []string // destinations of one set
	for i := 0; len(same) < DestWays+1; i++ {
		ip := fmt.Sprintf("198.51.%d.%d", i/256, i%256)
		if HashAddr(r.t.Control.Seed, addr(ip).As16())%uint64(sets) == 0 {
			same = append(same, ip)
		}
	}
	to := func(i int) []byte { return eth(ethIP4, ip4(good4, same[i], protoTCP, tcp(1, 2, "S"))) }
	for i := range DestWays {
		if got := r.send(to(i)); got.paths[PathDestFull] != 0 {
			t.Fatalf("way %d: %v", i, got.paths)
		}
	}
	if got := r.send(to(DestWays)); got.paths[PathDestFull] != 1 {
		t.Errorf("one too many: paths %v", got.paths)
	}
	first, _ := r.dest(same[0])
	second, _ := r.dest(same[1])
	first.Last -= DestIdle + 1
	first.Fixed = 1
	second.Last -= DestIdle + 1
	r.send(to(DestWays))
	if d, _ := r.dest(same[DestWays]); d != second || d.Packets[ClassSYN] != 1 || d.Claims != 2 {
		t.Errorf("idle way not claimed: %+v", d)
	}
}

// TestCapture checks header and bytes of copies of every size class, and that a bypassed flow is not copied: as the kernel does it, as
// one before 5.18 does, and for frames of several buffers.
func TestCapture(t *testing.T) {
	small := Options{Mode: ModeHost, Sources: 1 << 12, Flows: 1 << 10, Destinations: 64, RingBytes: 1 << 16}
	old, frags := small, small
	old.old, frags.Frags = true, true
	for name, c := range map[string]struct {
		o     Options
		sizes []int
	}{
		"helper":          {small, []int{60, 104, 105, 488, 489, 1514, 1577, 3000}},
		"before 5.18":     {old, []int{60, 61, 63, 104, 105, 488, 489, 1501, 1514, 1568}},
		"several buffers": {frags, []int{60, 1514, 3498, 4200, 9014, 9216}},
	} {
		t.Run(name, func(t *testing.T) {
			if !c.o.old && !HaveFrags() {
				t.Skip("needs Linux 5.18, which has the helpers")
			}
			testCapture(t, mustLoad(t, c.o), c.sizes)
		})
	}
}

func testCapture(t *testing.T, s *Sensor, sizes []int) {
	r := &rig{TB: t, Sensor: s, t: s.Tables()}
	reader, err := ringbuf.NewReader(r.Rings()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	reader.SetDeadline(time.Now().Add(10 * time.Second))

	r.expect(from(good4), xdpPass, ReasonNone, ReasonNone)
	r.t.Control.Capture = 1
	head := int(unsafe.Sizeof(CaptureHeader{}))
	for _, n := range sizes {
		frame := eth(ethIP4, ip4(good4, server4, protoUDP, udp(1, 2, bytes.Repeat([]byte{byte(n)}, n-42))))
		before := Monotonic()
		if got := r.expect(frame, xdpPass, ReasonNone, ReasonNone); got.paths[PathCapture] != 1 {
			t.Fatalf("%d bytes: paths %v", n, got.paths)
		}
		rec, err := reader.Read()
		if err != nil {
			t.Fatal(err)
		}
		var h CaptureHeader
		if _, err := binary.Decode(rec.RawSample, binary.LittleEndian, &h); err != nil {
			t.Fatal(err)
		}
		if int(h.WireLen) != n || int(h.CapLen) != n || time.Duration(h.Time) < before || time.Duration(h.Time) > Monotonic() {
			t.Errorf("%d bytes: header %+v", n, h)
		}
		if !bytes.Equal(rec.RawSample[head:head+n], frame) {
			t.Errorf("%d bytes: copy differs", n)
		}
	}
	r.flow(0, good4+":4000", server4+":443", protoTCP, Flow{Action: actBypass})
	if got := r.expect(from(good4), xdpPass, ReasonNone, ReasonNone); got.paths[PathBypass] != 1 || got.paths[PathCapture] != 0 {
		t.Errorf("bypassed flow: paths %v", got.paths)
	}
	lost := uint64(0)
	for range 200 {
		lost += r.send(eth(ethIP4, ip4(good4, server4, protoUDP, udp(1, 2, make([]byte, 1400))))).paths[PathCaptureLost]
	}
	if lost == 0 {
		t.Errorf("a ring of 64 KiB took 200 frames of 1.4 KB")
	}
}

// TestShards checks that both directions and all fragments meet in the ring that Tuple.Shard names.
func TestShards(t *testing.T) {
	s := mustLoad(t, Options{Mode: ModeHost, Rings: 4, RingBytes: 1 << 16, Sources: 16, Flows: 16})
	r := &rig{TB: t, Sensor: s, t: s.Tables()}
	r.t.Control.Capture = 1
	readers := make([]*ringbuf.Reader, 4)
	for i := range readers {
		var err error
		if readers[i], err = ringbuf.NewReader(s.Rings()[i]); err != nil {
			t.Fatal(err)
		}
		defer readers[i].Close()
	}
	where := func(frame []byte) int {
		r.send(frame)
		for i, reader := range readers {
			reader.SetDeadline(time.Now())
			if _, err := reader.Read(); err == nil {
				return i
			}
		}
		t.Fatal("in no ring")
		return -1
	}
	used := map[int]bool{}
	for i := range 32 {
		client := fmt.Sprintf("203.0.113.%d", 10+i)
		key, _ := NewTuple(0, addr(client).As16(), addr(server4).As16(), 0, 0, protoUDP)
		want := key.Shard(r.t.Control.Seed, 4)
		used[want] = true
		for what, frame := range map[string][]byte{
			"request":        ip4(client, server4, protoUDP, udp(1000+i, 53, nil)),
			"answer":         ip4(server4, client, protoUDP, udp(53, 1000+i, nil)),
			"other ports":    ip4(client, server4, protoTCP, tcp(i+1, 21, "S")),
			"first fragment": ip4frag(client, server4, protoUDP, 0x2000, udp(9, 53, nil)),
			"later fragment": ip4frag(client, server4, protoUDP, 1480/8, []byte("rest")),
		} {
			if got := where(eth(ethIP4, frame)); got != want {
				t.Errorf("%s: %s in ring %d, want %d", client, what, got, want)
			}
		}
	}
	if len(used) != 4 {
		t.Errorf("32 pairs of addresses use rings %v", used)
	}
}

// TestSamples checks the record of a drop, and that no more than the tick's share is taken.
func TestSamples(t *testing.T) {
	r := newRig(t, ModeHost)
	reader, err := ringbuf.NewReader(r.Samples())
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	r.source(bad4, Verdict{Action: actDrop, Rule: 2001219})
	frame := eth(ethIP4, ip4(bad4, server4, protoUDP, udp(1, 2, bytes.Repeat([]byte("payload "), 40))))
	for range 1000 {
		r.send(frame)
	}
	var n int
	for ; ; n++ {
		reader.SetDeadline(time.Now())
		rec, err := reader.Read()
		if err != nil {
			break
		}
		var s Sample
		if _, err := binary.Decode(rec.RawSample, binary.LittleEndian, &s); err != nil {
			t.Fatal(err)
		}
		if s.Reason != ReasonSource || s.Rule != 2001219 || s.Slot != 1 || s.Dropped != 1 || int(s.WireLen) != len(frame) ||
			s.CapLen != SampleHead || !bytes.Equal(s.Head[:], frame[:SampleHead]) {
			t.Fatalf("sample %+v", s)
		}
	}
	if n == 0 || n >= 1000 {
		t.Errorf("%d samples of 1000 drops", n)
	}
}

// TestFirstSYNsTakeTurns checks that in a flood only as many SYNs are remembered as find places, and afterwards all.
func TestFirstSYNsTakeTurns(t *testing.T) {
	r := newRig(t, ModeHost)
	frame := eth(ethIP4, ip4(good4, server4, protoTCP, tcp(1, 443, "S")))
	r.send(frame)
	d, arm := r.dest(server4)
	d.Steps, arm.Until[StepFirst] = 1<<StepFirst, never
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	shares := func() (least uint32) {
		var cpus []Counters
		if err := r.maps[sensorMapStats].Lookup(uint32(0), &cpus); err != nil {
			t.Fatal(err)
		}
		least = FirstShares
		for _, c := range cpus {
			if c.FirstSYNs > 0 {
				least = min(least, c.FirstShares)
			}
		}
		return least
	}
	if n := r.expect(frame, xdpDrop, ReasonFloodSYN, ReasonNone); shares() != FirstShares {
		t.Fatalf("%d shares of one SYN: %+v", shares(), n)
	}
	flooded := false
	for range 20 { // several ticks of several millions a second, whoever else uses the processor
		if _, _, err := r.Program().Benchmark(frame, 500_000, func() {}); err != nil {
			t.Fatal(err)
		}
		flooded = flooded || shares() < FirstShares
	}
	if !flooded {
		t.Errorf("in a flood all SYNs have places")
	}
}
