package bpf

import "fmt"

// Reason says why XDP dropped a packet (enum reason).
type Reason uint8

// Reasons for a drop.
const (
	ReasonNone Reason = iota
	ReasonFlow
	ReasonSource
	ReasonPrefix
	ReasonRate
	ReasonFloodSYN
	ReasonFloodSYNACK
	ReasonFloodUDP
	ReasonFloodICMP
	ReasonFloodTCP
	ReasonFloodFragment
	ReasonFloodOther
	ReasonFingerprint
	ReasonUnasked
	ReasonProof
	ReasonBadIP
	ReasonBadL4
	ReasonTCPFlags
	ReasonLand
	ReasonPortZero
	ReasonFragment
	ReasonBadSource
	ReasonExtensions
	ReasonBacklog
	ReasonClosed
	ReasonOversize
	Reasons = iota
)

// String is the reason's name in metrics, alerts and documents.
func (r Reason) String() string {
	names := [Reasons]string{"none", "flow", "source", "prefix", "rate", "flood-syn", "flood-synack", "flood-udp",
		"flood-icmp", "flood-tcp", "flood-fragment", "flood-other", "fingerprint", "unasked", "proof", "bad-ip", "bad-l4", "tcp-flags", "land", "port-zero",
		"fragment", "bad-source", "extensions", "backlog", "closed", "oversize"}
	if int(r) < len(names) {
		return names[r]
	}
	return fmt.Sprintf("reason(%d)", uint8(r))
}

// FloodReason is why a packet of class c over an armed destination's limit is dropped.
func FloodReason(c Class) Reason { return ReasonFloodSYN + Reason(c) }

// Path says what else became of packets (enum path).
type Path uint8

// What else became of packets; the C comments say more.
const (
	PathPackets Path = iota
	PathBytes
	PathOther
	PathPass
	PathHairpin
	PathInspect
	PathCapture
	PathCaptureLost
	PathConsumed
	PathBypass
	PathGuarded
	PathKilled
	PathLeaseOpen
	PathCreditOpen
	PathNoSocket
	PathGood
	PathDestFull
	PathSampleLost
	PathAsked
	PathSighted
	PathSightLost
	PathProved
	PathChallenged
	PathOversizeOpen
	Paths = iota
)

// String is the path's name in metrics.
func (p Path) String() string {
	names := [Paths]string{"packets", "bytes", "other", "pass", "hairpin", "inspect", "capture", "capture-lost", "consumed",
		"bypass", "guarded", "killed", "lease-open", "credit-open", "no-socket", "good", "dest-full", "sample-lost", "asked", "sighted", "sight-lost", "proved", "challenged", "oversize-open"}
	if int(p) < len(names) {
		return names[p]
	}
	return fmt.Sprintf("path(%d)", uint8(p))
}

// Step is one part of the mitigation of an armed destination, besides its limits (enum step).
type Step uint8

// Steps of mitigation, in the order in which they are taken; the C comments say more.
const (
	StepFingerprint Step = iota
	StepUnasked
	StepSYNACK
	StepSight
	StepFirst
	StepChallenge
	StepCookie
	Steps = iota
)

// String is the step's name in metrics.
func (s Step) String() string {
	names := [Steps]string{"fingerprint", "unasked", "synack", "sight", "first", "challenge", "cookie"}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("step(%d)", uint8(s))
}

// Class tells apart the packets that a destination's counters and limits distinguish (enum class).
type Class uint8

// Classes of packets. TCP is what is neither SYN nor SYN+ACK; Fragment is a later fragment.
const (
	ClassSYN Class = iota
	ClassSYNACK
	ClassUDP
	ClassICMP
	ClassTCP
	ClassFragment
	ClassOther
	Classes = iota
)

// String is the class's name in metrics.
func (c Class) String() string {
	names := [Classes]string{"syn", "synack", "udp", "icmp", "tcp", "fragment", "other"}
	if int(c) < len(names) {
		return names[c]
	}
	return fmt.Sprintf("class(%d)", uint8(c))
}
