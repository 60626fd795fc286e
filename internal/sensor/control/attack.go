package control

import (
	"net/netip"
	"time"
)

// Attack is one that is on: what it is, why it is called one, and what is done about it.
type Attack struct {
	ID          string      `json:"id"`
	Vector      string      `json:"vector"`
	Explanation string      `json:"explanation"`
	Src         *netip.Addr `json:"src_ip,omitempty"` // absent when there are many
	Dst         *netip.Addr `json:"dest_ip,omitempty"`
	Port        uint16      `json:"port,omitempty"`
	Subject     string      `json:"subject,omitempty"` // login service or DNS zone
	Since       time.Time   `json:"since"`
	Statistic   string      `json:"statistic"`        // what is compared with the threshold
	Method      string      `json:"method,omitempty"` // how, where not by a plain rate
	Unit        string      `json:"unit"`             // of the figures
	Value       uint64      `json:"value"`
	Threshold   uint64      `json:"threshold"`
	Usual       uint64      `json:"usual,omitempty"`
	Learned     bool        `json:"learned"` // Usual is a learned baseline, and the threshold follows it
	Peak        uint64      `json:"peak"`
	Counted     uint64      `json:"counted"` // packets or attempts so far
	Bytes       uint64      `json:"bytes,omitempty"`
	Sources     uint64      `json:"sources,omitempty"` // estimate
	Pulses      uint32      `json:"pulses,omitempty"`
	Top         []Talker    `json:"top_sources,omitempty"`
	Measures    []Measure   `json:"measures,omitempty"`
	Samples     []Sample    `json:"samples,omitempty"`
}

// Talker is a source of an attack and an estimate of its packets.
type Talker struct {
	IP      netip.Addr `json:"ip"`
	Packets uint64     `json:"packets"`
}

// Measure is one step of what is done about an attack.
type Measure struct {
	Step    string    `json:"step"`
	What    string    `json:"what"`
	Why     string    `json:"why"`
	Since   time.Time `json:"since"`
	Expires time.Time `json:"expires"` // put off while the attack is on
	Dropped uint64    `json:"dropped"` // packets
	Would   uint64    `json:"would_drop,omitempty"`
}

// Sample is the head of one packet.
type Sample struct {
	Time   time.Time      `json:"timestamp"`
	Src    netip.AddrPort `json:"src"`
	Dst    netip.AddrPort `json:"dest"`
	Proto  uint8          `json:"proto"`
	TTL    uint8          `json:"ttl"`
	Length uint16         `json:"length"` // of the IP packet
}
