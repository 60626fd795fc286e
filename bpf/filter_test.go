package bpf

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/cilium/ebpf/ringbuf"
)

// arm gives a destination a filter of its own and puts steps in force. A packet to it must have been counted.
func (r *rig) arm(dst string, steps ...Step) (*Dest, *Arm, *Filter) {
	r.Helper()
	d, arm := r.dest(dst)
	if d == nil {
		r.Fatalf("%s is not counted", dst)
	}
	arm.Filter = 1
	for _, s := range steps {
		d.Steps |= 1 << s
		arm.Until[s] = never
	}
	return d, arm, &r.t.Filters[1]
}

// sightings opens the ring of sightings, empty; the returned function takes the next.
func (r *rig) sightings() (next func() (Sighting, bool)) {
	r.Helper()
	reader, err := ringbuf.NewReader(r.Sightings())
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { reader.Close() })
	next = func() (s Sighting, ok bool) {
		r.Helper()
		reader.SetDeadline(time.Now())
		rec, err := reader.Read()
		if err != nil {
			return s, false
		}
		if _, err := binary.Decode(rec.RawSample, binary.LittleEndian, &s); err != nil {
			r.Fatal(err)
		}
		return s, true
	}
	for ok := true; ok; {
		_, ok = next()
	}
	return next
}

// options4 replaces a TCP header's length and puts options behind it.
func options4(header, options, payload []byte) []byte {
	h := bytes.Clone(header)
	h[12] = byte((20+len(options))/4) << 4
	return join(h, options, payload)
}

