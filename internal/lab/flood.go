package lab

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// FloodKind is what a flood is made of.
type FloodKind uint8

// The floods.
const (
	SYNFlood      FloodKind = iota // TCP SYN with a maximum segment size
	UDPFlood                       // UDP datagrams of Payload bytes
	ICMPFlood                      // echo requests of Payload bytes
	BareSYNFlood                   // TCP SYN without options and with a window of 512, as tools send them
	SYNACKFlood                    // TCP SYN-ACK from port SrcPort: a reflection
	ACKFlood                       // TCP ACK of no conversation
	FragmentFlood                  // later fragments of UDP datagrams, of Payload bytes
	GREFlood                       // GRE (IP protocol 47) with Payload bytes
)

func (k FloodKind) String() string {
	return [...]string{"SYN", "UDP", "ICMP", "bare SYN", "SYN-ACK", "ACK", "fragment", "GRE"}[k]
}

// Flood sends packets as fast as told, from one source or from random ones. A reflection is a UDPFlood with the service's SrcPort
// and a Src of some reflectors; a carpet is one with Spread; a low-rate attack one with a low Rate; Mixed sends several at once.
type Flood struct {
	Kind    FloodKind
	From    *Host          // where it is sent from
	Dev     string         // the interface it leaves by; "": eth0
	Dst     netip.AddrPort // IPv4 or IPv6; the port is without meaning where there are none
	Spread  netip.Prefix   // if valid, destinations are random within it instead of Dst's address
	Src     netip.Prefix   // sources are random within it; invalid: the host's own address
	SrcPort uint16         // of TCP and UDP; 0: random
	Rate    int            // packets a second; 0: as fast as it can
	On, Off time.Duration  // pulses: it sends for On, pauses for Off, and so on; 0: without a pause
	Payload int            // bytes of UDP, ICMP, GRE or fragment payload, up to 1400
	Seed    uint64         // the same seed sends the same packets; of RunLive: on the same processor
	Outer   *Geneve        // if not nil, sent within this, as a load balancer does
	Burst   int            // of RunLive without a Rate: packets a system call, which ends no sooner when it is no longer wanted; 0: 2^18
}

// Run floods until ctx ends or for, when not 0, that long. It returns how many packets were sent.
func (f Flood) Run(ctx context.Context, duration time.Duration) (sent uint64, err error) {
	if duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, duration)
		defer cancel()
	}
	if err := f.check(); err != nil {
		return 0, err
	}
	s, err := openFrames(f.From.Namespace, f.Dev, 0)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	rng := rand.New(rand.NewPCG(f.Seed, 0x77656972))
	for ctx.Err() == nil {
		n, err := f.pulse(ctx, s, rng)
		sent += n
		if err != nil {
			return sent, err
		}
		pause(ctx, f.Off)
	}
	return sent, nil
}

// check fills in what follows from the rest.
func (f *Flood) check() error {
	if f.Payload < 0 || f.Payload > 1400 {
		return fmt.Errorf("lab: %v flood: %d bytes of payload; 0 to 1400 expected", f.Kind, f.Payload)
	}
	if f.On < 0 || f.Off < 0 || f.Off > 0 && f.On == 0 {
		return fmt.Errorf("lab: %v flood: pulses of %v and pauses of %v; a pause needs a pulse", f.Kind, f.On, f.Off)
	}
	f.Dev = cmp.Or(f.Dev, "eth0")
	if !f.Spread.IsValid() {
		f.Spread = netip.PrefixFrom(f.Dst.Addr(), f.Dst.Addr().BitLen())
	}
	if !f.Src.IsValid() {
		own := f.From.Addr
		if f.Spread.Addr().Is6() {
			own = f.From.Addr6
		}
		f.Src = netip.PrefixFrom(own, own.BitLen())
	}
	if f.Src.Addr().Is4() != f.Spread.Addr().Is4() {
		return fmt.Errorf("lab: %v flood: source %s and destination %s are of different IP versions", f.Kind, f.Src, f.Spread)
	}
	return nil
}

