package flow

import "fmt"

// Policy is an exception policy: what is done when a packet or flow cannot be inspected as it should.
type Policy uint8

// Exception policies. Auto is drop-flow (packet scope: drop-packet) in IPS mode, else ignore.
const (
	PolicyAuto Policy = iota
	PolicyIgnore
	PolicyDropFlow
	PolicyDropPacket
	PolicyReject
	PolicyRejectBoth
	PolicyBypass
	PolicyPassFlow
	PolicyPassPacket
	NumPolicies
)

var policyNames = [NumPolicies]string{"auto", "ignore", "drop-flow", "drop-packet", "reject", "rejectboth", "bypass", "pass-flow", "pass-packet"}

// String returns the policy's name in a configuration.
func (p Policy) String() string {
	if p < NumPolicies {
		return policyNames[p]
	}
	return "unknown"
}

// EVE returns the policy's name in flow.exception_policy and in stats: with underscores.
func (p Policy) EVE() string {
	switch p {
	case PolicyDropFlow:
		return "drop_flow"
	case PolicyDropPacket:
		return "drop_packet"
	case PolicyPassFlow:
		return "pass_flow"
	case PolicyPassPacket:
		return "pass_packet"
	default:
		return p.String()
	}
}

// ParsePolicy reads a policy's name.
func ParsePolicy(name string) (Policy, error) {
	for p, n := range policyNames {
		if n == name {
			return Policy(p), nil
		}
	}
	return 0, fmt.Errorf("exception policy %q: want auto, ignore, drop-flow, drop-packet, reject, rejectboth, bypass, pass-flow or pass-packet", name)
}

// Target is the condition that an exception policy answers.
type Target uint8

// Targets of exception policies.
const (
	TargetStreamMemcap Target = iota
	TargetReassemblyMemcap
	TargetMidstream
	TargetFlowMemcap
	TargetDefragMemcap
	TargetAppError
	NumTargets
)

var targetNames = [NumTargets]string{"stream_memcap", "stream_reassembly_memcap", "stream_midstream", "flow_memcap", "defrag_memcap", "app_layer_error"}

// String returns the target's name in flow.exception_policy.
func (t Target) String() string {
	if t < NumTargets {
		return targetNames[t]
	}
	return "unknown"
}

// Applied is an exception policy that was applied to a flow: an element of EVE's flow.exception_policy.
type Applied struct {
	Target Target
	Policy Policy
}
