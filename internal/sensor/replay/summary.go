package replay

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/weir-ips/weir/pkg/event"
)

// Summary is what a replay came to. Its JSON form is a contract.
type Summary struct {
	Packets        uint64  `json:"packets"`
	Bytes          uint64  `json:"bytes"`
	Flows          uint64  `json:"flows"`
	Alerts         uint64  `json:"alerts"`
	Workers        int     `json:"workers"`
	LoadSeconds    float64 `json:"load_seconds"`
	InspectSeconds float64 `json:"inspect_seconds"` // first packet read to last record written, wall
	PeakRSSBytes   uint64  `json:"peak_rss_bytes"`

	Rules []RuleCount `json:"-"` // alerts by rule, most first
}

// RuleCount is the alerts of one rule.
type RuleCount struct {
	SID    uint32
	Msg    string
	Alerts uint64
}

func (r *Replay) summary() Summary {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage) // cannot fail for the own process
	return Summary{
		Packets: r.packets, Bytes: r.bytes, Flows: r.totals.Flow.Flow.Total, Alerts: r.totals.Alerts, Workers: r.opts.Workers,
		InspectSeconds: time.Since(r.start).Seconds(), PeakRSSBytes: uint64(usage.Maxrss) << 10, Rules: r.alerts.list(),
	}
}

// Print writes the summary for a person.
func (s *Summary) Print(w io.Writer) {
	rate := 0.0
	if s.InspectSeconds > 0 {
		rate = float64(s.Bytes) * 8 / 1e6 / s.InspectSeconds
	}
	fmt.Fprintf(w, "%d packets, %d bytes, %d flows in %.3f s (%.0f Mbit/s, %d workers)\n", s.Packets, s.Bytes, s.Flows, s.InspectSeconds, rate, s.Workers)
	fmt.Fprintf(w, "%d alerts by %d rules\n", s.Alerts, len(s.Rules))
	for i, r := range s.Rules {
		if i == maxRules {
			fmt.Fprintf(w, "  … and %d rules more\n", len(s.Rules)-i)
			break
		}
		fmt.Fprintf(w, "%8d  %d  %s\n", r.Alerts, r.SID, r.Msg)
	}
}

const maxRules = 40

// tally counts alerts by rule. Several workers add to it.
type tally struct {
	mu   sync.Mutex
	seen map[uint32]*RuleCount
}

func newTally() *tally { return &tally{seen: map[uint32]*RuleCount{}} }

func (t *tally) add(a *event.AlertRecord, _ []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	sig := a.Hit.Sig
	c := t.seen[sig.SID]
	if c == nil {
		c = &RuleCount{SID: sig.SID, Msg: sig.Msg}
		t.seen[sig.SID] = c
	}
	c.Alerts++
}

func (t *tally) list() []RuleCount {
	out := make([]RuleCount, 0, len(t.seen))
	for _, c := range t.seen {
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b RuleCount) int {
		return cmp.Or(cmp.Compare(b.Alerts, a.Alerts), cmp.Compare(a.SID, b.SID))
	})
	return out
}
