package threshold

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"net/netip"
	"strings"
	"time"

	"github.com/weir-ips/weir/pkg/decode"
)

// Phase says which record of an attack this is: one attack has one start, updates a minute apart, and one end.
type Phase uint8

// The phases.
const (
	Start Phase = iota
	Update
	End
)

// String returns the phase as records name it.
func (p Phase) String() string { return [...]string{"start", "update", "end"}[p] }

// Sample is the head of one packet of an attack.
type Sample struct {
	Time             int64 // Unix ns
	Src, Dst         decode.Addr
	SrcPort, DstPort uint16
	Proto, TTL       uint8
	Length           uint16 // of the IP packet
}

// Detection says that an attack begins, goes on or has ended, and why it is called one.
type Detection struct {
	ID        string // the same in all records of one attack
	Vector    Vector
	Phase     Phase
	Time      int64       // Unix ns of the decision
	Since     int64       // Unix ns of the first packet counted
	Number    uint64      // of the frame that set it off, in its capture
	Src       decode.Addr // zero when there are many
	Dst       decode.Addr // zero when there are many; a network's first address for Carpet
	Bits      uint8       // of that network's prefix; 0: 24, for IPv6 64
	Port      uint16      // Amplification: the service's source port; else the destination port, 0 when there are many
	Proto     uint8       // IANA protocol number
	Name      string      // BruteForce: the service; WaterTorture: the zone
	Value     uint64      // of the statistic; Threshold is what it had to reach, Window the ns it was measured over
	Threshold uint64
	Window    int64
	Unit      string // of Value, Threshold and Peak, where it is not the vector's
	Peak      uint64 // highest Value so far
	Packets   uint64 // counted since Since; attempts for scans and logins
	Bytes     uint64 // of IP packets, where counted
	Sources   uint64 // estimate of different sources (Carpet: destinations), where counted
	Usual     uint64 // packets a second that are usual, where known
	Learned   bool   // Usual is the network's learned baseline, not the average of the minute before
	Method    string // how the value was compared; "" for a plain rate
	Pulses    uint32 // how often the attack paused and went on
	Samples   []Sample
	Top       []Talker  // the sources of most of its packets, greatest first
	Measures  []Measure // what is done about it
}

// Talker is a source of an attack; its share is an estimate.
type Talker struct {
	Addr    decode.Addr
	Packets uint64
}

// Measure is one step of what is done about an attack: a verdict on packets to a destination.
type Measure struct {
	Step    string // "fingerprint", "source-port", "known-good first", "challenge", "rate limit"
	What    string // which packets, in words
	Why     string
	Since   int64  // Unix ns
	Expires int64  // Unix ns; renewed while the attack is on
	Dropped uint64 // packets
	Would   uint64 // packets that would have been dropped, when the sensor observes
}

// AttackID names an attack by what it is, where, and when it began.
func AttackID(d *Detection) string {
	h := fnv.New64a()
	var b [8]byte
	for _, part := range [][]byte{{byte(d.Vector), byte(d.Port >> 8), byte(d.Port), d.Bits}, d.Src[:], d.Dst[:], []byte(d.Name), binary.BigEndian.AppendUint64(b[:0], uint64(d.Since))} {
		h.Write(part)
	}
	return fmt.Sprintf("%s-%016x", d.Vector, h.Sum64())
}

// Network is what a Carpet is directed at; of other vectors the one address.
func (d *Detection) Network() netip.Prefix {
	ip := d.Dst.IP()
	bits := int(d.Bits)
	switch {
	case d.Vector != Carpet:
		bits = ip.BitLen()
	case bits == 0 && ip.Is4():
		bits = 24
	case bits == 0:
		bits = 64
	}
	return netip.PrefixFrom(ip, bits)
}

// Subject is what an attack is about besides addresses: a network, or Name.
func (d *Detection) Subject() string {
	if d.Vector == Carpet {
		return d.Network().String()
	}
	return d.Name
}

// Explain says in one sentence why the event was raised.
func (d *Detection) Explain() string {
	s := d.Vector.Describe()
	unit := cmp.Or(d.Unit, s.Unit)
	var where strings.Builder
	if d.Src != (decode.Addr{}) {
		fmt.Fprintf(&where, " from %s", d.Src.IP())
	}
	switch {
	case d.Vector == Carpet:
		fmt.Fprintf(&where, " to %s", d.Network())
	case d.Dst != (decode.Addr{}):
		fmt.Fprintf(&where, " to %s", d.Dst.IP())
	}
	if d.Port != 0 {
		fmt.Fprintf(&where, " port %d", d.Port)
	}
	if d.Name != "" {
		fmt.Fprintf(&where, " (%s)", d.Name)
	}
	if d.Phase == End {
		return fmt.Sprintf("%s%s is over after %s: %d counted, peak %d %s", s.Name, where.String(),
			time.Duration(d.Time-d.Since).Round(time.Millisecond), d.Packets, d.Peak, unit)
	}
	why := fmt.Sprintf("%s%s: %d %s over %s; the threshold is %d", s.Statistic, where.String(), d.Value, unit,
		time.Duration(d.Window), d.Threshold)
	if d.Learned {
		why += fmt.Sprintf(", as %d are usual at this hour", d.Usual)
	}
	if d.Method == Excess.String() {
		why += "; it is less than that, but has lasted"
	}
	return why
}
