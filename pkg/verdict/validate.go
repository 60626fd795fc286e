package verdict

import (
	"errors"
	"fmt"
	"net/netip"
)

// Bounds of a verdict's texts: it is kept a million times.
const (
	MaxID       = 128
	MaxReason   = 512
	MaxEvidence = 10
)

// Validate reports what is wrong with the verdict's form; whether it may be enforced is Guard's question.
func (v *Verdict) Validate() error {
	switch {
	case v.ID == "" || len(v.ID) > MaxID:
		return fmt.Errorf("id: must have 1 to %d bytes", MaxID)
	case !named(actionNames(), uint8(v.Action)):
		return fmt.Errorf("action %d: unknown", v.Action)
	case !named(originNames(), uint8(v.Origin)):
		return errors.New("origin: must be analyst, rule, flood or feed")
	case v.Action == RateLimit && v.Rate == 0:
		return errors.New("rate: a ratelimit needs packets per second")
	case v.Action != RateLimit && v.Rate != 0:
		return fmt.Errorf("rate: has no meaning with %v", v.Action)
	case len(v.Reason) > MaxReason:
		return fmt.Errorf("reason: longer than %d bytes", MaxReason)
	case len(v.Evidence) > MaxEvidence:
		return fmt.Errorf("evidence: more than %d alerts", MaxEvidence)
	case v.ExpiresAt.IsZero():
		return errors.New("expires_at: missing")
	}
	return v.Match.Validate()
}

// Validate reports what is wrong with the match: it must name a source prefix or a flow.
func (m *Match) Validate() error {
	switch {
	case m.Src.IsValid() == (m.Flow != nil):
		return errors.New("match: must have either src or flow")
	case m.Flow != nil && (m.Dst.IsValid() || m.Proto != 0 || m.Port != 0):
		return errors.New("match: a flow is not narrowed further")
	case m.Flow != nil:
		return m.Flow.validate()
	case m.Src.Addr().Zone() != "" || m.Dst.Addr().Zone() != "":
		return errors.New("match: an address must not have a zone")
	case m.Dst.IsValid() && m.Dst.Addr().Is4() != m.Src.Addr().Is4():
		return fmt.Errorf("match: src %v and dst %v are of different families", m.Src, m.Dst)
	}
	return nil
}

func (k *FlowKey) validate() error {
	switch {
	case !k.Src.Addr().IsValid() || !k.Dst.Addr().IsValid():
		return errors.New("match: flow needs src and dst with ports")
	case k.Src.Addr().Unmap().Is4() != k.Dst.Addr().Unmap().Is4():
		return fmt.Errorf("match: flow's src %v and dst %v are of different families", k.Src, k.Dst)
	case k.Src.Addr().Zone() != "" || k.Dst.Addr().Zone() != "":
		return errors.New("match: an address must not have a zone")
	}
	return nil
}

// Subject is what a verdict is about, narrowing aside, in the one form that compares with ==: a source prefix, or a flow.
type Subject struct {
	Src  netip.Prefix
	Flow FlowKey
}

// Subject returns what the match is about. Prefixes lose their host bits, IPv4-mapped addresses become IPv4, and a flow
// is the same from both ends.
func (m *Match) Subject() Subject {
	if m.Flow == nil {
		return Subject{Src: plain(m.Src)}
	}
	k := *m.Flow
	k.Src, k.Dst = unmap(k.Src), unmap(k.Dst)
	if k.Src.Compare(k.Dst) > 0 {
		k.Src, k.Dst = k.Dst, k.Src
	}
	return Subject{Flow: k}
}

// IsFlow reports whether the subject is a flow.
func (s Subject) IsFlow() bool { return !s.Src.IsValid() }

func (s Subject) String() string {
	if s.IsFlow() {
		return fmt.Sprintf("flow %v %v protocol %d tenant %x", s.Flow.Src, s.Flow.Dst, s.Flow.Proto, s.Flow.Tenant)
	}
	return s.Src.String()
}

// narrowing is what makes verdicts on one subject different in what they match.
type narrowing struct {
	dst   netip.Prefix
	proto uint8
	port  uint16
}

func (m *Match) narrowing() narrowing { return narrowing{plain(m.Dst), m.Proto, m.Port} }

func plain(p netip.Prefix) netip.Prefix {
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return p.Masked()
}

func unmap(p netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(p.Addr().Unmap(), p.Port()) }
