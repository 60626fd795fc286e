package bpf

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
	"testing"
	"time"
)

// siphash24 is SipHash-2-4, as its authors describe it.
func siphash24(k0, k1 uint64, msg []byte) uint64 {
	v := [4]uint64{k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573}
	rounds := func(n int) {
		for range n {
			v[0] += v[1]
			v[2] += v[3]
			v[1], v[3] = bits.RotateLeft64(v[1], 13)^v[0], bits.RotateLeft64(v[3], 16)^v[2]
			v[0] = bits.RotateLeft64(v[0], 32)
			v[2] += v[1]
			v[0] += v[3]
			v[1], v[3] = bits.RotateLeft64(v[1], 17)^v[2], bits.RotateLeft64(v[3], 21)^v[0]
			v[2] = bits.RotateLeft64(v[2], 32)
		}
	}
	tail := make([]byte, 8-len(msg)%8)
	tail[len(tail)-1] = byte(len(msg))
	for b := slices.Concat(msg, tail); len(b) > 0; b = b[8:] {
		word := binary.LittleEndian.Uint64(b)
		v[3] ^= word
		rounds(2)
		v[0] ^= word
	}
	v[2] ^= 0xff
	rounds(4)
	return v[0] ^ v[1] ^ v[2] ^ v[3]
}

// sum16 is the Internet checksum's sum (RFC 1071).
func sum16(parts ...[]byte) uint16 {
	b, s := join(parts...), uint32(0)
	if len(b)%2 == 1 {
		b = append(b, 0)
	}
	for i := 0; i < len(b); i += 2 {
		s += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for s>>16 != 0 {
		s = s&0xffff + s>>16
	}
	return uint16(s)
}

// tcpSum is 0xffff if the TCP checksum of an IP packet is right.
func tcpSum(packet []byte) uint16 {
	addrs, l4 := packet[12:20], packet[20:]
	if packet[0]>>4 == 6 {
		addrs, l4 = packet[8:40], packet[40:]
	}
	return sum16(addrs, be16(protoTCP), be16(len(l4)), l4)
}

// summed fills in the checksums of an IP packet that carries TCP.
func summed(packet []byte) []byte {
	p, l4 := bytes.Clone(packet), 40
	if p[0]>>4 == 4 {
		l4 = 20
		clear(p[10:12])
		binary.BigEndian.PutUint16(p[10:], ^sum16(p[:20]))
	}
	clear(p[l4+16 : l4+18])
	binary.BigEndian.PutUint16(p[l4+16:], ^tcpSum(p))
	return p
}

// challenged is a rig with server armed so that SYNs are answered.
func (rs rigs) challenged(parent, t *testing.T, mode Mode, server string, syn []byte, steps ...Step) *rig {
	r := rs.fresh(parent, t, mode)
	r.send(syn)
	r.arm(server, append(steps, StepChallenge)...)
	return r
}

// TestChallenge checks the bytes of the answer to a SYN, and who passes after it.
func TestChallenge(parent *testing.T) {
	if got := siphash24(0x0706050403020100, 0x0f0e0d0c0b0a0908, []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}); got != 0xa129ca6149be45e5 {
		parent.Fatalf("the test's SipHash is wrong: %x", got) // the paper's example
	}
	rs := rigs{}
	options := []byte{2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7}
	plain := func(b []byte) []byte {
		if b[0]>>4 == 6 {
			return eth(ethIP6, b)
		}
		return eth(ethIP4, b)
	}
	tagged := func(b []byte) []byte { return eth(0x8100, vlan(7, ethIP4, b)) }
	for _, c := range []struct {
		name           string
		mode           Mode
		client, server string
		wrap           func([]byte) []byte
		at             int // of the inner IP header
		tunnel         bool
	}{
		{"host ipv4", ModeHost, good4, server4, plain, 14, false},
		{"host ipv6", ModeHost, good6, server6, plain, 14, false},
		{"bridge vlan", ModeBridge, good4, server4, tagged, 18, false},
		{"gwlb ipv4", ModeGWLB, good4, server4, gwlb, len(gwlb(make([]byte, 100))) - 100, true},
		{"gwlb ipv6", ModeGWLB, good6, server6, gwlb, len(gwlb(make([]byte, 100))) - 100, true},
	} {
		parent.Run(c.name, func(t *testing.T) {
			packet := func(src, dst string, l4 []byte) []byte {
				if addr(src).Is6() {
					return summed(ip6(src, dst, protoTCP, l4))
				}
				return summed(ip4(src, dst, protoTCP, l4))
			}
			syn := packet(c.client, c.server, options4(tcp(4000, 443, "S"), options, nil))
			r := rs.challenged(parent, t, c.mode, c.server, c.wrap(syn))
			sent := c.wrap(syn)
			got := r.expect(sent, xdpTX, ReasonFloodSYN, ReasonNone)
			if got.paths[PathChallenged] != 1 {
				t.Errorf("paths %v", got.paths)
			}

			back := got.out[c.at:][:len(syn)]
			l4 := back[20:]
			if addr(c.client).Is6() {
				l4 = back[40:]
			}
			ack := binary.BigEndian.Uint32(l4[8:])
			want := packet(c.server, c.client, options4(tcp(443, 4000, "SA"), options, nil))
			at := len(want) - len(l4)
			copy(want[at+4:at+12], l4[4:12]) // sequence numbers
			if got.out[c.at-2] != sent[c.at-2] || !bytes.Equal(back, summed(want)) {
				t.Errorf("answer\n%x\nwant\n%x", back, summed(want))
			}
			if tcpSum(back) != 0xffff || back[0]>>4 == 4 && sum16(back[:20]) != 0xffff {
				t.Errorf("checksums of the answer are wrong: %x", back)
			}
			if !bytes.Equal(got.out[:6], sent[6:12]) || !bytes.Equal(got.out[6:12], sent[:6]) {
				t.Errorf("MAC addresses not swapped: %x", got.out[:14])
			}
			if c.tunnel && !bytes.Equal(got.out[14:c.at], swapped(sent)[14:c.at]) {
				t.Errorf("tunnel\n%x\nwant\n%x", got.out[:c.at], swapped(sent)[:c.at])
			}
			src, dst := addr(c.client).As16(), addr(c.server).As16()
			epoch := uint64(r.tick() >> 5)
			cookie := func(epoch uint64) uint32 {
				tail := binary.LittleEndian.AppendUint64(nil, 4000<<48|443<<32|epoch)
				return uint32(siphash24(r.t.Control.Key[0], r.t.Control.Key[1], slices.Concat(src[:], dst[:], tail)))
			}
			if ack != cookie(epoch) && ack != cookie(epoch-1) {
				t.Errorf("cookie %08x, want %08x", ack, cookie(epoch))
			}

			passes := uint32(xdpPass)
			switch c.mode {
			case ModeGWLB:
				passes = xdpTX
			case ModeBridge:
				passes = 0 // there is no other port here
			}
			reset := func(port int, seq uint32) []byte {
				header := tcp(port, 443, "R")
				binary.BigEndian.PutUint32(header[4:], seq)
				return c.wrap(packet(c.client, c.server, header))
			}
			wrong := func(frame []byte) {
				t.Helper()
				if got := r.send(frame); len(got.drops) > 0 {
					t.Errorf("a reset that proves nothing: %v", got.drops)
				}
			}
			wrong(reset(4000, ack+1))
			wrong(reset(4001, ack))
			r.expect(sent, xdpTX, ReasonFloodSYN, ReasonNone)
			r.expect(reset(4000, ack), xdpDrop, ReasonProof, ReasonNone)
			if got := r.send(sent); len(got.drops) > 0 || got.paths[PathGood] != 1 || passes != 0 && got.action != passes {
				t.Errorf("after the proof: action %d, %v, %v", got.action, got.drops, got.paths)
			}
		})
	}
}

