package incident

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// live is an incident that alerts can join.
type live struct {
	Detail
	sources, targets tally
	keys             []key
	began            uint32     // sid of the first alert
	target           netip.Addr // of the first alert
	rivals           int        // sources of the same signature and target that began incidents of their own
	handshake        bool       // somebody completed one
	weight           int        // of the severity, as alerts give it
	judged           bool       // a person gave the severity
	upto             uint64     // greatest position of an alert that it counts: see ConsiderAt
	gone             []string   // ids of incidents that it took over, to be deleted
	dirty            bool
	rev              uint64
	touched          time.Time
}

func newLive(id string, at time.Time) *live {
	in := &live{Detail: Detail{Incident: Incident{
		ID: id, State: StateOpen, Active: true, First: at, Last: at, Stages: []Stage{}, Signatures: []Signature{}, Sensors: []Party{}, Vectors: []Vector{},
	}, Timeline: []Entry{}, Members: []string{}}}
	in.sources.Parties, in.targets.Parties = &in.Sources, &in.Targets
	in.Sources.List, in.Targets.List = []Party{}, []Party{}
	return in
}

// tally counts parties.
type tally struct {
	*Parties
	at map[string]int // in List
}

func (t *tally) has(name string) bool { t.arrange(); _, ok := t.at[name]; return ok }

func (t *tally) arrange() {
	if t.at != nil {
		return
	}
	t.at = make(map[string]int, len(t.List))
	for i := range t.List {
		t.at[t.List[i].Name] = i
	}
}

// add counts n alerts of a party; it reports whether the party is new and listed.
func (t *tally) add(p Party) (fresh bool) {
	t.arrange()
	if i, ok := t.at[p.Name]; ok {
		t.List[i].join(p)
		return false
	}
	if len(t.List) >= maxParties {
		t.More += p.Alerts
		t.Distinct = max(t.Distinct, uint64(len(t.List))+1)
		return false
	}
	t.at[p.Name] = len(t.List)
	t.List = append(t.List, p)
	t.Distinct = max(t.Distinct, uint64(len(t.List)))
	return true
}

