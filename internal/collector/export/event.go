package export

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/weir-ips/weir/internal/collector/store"
	"github.com/weir-ips/weir/pkg/verdict"
)

// Kind is what an Event is about.
type Kind string

// Kinds of events.
const (
	KindAlert    Kind = "alert"
	KindVerdict  Kind = "verdict"
	KindIncident Kind = "incident"
)

// Kinds returns all of them.
func Kinds() []Kind { return []Kind{KindAlert, KindVerdict, KindIncident} }

// Event is one thing that happened; the field that Kind names is set.
type Event struct {
	Kind     Kind
	Alert    *store.Alert
	Verdict  *VerdictChange
	Incident *Incident
}

// VerdictChange is a verdict that came into force or ended.
type VerdictChange struct {
	verdict.Verdict
	Op string // add, remove, revoke; as in the verdict log
	By string // who ended it, "expiry" when its time was up; for add who made it
	At time.Time
}

// Incident is a group of alerts that belong together, as it is at the moment; it is exported again when it changes.
type Incident struct {
	ID         string // stable while it grows
	State      string // open, closed
	Title      string
	Severity   uint8 // 1 is worst
	Alerts     uint64
	First      time.Time
	Last       time.Time
	Sources    []netip.Addr
	Targets    []netip.Addr
	Signatures []uint32
	Sensors    []string
	Tactics    []string // MITRE ATT&CK ids, in kill-chain order
}

// Closed reports whether the incident is over.
func (i *Incident) Closed() bool { return i.State == "closed" }

// ID names what the event is about: an alert, a verdict, an incident.
func (e *Event) ID() string {
	switch e.Kind {
	case KindAlert:
		return e.Alert.ID
	case KindVerdict:
		return e.Verdict.ID
	}
	return e.Incident.ID
}

// Time is when it happened.
func (e *Event) Time() time.Time {
	switch e.Kind {
	case KindAlert:
		return e.Alert.Time
	case KindVerdict:
		return e.Verdict.At
	}
	return e.Incident.Last
}

// Severity is Suricata's: 1 is worst. A verdict that stops traffic is a 2, any other change of verdicts a 3.
func (e *Event) Severity() uint8 {
	switch e.Kind {
	case KindAlert:
		return e.Alert.Severity
	case KindVerdict:
		if e.Verdict.Op == "add" && e.Verdict.Stops() {
			return 2
		}
		return 3
	}
	return e.Incident.Severity
}

// Title is one line for people.
func (e *Event) Title() string {
	switch e.Kind {
	case KindAlert:
		return e.Alert.Signature
	case KindVerdict:
		v := e.Verdict
		if v.Op == "add" {
			return fmt.Sprintf("%s %s until %s: %s", v.Action, v.target(), v.ExpiresAt.UTC().Format(time.RFC3339), v.Reason)
		}
		return fmt.Sprintf("%s of %s ended by %s", v.Action, v.target(), v.By)
	}
	return e.Incident.Title
}

// target is what the verdict is about, for people.
func (v *VerdictChange) target() string {
	if f := v.Match.Flow; f != nil {
		return f.Src.String() + " to " + f.Dst.String()
	}
	if v.Match.Src.IsSingleIP() {
		return v.Match.Src.Addr().String()
	}
	if v.Match.Src.IsValid() {
		return v.Match.Src.String()
	}
	return "to " + v.Match.Dst.String()
}

// Sensor is who saw it, "collector" where that is nobody in particular.
func (e *Event) Sensor() string {
	switch {
	case e.Kind == KindAlert:
		return e.Alert.Sensor
	case e.Kind == KindIncident && len(e.Incident.Sensors) > 0:
		return e.Incident.Sensors[0]
	}
	return "collector"
}

// Source is the address it is about; invalid if there is none or more than one.
func (e *Event) Source() netip.Addr {
	switch {
	case e.Kind == KindAlert:
		return e.Alert.SrcIP
	case e.Kind == KindIncident && len(e.Incident.Sources) > 0:
		return e.Incident.Sources[0]
	case e.Kind == KindVerdict && e.Verdict.Match.Flow != nil:
		return e.Verdict.Match.Flow.Src.Addr()
	case e.Kind == KindVerdict && e.Verdict.Match.Src.IsSingleIP():
		return e.Verdict.Match.Src.Addr()
	}
	return netip.Addr{}
}

// Group is what a digest counts together: the same signature from the same source, the same verdict, the same incident.
func (e *Event) Group() string {
	if e.Kind == KindAlert {
		return fmt.Sprintf("alert/%d/%d/%s", e.Alert.GID, e.Alert.SID, e.Alert.SrcIP)
	}
	return string(e.Kind) + "/" + e.ID()
}

// size is about how many bytes the event keeps in memory.
func (e *Event) size() int64 {
	const fixed = 512
	if e.Kind == KindAlert {
		return fixed + int64(len(e.Alert.EVE))
	}
	return fixed
}

// Digest is a group of events that are one message: the latest of them stands for all.
type Digest struct {
	Event
	Count   int
	First   time.Time
	Last    time.Time
	Targets []netip.Addr // of alerts, at most 10
}

const digestTargets = 10

// digest groups events, the most severe groups first, then the largest.
func digest(events []Event) []Digest {
	at := map[string]int{}
	var out []Digest
	for _, e := range events {
		i, ok := at[e.Group()]
		if !ok {
			i = len(out)
			at[e.Group()] = i
			out = append(out, Digest{First: e.Time(), Last: e.Time()})
		}
		d := &out[i]
		d.Event, d.Count = e, d.Count+1
		if e.Time().Before(d.First) {
			d.First = e.Time()
		}
		if e.Time().After(d.Last) {
			d.Last = e.Time()
		}
		if e.Kind == KindAlert && len(d.Targets) < digestTargets && !slices.Contains(d.Targets, e.Alert.DestIP) {
			d.Targets = append(d.Targets, e.Alert.DestIP)
		}
	}
	slices.SortStableFunc(out, func(a, b Digest) int {
		if a.Severity() != b.Severity() {
			return int(a.Severity()) - int(b.Severity())
		}
		return b.Count - a.Count
	})
	return out
}

// Text is the digest in one line for people.
func (d *Digest) Text() string {
	var b strings.Builder
	b.WriteString(d.Title())
	if d.Kind == KindAlert {
		fmt.Fprintf(&b, " [%d:%d:%d] %s → %s", d.Alert.GID, d.Alert.SID, d.Alert.Rev, d.Alert.SrcIP, joinAddrs(d.Targets))
		if d.Alert.Action == "blocked" {
			b.WriteString(", blocked")
		}
	}
	if d.Count > 1 {
		fmt.Fprintf(&b, " (%d times)", d.Count)
	}
	return b.String()
}

func joinAddrs(all []netip.Addr) string {
	text := make([]string, len(all))
	for i, a := range all {
		text[i] = a.String()
	}
	return strings.Join(text, ", ")
}
