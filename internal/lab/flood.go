package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// FloodKind is what a flood is made of.
type FloodKind uint8

// The floods.
const (
	SYNFlood  FloodKind = iota // TCP SYN
	UDPFlood                   // UDP datagrams of Payload bytes
	ICMPFlood                  // echo requests of Payload bytes
)

func (k FloodKind) String() string { return [...]string{"SYN", "UDP", "ICMP"}[k] }

// Flood sends packets as fast as told, from one source or from random ones.
type Flood struct {
	Kind    FloodKind
	From    *Host          // where it is sent from, out of eth0
	Dst     netip.AddrPort // IPv4 or IPv6; the port is without meaning for ICMP
	Src     netip.Prefix   // sources are random within it; invalid: the host's own address
	SrcPort uint16         // of TCP and UDP; 0: random
	Rate    int            // packets a second; 0: as fast as it can
	Payload int            // bytes of UDP or ICMP payload, up to 1400
	Seed    uint64         // the same seed sends the same packets
}

// Run floods until ctx ends or for, when not 0, that long. It returns how many packets were sent.
func (f Flood) Run(ctx context.Context, duration time.Duration) (sent uint64, err error) {
	if duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, duration)
		defer cancel()
	}
	if f.Payload < 0 || f.Payload > 1400 {
		return 0, fmt.Errorf("lab: %v flood: %d bytes of payload; 0 to 1400 expected", f.Kind, f.Payload)
	}
	if !f.Src.IsValid() {
		own := f.From.Addr
		if f.Dst.Addr().Is6() {
			own = f.From.Addr6
		}
		f.Src = netip.PrefixFrom(own, own.BitLen())
	}
	if f.Src.Addr().Is4() != f.Dst.Addr().Is4() {
		return 0, fmt.Errorf("lab: %v flood: source %s and destination %s are of different IP versions", f.Kind, f.Src, f.Dst)
	}
	s, err := openFrames(f.From.Namespace, "eth0", 0)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	rng := rand.New(rand.NewPCG(f.Seed, 0x77656972))
	pace := newPacer(f.Rate)
	for {
		n := pace.wait(ctx)
		if n == 0 {
			return sent, nil
		}
		for range n {
			out, err := s.add(f.put(s.next(), rng))
			sent += uint64(out)
			if err != nil {
				return sent, err
			}
		}
		out, err := s.flush()
		sent += uint64(out)
		if err != nil {
			return sent, err
		}
	}
}

// put writes one frame and returns its length.
func (f *Flood) put(b []byte, rng *rand.Rand) int {
	h := ipHeader{src: within(f.Src, rng), dst: f.Dst.Addr(), ttl: uint8(48 + rng.UintN(16)), id: uint16(rng.Uint32())}
	rest := putEthernet(b, f.From.RouterMAC, f.From.MAC, h.etherType())
	random := rng.Uint64()
	sport := 1024 + uint16(random%(65536-1024))
	if f.SrcPort != 0 {
		sport = f.SrcPort
	}
	var size, sumAt int
	l4 := rest[h.len():]
	switch f.Kind {
	case SYNFlood:
		h.proto, size, sumAt = unix.IPPROTO_TCP, tcpLen+4, 16
		putSYN(l4, sport, f.Dst.Port(), uint32(random>>16))
	case UDPFlood:
		h.proto, size, sumAt = unix.IPPROTO_UDP, udpLen+f.Payload, 6
		fill(putUDP(l4, sport, f.Dst.Port(), f.Payload)[:f.Payload], random)
	case ICMPFlood:
		h.proto, size, sumAt = unix.IPPROTO_ICMP, icmpLen+f.Payload, 2
		if h.src.Is6() {
			h.proto = unix.IPPROTO_ICMPV6
		}
		fill(putEcho(l4, h.src.Is4(), sport, uint16(random>>16))[:f.Payload], random)
	}
	h.put(rest, size)
	segment := l4[:size]
	if h.proto == unix.IPPROTO_ICMP { // without a pseudo header
		binary.BigEndian.PutUint16(segment[sumAt:], fold(sum(segment)))
	} else {
		binary.BigEndian.PutUint16(segment[sumAt:], h.checksum(segment))
	}
	return ethLen + h.len() + size
}

// putSYN writes a TCP header with one option, the maximum segment size, and a zero checksum.
func putSYN(b []byte, sport, dport uint16, seq uint32) {
	binary.BigEndian.PutUint16(b, sport)
	binary.BigEndian.PutUint16(b[2:], dport)
	binary.BigEndian.PutUint32(b[4:], seq)
	binary.BigEndian.PutUint32(b[8:], 0)
	b[12], b[13] = 6<<4, 0x02
	binary.BigEndian.PutUint16(b[14:], 64240)
	binary.BigEndian.PutUint32(b[16:], 0)
	copy(b[20:], []byte{2, 4, 0x05, 0xb4})
}

// putEcho writes the header of an echo request with a zero checksum and returns what follows it.
func putEcho(b []byte, v4 bool, id, seq uint16) []byte {
	b[0], b[1] = 128, 0
	if v4 {
		b[0] = 8
	}
	b[2], b[3] = 0, 0
	binary.BigEndian.PutUint16(b[4:], id)
	binary.BigEndian.PutUint16(b[6:], seq)
	return b[icmpLen:]
}

func fill(b []byte, random uint64) {
	for i := range b {
		b[i] = byte(random >> (8 * (i % 8)))
	}
}

// within returns a random address of p.
func within(p netip.Prefix, rng *rand.Rand) netip.Addr {
	if p.IsSingleIP() {
		return p.Addr()
	}
	if p.Addr().Is4() {
		a := p.Addr().As4()
		mask := uint32(1)<<(32-p.Bits()) - 1
		v := binary.BigEndian.Uint32(a[:])&^mask | rng.Uint32()&mask
		binary.BigEndian.PutUint32(a[:], v)
		return netip.AddrFrom4(a)
	}
	a := p.Masked().Addr().As16()
	var r [16]byte
	binary.BigEndian.PutUint64(r[:], rng.Uint64())
	binary.BigEndian.PutUint64(r[8:], rng.Uint64())
	for bit := p.Bits(); bit < 128; bit++ {
		a[bit/8] |= r[bit/8] & (0x80 >> (bit % 8))
	}
	return netip.AddrFrom16(a)
}
