// Package verdict says what happens to traffic, why, and for how long.
//
// A Verdict is the unit that analysts, rules, floods and feeds create, that the collector numbers and signs, and that
// pkg/verdict/enforce writes into the XDP maps. The zero Action observes: it never stops traffic.
package verdict

import (
	"net/netip"
	"time"
)

// Action is what happens to a packet that matches.
type Action uint8

// Actions, in growing severity up to Drop; Pass and Bypass overrule drops of lower origins.
const (
	Observe   Action = iota // count what would be dropped, pass the packet
	RateLimit               // pass up to a rate, drop the rest
	Drop
	Pass   // accept and go on inspecting
	Bypass // accept and inspect no more
)

// Origin is who asked for a verdict. Order of precedence, highest first: never-block (no verdict: a guard), revoke,
// analyst allow, analyst drop, rule or flood, feed (design §7).
type Origin uint8

// Origins, highest precedence first.
const (
	OriginAnalyst Origin = iota + 1
	OriginRule
	OriginFlood
	OriginFeed
)

// FlowKey names one flow as the kernel does: inner addresses and ports in the initiator's direction, tenant 0 without tunnel.
type FlowKey struct {
	Tenant uint64         `json:"tenant,omitempty"`
	Src    netip.AddrPort `json:"src"`
	Dst    netip.AddrPort `json:"dst"`
	Proto  uint8          `json:"proto"`
}

// Match says which packets a verdict is about: a source prefix or one flow, narrowed by destination, protocol and port.
type Match struct {
	Src   netip.Prefix `json:"src,omitzero"`
	Flow  *FlowKey     `json:"flow,omitempty"`
	Dst   netip.Prefix `json:"dst,omitzero"`
	Proto uint8        `json:"proto,omitempty"`
	Port  uint16       `json:"port,omitempty"` // destination port
}

// Covers reports whether m is about a packet from src to dst. Subnets and ports that m leaves open match all.
func (m *Match) Covers(tenant uint64, src, dst netip.AddrPort, proto uint8) bool {
	if f := m.Flow; f != nil {
		return f.Tenant == tenant && f.Proto == proto && (f.Src == src && f.Dst == dst || f.Src == dst && f.Dst == src)
	}
	return (!m.Src.IsValid() || m.Src.Contains(src.Addr())) && (!m.Dst.IsValid() || m.Dst.Contains(dst.Addr())) &&
		(m.Proto == 0 || m.Proto == proto) && (m.Port == 0 || m.Port == dst.Port())
}

// Verdict is one decision. Epoch and Seq are the collector's; both 0 for a decision of the sensor itself.
type Verdict struct {
	ID         string    `json:"id"`
	Epoch      uint64    `json:"epoch,omitempty"`
	Seq        uint64    `json:"seq,omitempty"`
	Match      Match     `json:"match"`
	Action     Action    `json:"action"`
	Scope      string    `json:"scope,omitempty"` // "" or "all": every sensor; "local": the sensor that made it; else a sensor id or group
	Origin     Origin    `json:"origin"`
	Rule       uint32    `json:"rule,omitempty"`      // signature id, when a rule asked for it
	Evidence   []string  `json:"evidence,omitempty"`  // ids of alerts, at most 10
	Spoofable  bool      `json:"spoofable,omitempty"` // the evidence could have been forged (UDP, ICMP, no handshake)
	Rate       uint32    `json:"rate,omitempty"`      // packets per second, for RateLimit
	Reason     string    `json:"reason"`
	CreatedBy  string    `json:"created_by"` // user, "sensor:ID", "feed:NAME"
	ApprovedBy string    `json:"approved_by,omitempty"`
	CreatedAt  time.Time `json:"created_at"`
	ExpiresAt  time.Time `json:"expires_at"` // mandatory
}
