package threshold

import (
	"cmp"
	"fmt"
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
	Vector    Vector
	Phase     Phase
	Time      int64       // Unix ns of the decision
	Since     int64       // Unix ns of the first packet counted
	Number    uint64      // of the frame that set it off, in its capture
	Src       decode.Addr // zero when there are many
	Dst       decode.Addr // zero when there are many; a network's first address for Carpet
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
	Samples   []Sample
}

// Explain says in one sentence why the event was raised.
func (d *Detection) Explain() string {
	s := d.Vector.Describe()
	unit := cmp.Or(d.Unit, s.Unit)
	var where strings.Builder
	if d.Src != (decode.Addr{}) {
		fmt.Fprintf(&where, " from %s", d.Src.IP())
	}
	if d.Dst != (decode.Addr{}) {
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
	return fmt.Sprintf("%s%s: %d %s over %s; the threshold is %d", s.Statistic, where.String(), d.Value, unit,
		time.Duration(d.Window), d.Threshold)
}
