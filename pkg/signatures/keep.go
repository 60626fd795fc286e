package signatures

import (
	"encoding/binary"

	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/signatures/keyword"
)

// Keep appends what rules remember beyond single flows, at now, Unix ns: xbits, hostbits and thresholds, and the names of everything.
func (s *Shared) Keep(buf []byte, rs *Ruleset, now int64) []byte {
	buf = rs.names.Keep(buf)
	buf = s.hosts.Keep(buf, now)
	return s.thresholds.Keep(buf)
}

// Restore takes what Keep has appended in another program, and returns what follows it. Numbers are for RestoreFlow.
func (s *Shared) Restore(data []byte, rs *Ruleset, now int64) (n *keyword.Numbers, rest []byte, err error) {
	if n, data, err = rs.names.Numbers(data); err != nil {
		return nil, nil, err
	}
	if data, err = s.hosts.Restore(data, n, now); err != nil {
		return nil, nil, err
	}
	rest, err = s.thresholds.Restore(data)
	return n, rest, err
}

// KeepFlow appends what rules remember of a flow: flowbits, flowints, and the budget.
func (e *Engine) KeepFlow(buf []byte, f *flow.Flow) []byte {
	s, ok := f.Detect.(*flowState)
	if !ok {
		return buf
	}
	spent := byte(0)
	if s.spent {
		spent = 1
	}
	buf = binary.LittleEndian.AppendUint64(append(buf, spent), uint64(s.work))
	return s.rules.Keep(buf)
}

// RestoreFlow takes what KeepFlow has appended in another program; of what cannot be read, what comes before it.
func (e *Engine) RestoreFlow(f *flow.Flow, data []byte, n *keyword.Numbers) {
	if len(data) < 9 {
		return // nothing was remembered
	}
	s := e.state(f)
	s.spent = data[0] != 0
	s.work = max(0, min(int(binary.LittleEndian.Uint64(data[1:])), workAtMost-workAtOnce))
	if s.rules.Restore(data[9:], n) != nil {
		e.Stats.Unrestored++
	}
}