// TestFeatures checks what is seen of packets of all kinds.
func TestFeatures(parent *testing.T) {
	rs := rigs{}
	linux := []byte{2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7}
	src4 := binary.BigEndian.Uint32(addr(good4).AsSlice())
	src6 := binary.BigEndian.Uint32(addr(good6).AsSlice())
	tcp4 := func(l4 []byte) []byte { return eth(ethIP4, ip4(good4, server4, protoTCP, l4)) }
	for _, c := range []struct {
		name  string
		mode  Mode
		frame []byte
		want  Features
	}{
		{"syn of Linux", ModeHost, tcp4(options4(tcp(4000, 443, "S"), linux, nil)), Features{Length: 60, ID: 7, TTL: 64, SPort: 4000,
			DPort: 443, Window: 1000, Options: 0x31842, MSS: 1460, Scale: 8, Flags: 2, Seq: 1, Ack: 2, Src: src4, Proto: 6, Version: 4}},
		{"data behind options", ModeHost, tcp4(options4(tcp(4000, 443, "PA"), []byte{1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2}, []byte("GET / HTTP/1.1"))),
			Features{Length: 66, ID: 7, TTL: 64, SPort: 4000, DPort: 443, Window: 1000, Payload: 14, Options: 0x811, Flags: 0x18, Seq: 1,
				Ack: 2, Head: [8]byte([]byte("GET / HT")), Src: src4, Proto: 6, Version: 4}},
		{"nothing but no-operations", ModeHost, tcp4(options4(tcp(1, 2, "S"), bytes.Repeat([]byte{1}, 40), nil)), Features{Length: 80,
			ID: 7, TTL: 64, SPort: 1, DPort: 2, Window: 1000, Options: 0x11111111, Flags: 2, Seq: 1, Ack: 2, Src: src4, Proto: 6, Version: 4}},
		{"end of options", ModeHost, tcp4(options4(tcp(1, 2, "S"), []byte{34, 2, 0, 2}, nil)), Features{Length: 44, ID: 7, TTL: 64,
			SPort: 1, DPort: 2, Window: 1000, Options: 0xf, Flags: 2, Seq: 1, Ack: 2, Src: src4, Proto: 6, Version: 4}},
		{"option beyond the header", ModeHost, tcp4(options4(tcp(1, 2, "S"), []byte{1, 1, 2, 4}, nil)), Features{Length: 44, ID: 7, TTL: 64,
			SPort: 1, DPort: 2, Window: 1000, Options: 0x211, Flags: 2, Seq: 1, Ack: 2, Src: src4, Proto: 6, Version: 4}},
		{"option of length 0", ModeHost, tcp4(options4(tcp(1, 2, "S"), []byte{2, 0, 5, 0xb4}, nil)), Features{Length: 44, ID: 7, TTL: 64,
			SPort: 1, DPort: 2, Window: 1000, Options: 2, Flags: 2, Seq: 1, Ack: 2, Src: src4, Proto: 6, Version: 4}},
		{"udp, 3 bytes", ModeHost, eth(ethIP4, ip4(good4, server4, protoUDP, udp(53, 9, []byte("abc")))), Features{Length: 31, ID: 7, TTL: 64,
			SPort: 53, DPort: 9, Payload: 3, Head: [8]byte{'a', 'b', 'c'}, Src: src4, Proto: 17, Version: 4}},
		{"udp in ipv6 with an extension header", ModeHost, eth(ethIP6, ip6(good6, server6, 0, ext6(protoUDP, udp(53, 9, []byte("0123456789"))))),
			Features{Length: 66, TTL: 64, SPort: 53, DPort: 9, Payload: 10, Head: [8]byte([]byte("01234567")), Src: src6, Proto: 17, Version: 6}},
		{"icmp", ModeHost, eth(ethIP4, ip4(good4, server4, protoICMP, join(icmp(8, 0), []byte("ping")))), Features{Length: 32, ID: 7, TTL: 64,
			Payload: 4, Flags: 8, Head: [8]byte{'p', 'i', 'n', 'g'}, Src: src4, Proto: 1, Version: 4}},
		{"later fragment", ModeHost, eth(ethIP4, ip4frag(good4, server4, protoUDP, 0x2005, []byte("fragment!"))), Features{Length: 29, ID: 7,
			Fragment: 0x2005, TTL: 64, Payload: 9, Head: [8]byte([]byte("fragment")), Src: src4, Proto: 17, Version: 4}},
		{"gre", ModeHost, eth(ethIP4, ip4(good4, server4, 47, []byte("wxyz"))), Features{Length: 24, ID: 7, TTL: 64, Payload: 4,
			Head: [8]byte{'w', 'x', 'y', 'z'}, Src: src4, Proto: 47, Version: 4}},
		{"within a tunnel", ModeGWLB, gwlb(ip4(good4, server4, protoTCP, options4(tcp(4000, 443, "S"), linux, nil))), Features{Length: 60, ID: 7,
			TTL: 64, SPort: 4000, DPort: 443, Window: 1000, Options: 0x31842, MSS: 1460, Scale: 8, Flags: 2, Seq: 1, Ack: 2, Src: src4,
			Proto: 6, Version: 4}},
	} {
		parent.Run(c.name, func(t *testing.T) {
			r := rs.fresh(parent, t, c.mode)
			to := server4
			if c.want.Version == 6 {
				to = server6
			}
			next := r.sightings()
			r.send(c.frame)
			r.arm(to, StepSight, StepFingerprint)
			if got := r.send(c.frame); got.paths[PathSighted] != 1 {
				t.Fatalf("paths %v", got.paths)
			}
			got, ok := next()
			if !ok || got.Features != c.want {
				t.Errorf("seen %+v\nwant %+v", got.Features, c.want)
			}
			if n := int(got.CapLen); n != min(len(c.frame), SampleHead)&^7 || !bytes.Equal(got.Head[:n], c.frame[:n]) || int(got.WireLen) != len(c.frame) ||
				got.Src != addr(good(c.want.Version)).As16() || got.Dst != addr(to).As16() {
				t.Errorf("sighting %+v", got)
			}
			r.t.Filters[1].Prints[7] = Fingerprint{Value: c.want, Mask: exactly(), MaxLength: 65535, MaxTTL: 255, Expires: never}
			r.expect(c.frame, xdpDrop, ReasonFingerprint, ReasonNone)
		})
	}
}

func good(version uint8) string {
	if version == 6 {
		return good6
	}
	return good4
}

// exactly is a mask of all bits that features have.
func exactly() Features {
	const u8, u16, u32 = 1<<8 - 1, 1<<16 - 1, 1<<32 - 1
	return Features{Length: u16, ID: u16, Fragment: u16, TTL: u8, TOS: u8, SPort: u16, DPort: u16, Window: u16, Payload: u16, Options: u32, MSS: u16,
		Scale: u8, Flags: u8, Seq: u32, Ack: u32, Head: [8]byte{u8, u8, u8, u8, u8, u8, u8, u8}, Src: u32, Proto: u8, Version: u8}
}

