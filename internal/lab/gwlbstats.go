package lab

import "sync/atomic"

type gwlbCounters struct {
	packets, bytes, sent, returned, accepted                   atomic.Uint64
	invalidTunnel, invalidEndpoint, invalidCookie, missingFlow atomic.Uint64
	tooLong, sportChanged                                      atomic.Uint64
}

// GWLBStats are a load balancer's counters since it started, under the names of CloudWatch's namespace AWS/GatewayELB in JSON.
// Those that begin with a lower-case letter are the emulator's own.
type GWLBStats struct {
	ActiveFlowCount    int    `json:"ActiveFlowCount"`
	NewFlowCount       uint64 `json:"NewFlowCount"`
	RejectedFlowCount  uint64 `json:"RejectedFlowCount"` // TCP of no known flow without SYN; flow table full
	HealthyHostCount   int    `json:"HealthyHostCount"`
	UnHealthyHostCount int    `json:"UnHealthyHostCount"`
	ProcessedBytes     uint64 `json:"ProcessedBytes"`   // of packets within, both ways
	ProcessedPackets   uint64 `json:"ProcessedPackets"` // both ways

	InvalidGeneveTunnel   uint64 `json:"PacketsDroppedCount_InvalidGeneveTunnel"`   // outer addresses not swapped, port not 6081, no GENEVE
	InvalidGwlbEndpointID uint64 `json:"PacketsDroppedCount_InvalidGwlbEndpointId"` // option 1 missing or changed
	InvalidGwlbFlowCookie uint64 `json:"PacketsDroppedCount_InvalidGwlbFlowCookie"` // option 3 missing or not the flow's
	MissingFlowEntry      uint64 `json:"PacketsDroppedCount_MissingFlowEntry"`      // the inner packet is of no known flow

	Sent              uint64 `json:"sent"`              // frames to the appliances
	Returned          uint64 `json:"returned"`          // UDP frames from them
	Accepted          uint64 `json:"accepted"`          // those that broke no rule
	TooLong           uint64 `json:"tooLong"`           // packets above 8500 bytes, dropped
	Probes            uint64 `json:"probes"`            // health checks that had a result, of all targets
	SourcePortChanged uint64 `json:"sourcePortChanged"` // accepted, though the outer source port was not the one sent
}

// Stats reads the counters.
func (g *GWLB) Stats() GWLBStats {
	well := g.health.count()
	return GWLBStats{
		ActiveFlowCount:       g.flows.active(),
		NewFlowCount:          g.flows.created.Load(),
		RejectedFlowCount:     g.flows.rejected.Load(),
		HealthyHostCount:      well,
		UnHealthyHostCount:    len(g.cfg.Targets) - well,
		ProcessedBytes:        g.stats.bytes.Load(),
		ProcessedPackets:      g.stats.packets.Load(),
		InvalidGeneveTunnel:   g.stats.invalidTunnel.Load(),
		InvalidGwlbEndpointID: g.stats.invalidEndpoint.Load(),
		InvalidGwlbFlowCookie: g.stats.invalidCookie.Load(),
		MissingFlowEntry:      g.stats.missingFlow.Load(),
		Sent:                  g.stats.sent.Load(),
		Returned:              g.stats.returned.Load(),
		Accepted:              g.stats.accepted.Load(),
		TooLong:               g.stats.tooLong.Load(),
		Probes:                g.health.probes.Load(),
		SourcePortChanged:     g.stats.sportChanged.Load(),
	}
}

// Dropped adds up what broke AWS's rules.
func (s GWLBStats) Dropped() uint64 {
	return s.InvalidGeneveTunnel + s.InvalidGwlbEndpointID + s.InvalidGwlbFlowCookie + s.MissingFlowEntry
}