// TestChallengeYields checks who is not challenged, and that what cannot be answered is dropped.
func TestChallengeYields(parent *testing.T) {
	rs := rigs{}
	syn := eth(ethIP4, ip4(good4, server4, protoTCP, tcp(4000, 443, "S")))
	parent.Run("observe mode", func(t *testing.T) {
		r := rs.challenged(parent, t, ModeHost, server4, syn)
		r.t.Control.Observe = 1
		r.expect(syn, xdpPass, ReasonNone, ReasonFloodSYN)
	})
	parent.Run("guarded", func(t *testing.T) {
		r := rs.challenged(parent, t, ModeHost, server4, syn)
		r.guard(good4)
		r.expect(syn, xdpPass, ReasonNone, ReasonNone)
	})
	parent.Run("other packets", func(t *testing.T) {
		r := rs.challenged(parent, t, ModeHost, server4, syn)
		for _, flags := range []string{"A", "SA", "FA", "RA"} {
			r.expect(eth(ethIP4, ip4(good4, server4, protoTCP, tcp(4000, 443, flags))), xdpPass, ReasonNone, ReasonNone)
		}
	})
	parent.Run("no challenges left in this tick", func(t *testing.T) {
		r := rs.challenged(parent, t, ModeHost, server4, syn)
		r.t.Control.Challenges = 0
		r.expect(syn, xdpDrop, ReasonFloodSYN, ReasonNone)
		r.t.Control.Challenges = challengesPerTick
	})
	parent.Run("a repetition", func(t *testing.T) {
		r := rs.challenged(parent, t, ModeHost, server4, syn, StepFirst)
		r.expect(syn, xdpTX, ReasonFloodSYN, ReasonNone)
		for start := r.tick(); r.tick()-start <= FirstAgain; {
			time.Sleep(20 * time.Millisecond)
		}
		r.expect(syn, xdpPass, ReasonNone, ReasonNone) // something on the way swallows resets
	})
	parent.Run("mirror", func(t *testing.T) {
		frame := eth(ethIP4, ip4("10.9.0.1", "10.9.0.2", protoUDP, vxlan(7, syn)))
		r := rs.challenged(parent, t, ModeMirror, server4, frame)
		r.expect(frame, xdpDrop, ReasonNone, ReasonFloodSYN)
	})
	parent.Run("late", func(t *testing.T) {
		r := rs.challenged(parent, t, ModeHost, server4, syn)
		got := r.send(syn)
		header := tcp(4000, 443, "R")
		copy(header[4:8], got.out[14+20+8:])
		for start := r.tick() >> 5; r.tick()>>5 < start+2; {
			time.Sleep(50 * time.Millisecond)
		}
		r.expect(eth(ethIP4, ip4(good4, server4, protoTCP, header)), xdpPass, ReasonNone, ReasonNone)
	})
}