// TestFingerprints checks what looks alike, who is spared, and what counts.
func TestFingerprints(parent *testing.T) {
	rs := rigs{}
	frame := eth(ethIP4, ip4(good4, server4, protoUDP, udp(53, 9, []byte("attack"))))
	all := Fingerprint{MaxLength: 65535, MaxTTL: 255, Expires: never}
	with := func(change func(f *Fingerprint)) Fingerprint { f := all; change(&f); return f }
	port := func(f *Fingerprint) { f.Value.SPort, f.Mask.SPort = 53, 0xffff }
	knownGood := func(r *rig) {
		r.good(good4, 0)
	}
	nothing := func(*rig) {}
	for _, c := range []struct {
		name   string
		print  Fingerprint
		setup  func(*rig)
		action uint32
		drop   Reason
		would  Reason
		hits   uint64
	}{
		{"port", with(port), nothing, xdpDrop, ReasonFingerprint, 0, 1},
		{"other port", with(func(f *Fingerprint) { f.Value.SPort, f.Mask.SPort = 54, 0xffff }), nothing, xdpPass, 0, 0, 0},
		{"bits of a port", with(func(f *Fingerprint) { f.Value.SPort, f.Mask.SPort = 0x30, 0xfff0 }), nothing, xdpDrop, ReasonFingerprint, 0, 1},
		{"payload", with(func(f *Fingerprint) {
			f.Value.Head, f.Mask.Head = [8]byte{'a', 't'}, [8]byte{0xff, 0xff}
		}), nothing, xdpDrop, ReasonFingerprint, 0, 1},
		{"two fields, one of them not so", with(func(f *Fingerprint) {
			port(f)
			f.Value.TTL, f.Mask.TTL = 63, 0xff
		}), nothing, xdpPass, 0, 0, 0},
		{"length at its bounds", with(func(f *Fingerprint) { f.MinLength, f.MaxLength = 34, 34 }), nothing, xdpDrop, ReasonFingerprint, 0, 1},
		{"too short", with(func(f *Fingerprint) { f.MinLength = 35 }), nothing, xdpPass, 0, 0, 0},
		{"too long", with(func(f *Fingerprint) { f.MaxLength = 33 }), nothing, xdpPass, 0, 0, 0},
		{"ttl too low", with(func(f *Fingerprint) { f.MinTTL = 65 }), nothing, xdpPass, 0, 0, 0},
		{"ttl too high", with(func(f *Fingerprint) { f.MaxTTL = 63 }), nothing, xdpPass, 0, 0, 0},
		{"observed", with(func(f *Fingerprint) { port(f); f.Flags = PrintObserve }), nothing, xdpPass, 0, ReasonFingerprint, 1},
		{"expired", with(func(f *Fingerprint) { port(f); f.Expires = 1 }), nothing, xdpPass, 0, 0, 0},
		{"step expired", with(port), func(r *rig) { _, arm := r.dest(server4); arm.Until[StepFingerprint] = 1 }, xdpPass, 0, 0, 0},
		{"step not taken", with(port), func(r *rig) { d, _ := r.dest(server4); d.Steps = 0 }, xdpPass, 0, 0, 0},
		{"known good", with(port), knownGood, xdpPass, 0, 0, 0},
		{"everyone, known good", with(func(f *Fingerprint) { port(f); f.Flags = PrintEveryone }), knownGood, xdpDrop, ReasonFingerprint, 0, 1},
		{"guarded", with(port), func(r *rig) { r.guard(good4) }, xdpPass, 0, 0, 1},
		{"allowed", with(port), func(r *rig) { r.source(good4, Verdict{Action: actPass}) }, xdpPass, 0, 0, 0},
		{"observe mode", with(port), func(r *rig) { r.t.Control.Observe = 1 }, xdpPass, 0, ReasonFingerprint, 1},
	} {
		parent.Run(c.name, func(t *testing.T) {
			r := rs.fresh(parent, t, ModeHost)
			r.send(frame)
			_, _, filter := r.arm(server4, StepFingerprint)
			filter.Prints[3] = c.print
			c.setup(r)
			r.expect(frame, c.action, c.drop, c.would)
			if got := filter.Prints[3]; got.Packets != c.hits || got.Bytes != c.hits*uint64(len(frame)) {
				t.Errorf("%d packets, %d bytes alike; want %d", got.Packets, got.Bytes, c.hits)
			}
		})
	}
}

