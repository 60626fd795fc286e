package keyword

import (
	"fmt"
	"strconv"
)

// shortPattern is a fast pattern's length below which nearly all traffic holds it.
const shortPattern = 3

// Explanation says what becomes of a rule.
type Explanation struct {
	Type  Type   // when it is evaluated
	Fast  string // the pattern that must be found first, quoted; "" when there is none
	Where string // buffer of the fast pattern
	Scope string // what its action covers
	Never []string
	Slow  []string
}

// Explain says how the signature is evaluated, why it can never match, and why it costs much.
func (s *Signature) Explain() Explanation {
	e := Explanation{Type: s.Type, Scope: "the packet"}
	switch {
	case s.Type == TypePacketStream || s.Type == TypeStream:
		e.Scope = "the rest of the flow when it matches in the stream, else the packet"
	case s.Type.FlowScope(false):
		e.Scope = "the rest of the flow"
	}
	if s.Fast.Pattern != nil {
		e.Fast, e.Where = strconv.Quote(string(s.Fast.Pattern)), "payload"
		if s.Fast.Group >= 0 {
			e.Where = s.Groups[s.Fast.Group].Key
		}
	}
	e.Never, e.Slow = s.never(), s.slow()
	return e
}

func (s *Signature) never() (why []string) {
	if !s.Parsed() {
		why = append(why, fmt.Sprintf("protocol %s is not parsed", s.AppName))
	}
	for _, f := range [...]struct {
		name  string
		empty bool
	}{{"source address", len(s.Src.Ranges) == 0 && !s.Src.Any}, {"destination address", len(s.Dst.Ranges) == 0 && !s.Dst.Any},
		{"source port", len(s.SrcPorts.Ranges) == 0 && !s.SrcPorts.Any}, {"destination port", len(s.DstPorts.Ranges) == 0 && !s.DstPorts.Any}} {
		if f.empty {
			why = append(why, "nothing fits the "+f.name)
		}
	}
	return why
}

func (s *Signature) slow() (why []string) {
	looks := len(s.Payload) > 0 || len(s.Groups) > 0
	switch {
	case s.Fast.Pattern == nil && s.Type == TypeTx && len(s.AppEvents) == 0:
		why = append(why, "no content that must be there: it is evaluated for each transaction of its protocol")
	case s.Fast.Pattern == nil && s.Type == TypeFrame:
		why = append(why, "no content that must be there: it is evaluated for each frame")
	case s.Fast.Pattern == nil && looks && s.Type != TypeTx:
		why = append(why, "no content that must be there: it is evaluated for each packet that fits the header")
	case s.Fast.Pattern == nil && s.Type == TypePacket && len(s.StreamEvents) == 0 && len(s.ProtoEvents) == 0:
		why = append(why, "it is evaluated for each packet that fits the header")
	case s.Fast.Pattern != nil && len(s.Fast.Pattern) < shortPattern:
		why = append(why, fmt.Sprintf("the fast pattern has %d bytes: most traffic holds it", len(s.Fast.Pattern)))
	}
	if s.StoresFile {
		why = append(why, "it keeps files")
	}
	return why
}
