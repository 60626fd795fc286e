package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"net/netip"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// MirrorConfig describes a Traffic Mirroring session with an interface as its target.
type MirrorConfig struct {
	Source       *Host      // whose eth0 is mirrored, both directions
	Target       *Host      // where the copies go
	Router       *Namespace // between the two; the copies are made there, as AWS makes them outside the instance
	VNI          uint32     // 24 bits
	PacketLength int        // bytes of each frame that are kept; 0: all that fit the target's MTU
	TargetMTU    int        // 0: 1500
}

// Mirror emulates an AWS Traffic Mirroring session: each frame of the source in VXLAN (RFC 7348) on UDP 4789, the outer source port a
// hash of the packet's 5-tuple, cut to PacketLength and the target's MTU. ARP, DHCP, NTP and the instance metadata service are not
// mirrored (docs.aws.amazon.com/vpc/latest/mirroring).
type Mirror struct {
	cfg    MirrorConfig
	tap    *frameSocket
	out    *frameSocket
	seed   maphash.Seed
	keep   int
	wg     sync.WaitGroup
	fault  error // of the loop; read after wg
	stats  struct{ mirrored, skipped, truncated atomic.Uint64 }
	closed sync.Once
}

// MirrorStats count a session's frames under CloudWatch's names.
type MirrorStats struct {
	NetworkPacketsMirrored uint64 `json:"NetworkPacketsMirror"`     // sent to the target
	NetworkPacketsSkipped  uint64 `json:"NetworkPacketsSkipMirror"` // of kinds that are not mirrored, or refused by the link
	Truncated              uint64 `json:"truncated"`                // of those sent
}

// StartMirror starts the session.
func StartMirror(cfg MirrorConfig) (*Mirror, error) {
	if cfg.VNI >= 1<<24 {
		return nil, fmt.Errorf("lab: mirror: VNI %d; below 2^24 expected", cfg.VNI)
	}
	if cfg.TargetMTU == 0 {
		cfg.TargetMTU = 1500
	}
	// AWS reckons 54 bytes around the IP packet, so 40 around the frame.
	m := &Mirror{cfg: cfg, seed: maphash.MakeSeed(), keep: cfg.TargetMTU - 40}
	if cfg.PacketLength > 0 {
		m.keep = min(m.keep, cfg.PacketLength)
	}
	var err error
	if m.tap, err = openFrames(cfg.Router, cfg.Source.RouterDev, unix.ETH_P_ALL); err != nil {
		return nil, err
	}
	if m.out, err = openFrames(cfg.Router, cfg.Target.RouterDev, 0); err != nil {
		return nil, errors.Join(err, m.tap.close())
	}
	m.wg.Add(1)
	go m.loop()
	return m, nil
}

func (m *Mirror) loop() {
	defer m.wg.Done()
	for {
		n, err := m.tap.recv()
		if errors.Is(err, io.EOF) {
			return
		}
		if err == nil {
			err = m.copies(n)
		}
		if err != nil {
			m.fault = err
			return
		}
	}
}

func (m *Mirror) copies(n int) error {
	sent, queued := 0, 0
	for i := range n {
		frame := m.tap.frame(i)
		if len(frame) < ethLen || excluded(frame) {
			m.stats.skipped.Add(1)
			continue
		}
		queued++
		out, err := m.out.add(m.wrap(m.out.next(), frame))
		sent += out
		if err != nil {
			return err
		}
	}
	out, err := m.out.flush()
	sent += out
	m.stats.mirrored.Add(uint64(sent))
	m.stats.skipped.Add(uint64(queued - sent))
	return err
}

// wrap writes the copy of a frame and returns its length.
func (m *Mirror) wrap(b, frame []byte) int {
	t, _, _ := parseIP(frame[ethLen:])
	if len(frame) > m.keep {
		frame = frame[:m.keep]
		m.stats.truncated.Add(1)
	}
	size := vxlanLen + len(frame)
	rest := putEthernet(b, m.cfg.Target.MAC, m.cfg.Target.RouterMAC, unix.ETH_P_IP)
	rest = ipHeader{src: m.cfg.Source.Addr, dst: m.cfg.Target.Addr, proto: unix.IPPROTO_UDP, ttl: 64}.put(rest, udpLen+size)
	v := putUDP(rest, 1024+uint16(maphash.Comparable(m.seed, t)%(65536-1024)), vxlanPort, size)
	binary.BigEndian.PutUint32(v, 0x08000000)
	binary.BigEndian.PutUint32(v[4:], m.cfg.VNI<<8)
	copy(v[vxlanLen:], frame)
	return ethLen + ipv4Len + udpLen + size
}

// excluded reports the traffic that AWS does not mirror.
func excluded(frame []byte) bool {
	if binary.BigEndian.Uint16(frame[12:]) == unix.ETH_P_ARP {
		return true
	}
	t, _, ok := parseIP(frame[ethLen:])
	if !ok {
		return false
	}
	imds := netip.AddrFrom4([4]byte{169, 254, 169, 254}).As4()
	if t.version == 4 && (([4]byte)(t.dst[:4]) == imds || ([4]byte)(t.src[:4]) == imds) {
		return true
	}
	if t.proto != unix.IPPROTO_UDP {
		return false
	}
	for _, port := range [...]uint16{67, 68, 123, 546, 547} {
		if t.sport == port || t.dport == port {
			return true
		}
	}
	return false
}

// Stats reads the counters.
func (m *Mirror) Stats() MirrorStats {
	return MirrorStats{m.stats.mirrored.Load(), m.stats.skipped.Load(), m.stats.truncated.Load()}
}

// Close ends the session.
func (m *Mirror) Close() (err error) {
	m.closed.Do(func() {
		m.tap.stop()
		m.wg.Wait()
		err = errors.Join(m.fault, m.tap.close(), m.out.close())
	})
	return err
}