// pulse sends until ctx ends or, with pulses, for one of them.
func (f *Flood) pulse(ctx context.Context, s *frameSocket, rng *rand.Rand) (sent uint64, err error) {
	if f.On > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.On)
		defer cancel()
	}
	pace := newPacer(f.Rate)
	for {
		n := pace.wait(ctx)
		if n == 0 {
			return sent, nil
		}
		for range n {
			out, err := s.add(f.frame(s.next(), rng))
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

// Mixed sends several floods at once, as multi-vector attacks are.
func Mixed(ctx context.Context, duration time.Duration, floods ...Flood) (sent uint64, err error) {
	return mix(floods, func(f Flood) (uint64, error) { return f.Run(ctx, duration) })
}

// MixedLive is Mixed by the kernel: see RunLive.
func MixedLive(ctx context.Context, duration time.Duration, floods ...Flood) (sent uint64, err error) {
	return mix(floods, func(f Flood) (uint64, error) { return f.RunLive(ctx, duration) })
}

func mix(floods []Flood, run func(Flood) (uint64, error)) (sent uint64, err error) {
	var total atomic.Uint64
	errs := make([]error, len(floods))
	var all sync.WaitGroup
	for i, f := range floods {
		all.Go(func() {
			n, err := run(f)
			total.Add(n)
			errs[i] = err
		})
	}
	all.Wait()
	return total.Load(), errors.Join(errs...)
}

// frame writes one frame as it is sent, and returns its length.
func (f *Flood) frame(b []byte, rng *rand.Rand) int {
	if f.Outer == nil {
		return f.put(b, rng)
	}
	var inner [1600]byte
	n := f.put(inner[:], rng)
	return f.Outer.Wrap(b, inner[ethLen:n])
}

// put writes one frame and returns its length.
func (f *Flood) put(b []byte, rng *rand.Rand) int {
	h := ipHeader{src: within(f.Src, rng), dst: within(f.Spread, rng), ttl: uint8(48 + rng.UintN(16)), id: uint16(rng.Uint32())}
	rest := putEthernet(b, f.From.RouterMAC, f.From.MAC, h.etherType())
	random := rng.Uint64()
	sport := 1024 + uint16(random%(65536-1024))
	if f.SrcPort != 0 {
		sport = f.SrcPort
	}
	var size, sumAt int
	l4 := rest[h.len():]
	switch f.Kind {
	case FragmentFlood:
		return f.putFragment(rest, h, random) + ethLen
	case GREFlood:
		h.proto = 47
		h.put(rest, 4+f.Payload)
		fill(l4[4:4+f.Payload], random)
		copy(l4, []byte{0, 0, 0x88, 0xb5}) // RFC 2784: no checksum; within is what nobody knows
		return ethLen + h.len() + 4 + f.Payload
	case SYNFlood:
		h.proto, size, sumAt = unix.IPPROTO_TCP, tcpLen+4, 16
		putSYN(l4, sport, f.Dst.Port(), uint32(random>>16))
	case BareSYNFlood:
		h.proto, size, sumAt = unix.IPPROTO_TCP, tcpLen, 16
		putTCP(l4, sport, f.Dst.Port(), random, 0x02, 512)
	case SYNACKFlood:
		h.proto, size, sumAt = unix.IPPROTO_TCP, tcpLen, 16
		putTCP(l4, sport, f.Dst.Port(), random, 0x12, 65535)
	case ACKFlood:
		h.proto, size, sumAt = unix.IPPROTO_TCP, tcpLen, 16
		putTCP(l4, sport, f.Dst.Port(), random, 0x10, 512)
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

// putFragment writes the second fragment of a datagram whose first nobody will see, and returns the length of the IP packet.
func (f *Flood) putFragment(b []byte, h ipHeader, random uint64) int {
	size := max(f.Payload, 8)
	if h.src.Is4() {
		h.proto = unix.IPPROTO_UDP
		fill(h.put(b, size)[:size], random)
		binary.BigEndian.PutUint16(b[6:], 185) // in units of 8 bytes: 1480
		b[10], b[11] = 0, 0
		binary.BigEndian.PutUint16(b[10:], fold(sum(b[:ipv4Len])))
		return ipv4Len + size
	}
	h.proto = unix.IPPROTO_FRAGMENT
	rest := h.put(b, 8+size)
	rest[0], rest[1] = unix.IPPROTO_UDP, 0
	binary.BigEndian.PutUint16(rest[2:], 185<<3)
	binary.BigEndian.PutUint32(rest[4:], uint32(random))
	fill(rest[8:8+size], random)
	return ipv6Len + 8 + size
}

// putTCP writes a TCP header without options and with a zero checksum.
func putTCP(b []byte, sport, dport uint16, random uint64, flags byte, window uint16) {
	binary.BigEndian.PutUint16(b, sport)
	binary.BigEndian.PutUint16(b[2:], dport)
	binary.BigEndian.PutUint32(b[4:], uint32(random>>16))
	binary.BigEndian.PutUint32(b[8:], 0)
	if flags&0x10 != 0 {
		binary.BigEndian.PutUint32(b[8:], uint32(random>>32))
	}
	b[12], b[13] = 5<<4, flags
	binary.BigEndian.PutUint16(b[14:], window)
	binary.BigEndian.PutUint32(b[16:], 0)
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