// TestUnasked checks which answers reach a destination that is armed against those nobody asked for.
func TestUnasked(parent *testing.T) {
	rs := rigs{}
	answer := func(src string, sport, dport int) []byte {
		return gwlb(ip4(src, server4, protoUDP, udp(sport, dport, nil)))
	}
	question := func(dst string, sport, dport int) []byte {
		return gwlb(ip4(server4, dst, protoUDP, udp(sport, dport, nil)))
	}
	synack := gwlb(ip4(good4, server4, protoTCP, tcp(443, 5000, "SA")))
	syn := gwlb(ip4(server4, good4, protoTCP, tcp(5000, 443, "S")))
	armed := func(t *testing.T, mode Mode, frame []byte) (*rig, *Filter) {
		r := rs.fresh(parent, t, mode)
		r.send(frame)
		_, _, f := r.arm(server4, StepUnasked, StepSYNACK)
		for i := range f.Ports {
			f.Ports[i] = uint16(1000 + i)
		}
		f.Ports[31] = 53
		r.t.Control.Asking = 1
		return r, f
	}
	parent.Run("gwlb", func(t *testing.T) {
		r, f := armed(t, ModeGWLB, answer(good4, 9, 9))
		r.expect(answer(good4, 53, 4000), xdpDrop, ReasonUnasked, ReasonNone)
		r.expect(answer(good4, 1000, 4000), xdpDrop, ReasonUnasked, ReasonNone)
		r.expect(answer(good4, 54, 4000), xdpTX, ReasonNone, ReasonNone)
		r.expect(question(good4, 4000, 53), xdpTX, ReasonNone, ReasonNone)
		if got := r.expect(answer(good4, 53, 4000), xdpTX, ReasonNone, ReasonNone); got.paths[PathAsked] != 1 {
			t.Errorf("paths %v", got.paths)
		}
		r.expect(answer(bad4, 53, 4000), xdpDrop, ReasonUnasked, ReasonNone)
		r.expect(answer(good4, 53, 4001), xdpDrop, ReasonUnasked, ReasonNone)
		r.good(bad4, 0)
		r.expect(answer(bad4, 53, 4000), xdpDrop, ReasonUnasked, ReasonNone) // whoever answers is no client

		r.expect(synack, xdpDrop, ReasonUnasked, ReasonNone)
		r.send(syn)
		r.expect(synack, xdpTX, ReasonNone, ReasonNone)
		if f.Unasked != 5 || f.Asked != 2 || f.SYNACKs != 1 {
			t.Errorf("%d unasked, %d asked, %d SYN+ACKs", f.Unasked, f.Asked, f.SYNACKs)
		}
	})
	parent.Run("answers are late", func(t *testing.T) {
		r, _ := armed(t, ModeGWLB, answer(good4, 9, 9))
		r.send(question(good4, 4000, 53))
		d, _ := r.dest(server4)
		for start := r.tick(); r.tick()-start < 2; {
			time.Sleep(20 * time.Millisecond)
		}
		r.expect(answer(good4, 53, 4000), xdpTX, ReasonNone, ReasonNone)
		d.Steps = 0 // questions of others are not noted
		r.send(question(bad4, 4000, 53))
		d.Steps = 1 << StepUnasked
		r.expect(answer(bad4, 53, 4000), xdpDrop, ReasonUnasked, ReasonNone)
	})
	parent.Run("host", func(t *testing.T) {
		frame := eth(ethIP4, ip4(good4, server4, protoUDP, udp(53, 4000, nil)))
		r, f := armed(t, ModeHost, frame)
		r.expect(frame, xdpDrop, ReasonUnasked, ReasonNone)
		r.good(good4, 0)
		r.expect(frame, xdpPass, ReasonNone, ReasonNone)
		r.t.Control.Observe = 1
		r.t.Coarse.Good = [1024][2]uint64{}
		r.expect(frame, xdpPass, ReasonNone, ReasonUnasked)
		if f.Unasked != 2 || f.Asked != 1 {
			t.Errorf("%d unasked, %d asked", f.Unasked, f.Asked)
		}
	})
}

// TestSightingsAreBounded checks that a flood shows no more than its share, and one destination does not use another's.
func TestSightingsAreBounded(t *testing.T) {
	r := newRig(t, ModeHost)
	next := r.sightings()
	const other4 = "198.51.100.8"
	to := func(dst string) []byte { return eth(ethIP4, ip4(good4, dst, protoTCP, tcp(1, 443, "S"))) }
	r.send(to(server4))
	r.send(to(other4))
	r.arm(server4, StepSight)
	_, arm, _ := r.arm(other4, StepSight)
	arm.Filter = 2
	ticks := r.tick()
	for range 500 {
		r.send(to(server4))
	}
	r.send(to(other4))
	ticks = r.tick() - ticks + 1
	seen := map[[16]byte]int{}
	for {
		s, ok := next()
		if !ok {
			break
		}
		seen[s.Dst]++
	}
	if n := seen[addr(server4).As16()]; n < SightsPerTick || n > int(ticks)*SightsPerTick || seen[addr(other4).As16()] != 1 {
		t.Errorf("%d sightings of 500 packets in %d ticks, %d of another destination", n, ticks, seen[addr(other4).As16()])
	}
}