func (p *Party) join(q Party) {
	p.Alerts += q.Alerts
	p.First, p.Last = earlier(p.First, q.First), later(p.Last, q.Last)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func (in *live) say(at time.Time, kind, actor, format string, args ...any) {
	e := Entry{Time: at, Kind: kind, Actor: actor, Text: fmt.Sprintf(format, args...)}
	if len(in.Timeline) >= maxTimeline {
		// People's words stay; of what alerts say the beginning and the latest.
		i := slices.IndexFunc(in.Timeline[maxTimeline/2:], func(e Entry) bool { return e.Actor == "" })
		if i < 0 {
			return
		}
		in.Timeline = slices.Delete(in.Timeline, maxTimeline/2+i, maxTimeline/2+i+1)
	}
	i, _ := slices.BinarySearchFunc(in.Timeline, at, func(e Entry, at time.Time) int { return cmp.Or(e.Time.Compare(at), -1) })
	in.Timeline = slices.Insert(in.Timeline, i, e)
}

// add counts an alert.
func (in *live) add(a *alert, now time.Time) {
	at := a.Time.UTC()
	if in.Alerts == 0 {
		in.say(at, "began", "", "%s, from %s to %s", a.kind.signature, several(a.src), several(a.dst))
	}
	in.Alerts++
	in.First, in.Last, in.Updated = earlier(in.First, at), later(in.Last, at), now
	in.handshake = in.handshake || a.Handshake
	in.stage(Stage{Tactic: a.kind.tactic, First: at, Last: at, Alerts: 1}, a.kind.signature)
	if a.src.IsValid() {
		in.sources.add(Party{a.src.String(), at, at, 1})
	}
	if a.dst.IsValid() && in.targets.add(Party{a.dst.String(), at, at, 1}) && len(in.targets.List) > 1 && in.Kind != Widespread {
		in.say(at, "target", "", "%s is hit too, by %s", a.dst, a.kind.signature)
	}
	in.sensor(Party{a.Sensor, at, at, 1})
	fresh := in.signature(Signature{SID: a.SID, Signature: a.kind.signature, Severity: a.Severity, Tactic: a.kind.tactic, First: at, Last: at, Alerts: 1})
	in.member(a.ID, fresh)
	if a.found != nil {
		in.vector(a)
	}
	in.weigh(a.kind.weight, at)
	in.reopen(at)
	in.Title, in.Ongoing = in.title(), in.Kind != Flood || !in.over()
}

func several(a netip.Addr) string {
	if !a.IsValid() {
		return "many"
	}
	return a.String()
}

func (in *live) stage(s Stage, why string) {
	if s.Tactic == "" {
		return
	}
	s.Name = tacticName(s.Tactic)
	i, ok := slices.BinarySearchFunc(in.Stages, s, func(a, b Stage) int { return cmp.Compare(rank(a.Tactic), rank(b.Tactic)) })
	if ok {
		have := &in.Stages[i]
		have.First, have.Last = earlier(have.First, s.First), later(have.Last, s.Last)
		have.Alerts += s.Alerts
		return
	}
	in.Stages = slices.Insert(in.Stages, i, s)
	if len(in.Stages) > 1 {
		in.say(s.First, "stage", "", "%s: %s", s.Name, why)
	}
}

func (in *live) sensor(p Party) {
	i := slices.IndexFunc(in.Sensors, func(have Party) bool { return have.Name == p.Name })
	switch {
	case i >= 0:
		in.Sensors[i].join(p)
	case len(in.Sensors) < maxSensors:
		in.Sensors = append(in.Sensors, p)
		if len(in.Sensors) > 1 {
			in.say(p.First, "sensor", "", "%s sees it too", p.Name)
		}
	}
}

// signature reports whether s is new.
func (in *live) signature(s Signature) bool {
	i := slices.IndexFunc(in.Signatures, func(have Signature) bool { return have.SID == s.SID })
	switch {
	case i >= 0:
		have := &in.Signatures[i]
		have.Alerts += s.Alerts
		have.First, have.Last = earlier(have.First, s.First), later(have.Last, s.Last)
	case len(in.Signatures) < maxSignatures:
		in.Signatures = append(in.Signatures, s)
		return true
	}
	return false
}

// member keeps the first alert of each signature for good, and of the others the latest.
func (in *live) member(id string, first bool) {
	if len(in.Members) >= maxMembers {
		i := min(len(in.Signatures), maxMembers-1)
		in.Members = slices.Delete(in.Members, i, i+1)
	}
	if first {
		in.Members = slices.Insert(in.Members, min(len(in.Signatures)-1, len(in.Members)), id)
		return
	}
	in.Members = append(in.Members, id)
}

// vector notes how an attack fares on one sensor.
func (in *live) vector(a *alert) {
	d, at := a.found, a.Time.UTC()
	v := Vector{
		Attack: cut(cmp.Or(d.ID, d.Vector+" "+d.Since), maxText), Measures: []string{}, Vector: cut(d.Vector, maxText), Sensor: a.Sensor, Phase: d.Phase, Explanation: cut(d.Explanation, maxText), Unit: d.Unit, Peak: max(d.Peak, d.Value),
		Threshold: d.Threshold, Counted: d.Counted, Bytes: d.Bytes, Sources: d.Sources, Since: d.since(), Last: at,
	}
	for _, m := range d.Measures[:min(len(d.Measures), maxMeasures)] {
		v.Measures = append(v.Measures, cut(m.What, maxText))
		v.Dropped, v.WouldDrop = v.Dropped+m.Dropped, v.WouldDrop+m.Would
	}
	if floods(d.Vector) {
		in.Sources.Distinct = max(in.Sources.Distinct, d.Sources)
	}
	if !v.Since.IsZero() && floods(d.Vector) {
		in.First = earlier(in.First, v.Since)
	}
	i := slices.IndexFunc(in.Vectors, func(have Vector) bool {
		return have.Sensor == v.Sensor && have.Attack == v.Attack
	})
	switch {
	case i >= 0:
		in.Vectors[i] = v
	case len(in.Vectors) < maxVectors:
		in.Vectors = append(in.Vectors, v)
	}
	switch d.Phase {
	case "start":
		in.say(at, "vector", "", "%s begins on %s: %s", v.Vector, v.Sensor, v.Explanation)
	case "end":
		in.say(at, "vector", "", "%s ends on %s: %s", v.Vector, v.Sensor, v.Explanation)
	}
	if v.Threshold > 0 && floods(d.Vector) {
		in.weigh(2, at)
		if v.Peak >= 10*v.Threshold {
			in.weigh(3, at)
		}
	}
}

// over reports whether everything that a flood consists of has ended.
func (in *live) over() bool {
	return len(in.Vectors) > 0 && !slices.ContainsFunc(in.Vectors, func(v Vector) bool { return v.Phase != "end" })
}

// weigh raises the severity; several stages of the kill chain weigh more than any alone.
func (in *live) weigh(w int, at time.Time) {
	in.weight = max(in.weight, w)
	total := in.weight
	if len(in.Stages) >= 3 && in.handshake && total < 3 {
		total++
	}
	s := []string{Low, Medium, High, Critical}[total]
	if in.judged || s == in.Severity {
		return
	}
	if in.Severity != "" {
		in.say(at, "severity", "", "from %s to %s", in.Severity, s)
	}
	in.Severity = s
}

// reopen takes up what was resolved, unless somebody said it is nothing.
func (in *live) reopen(at time.Time) {
	if in.State != StateResolved || in.Resolution == FalsePositive || in.Resolution == Benign {
		return
	}
	in.State, in.Resolution = StateOpen, ""
	in.say(at, "came-back", "", "further alerts after it was resolved")
}

// spreads makes an incident of one attacker one of many.
func (in *live) spreads(kind string, at time.Time) {
	in.Kind = kind
	in.say(at.UTC(), "merged", "", "others do the same to the same target")
}

// merge takes in what another incident counted.
func (in *live) merge(o *live) {
	in.Alerts += o.Alerts
	in.First, in.Last = earlier(in.First, o.First), later(in.Last, o.Last)
	for _, s := range o.Stages {
		in.stage(s, "")
	}
	for _, p := range o.Sources.List {
		in.sources.add(p)
	}
	in.Sources.More += o.Sources.More
	in.Sources.Distinct = max(in.Sources.Distinct, o.Sources.Distinct)
	for _, p := range o.Targets.List {
		in.targets.add(p)
	}
	for _, p := range o.Sensors {
		in.sensor(p)
	}
	for _, s := range o.Signatures {
		in.signature(s)
	}
	for _, id := range o.Members {
		in.member(id, false)
	}
	in.weight, in.upto = max(in.weight, o.weight), max(in.upto, o.upto)
	in.say(o.First, "merged", "", "%s: %d alerts, set off by the same packets", o.Title, o.Alerts)
}

// title says what happened in one line.
func (in *live) title() string {
	switch in.Kind {
	case Flood:
		var vectors []string
		for _, v := range in.Vectors {
			if !slices.Contains(vectors, v.Vector) {
				vectors = append(vectors, v.Vector)
			}
		}
		return fmt.Sprintf("%s on %s", strings.Join(vectors, ", "), in.Targets.text("many addresses"))
	case Distributed:
		return fmt.Sprintf("%s on %s from %s", in.Signatures[0].Signature, in.Targets.text("many"), in.Sources.text("many"))
	case Automation:
		return in.Signatures[0].Signature
	case Widespread:
		return fmt.Sprintf("%s, from many to many", in.Signatures[0].Signature)
	}
	if len(in.Stages) < 2 {
		return fmt.Sprintf("%s from %s on %s", in.worst().Signature, in.Sources.text("many"), in.Targets.text("many"))
	}
	names := make([]string, len(in.Stages))
	for i, s := range in.Stages {
		names[i] = s.Name
	}
	return fmt.Sprintf("%s: %s on %s", in.Sources.text("many"), strings.Join(names, " → "), in.Targets.text("many"))
}

// worst is the most severe signature; of those, the most frequent.
func (in *live) worst() Signature {
	return slices.MinFunc(in.Signatures, func(a, b Signature) int {
		return cmp.Or(cmp.Compare(a.Severity, b.Severity), cmp.Compare(b.Alerts, a.Alerts), cmp.Compare(a.SID, b.SID))
	})
}

// text names one party, or counts them.
func (p *Parties) text(none string) string {
	switch {
	case len(p.List) == 0:
		return none
	case p.Distinct == 1:
		return p.List[0].Name
	case p.More > 0 && p.Distinct <= uint64(len(p.List))+1:
		return fmt.Sprintf("more than %d addresses", len(p.List))
	}
	return fmt.Sprintf("%d addresses", p.Distinct)
}
