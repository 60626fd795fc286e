package signatures

import (
	"slices"
	"testing"

	"github.com/weir-ips/weir/pkg/decode/packettest"
	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/signatures/keyword"
)

// watched is what an engine has decided about datagrams, and the flow of the last.
type watched struct {
	decisions []Decision
	flow      *flow.Flow
	stats     Stats
}

// watch sends datagrams through a tracker and an engine.
func watch(t *testing.T, rules string, o Options, datagrams ...*packettest.Builder) (w watched) {
	t.Helper()
	rs, problems := Load([]Source{{Name: "rules", Text: rules}}, o)
	for _, p := range problems {
		t.Fatal(p)
	}
	s := newStage(t, "", "ips", "")
	s.engine = NewEngine(rs, NewShared())
	for _, b := range datagrams {
		s.now += 1e6
		for _, p := range s.tracker.Unpack(b.Frame(s.now)) {
			r := s.tracker.Track(p)
			d := s.engine.Inspect(p, r.Flow, r)
			d.Hits = slices.Clone(d.Hits)
			w.decisions, w.flow = append(w.decisions, d), r.Flow
			s.tracker.Done(&r)
		}
	}
	w.stats = s.engine.Stats
	return w
}

func datagram(src, dst string, port uint16, payload string) *packettest.Builder {
	return packettest.IP(src, dst).UDP(port, 9).Payload(payload)
}

// TestDropsAndPasses: what a rule decides holds whether or not there is room for its alert, and what comes first stands.
func TestDropsAndPasses(t *testing.T) {
	const (
		alert = `alert udp any any -> any any (content:"x"; sid:1;)` + "\n"
		drop  = `drop udp any any -> any any (content:"x"; sid:2;)` + "\n"
		pass  = `pass ip any any -> any any (sid:3;)` + "\n"
	)
	for name, c := range map[string]struct {
		rules     string
		order     []keyword.Action
		drop      bool
		pass      bool
		verdict   flow.FlowVerdict
		hits      int
		overflow  int
		alertsMax int
	}{
		"drop beyond the limit":       {rules: alert + drop, order: []keyword.Action{keyword.Alert, keyword.Drop}, alertsMax: 1, drop: true, hits: 1, overflow: 1},
		"drop within the limit":       {rules: alert + drop, order: []keyword.Action{keyword.Alert, keyword.Drop}, drop: true, hits: 2},
		"alert beyond the limit":      {rules: alert + drop, alertsMax: 1, drop: true, hits: 1, overflow: 1},
		"drop behind a pass":          {rules: drop + pass, alertsMax: 1, pass: true, verdict: flow.FlowPass},
		"pass behind a drop":          {rules: drop + pass, order: []keyword.Action{keyword.Drop, keyword.Pass}, drop: true, pass: true, hits: 1},
		"nothing but an alert":        {rules: alert, hits: 1},
		"pass behind an alert's rule": {rules: alert + pass, order: []keyword.Action{keyword.Alert, keyword.Pass}, pass: true, hits: 1, verdict: flow.FlowPass},
	} {
		w := watch(t, c.rules, Options{IPS: true, ActionOrder: c.order, PacketAlertMax: c.alertsMax}, datagram("10.0.0.1", "10.0.0.2", 4000, "x"))
		d := w.decisions[0]
		if d.Drop != c.drop || d.Pass != c.pass || len(d.Hits) != c.hits || d.Overflow != c.overflow || w.stats.Overflow != uint64(c.overflow) || w.flow.Verdict != c.verdict ||
			d.FlowPass != (c.verdict == flow.FlowPass) {
			t.Errorf("%s: %+v, overflow %d, flow %v", name, d, w.stats.Overflow, w.flow.Verdict)
		}
	}
}

// TestTags: each tag of a rule holds for itself, the flow's and the host's; the packet of the match is one of a host's.
func TestTags(t *testing.T) {
	w := watch(t, `alert udp any any -> any any (content:"x"; tag:session,5,packets; tag:host,2,packets,src; sid:1;)`, Options{},
		datagram("10.0.0.1", "10.0.0.2", 4000, "x"),
		datagram("10.0.0.1", "10.0.0.3", 4001, "another flow of the host"),
		datagram("10.0.0.1", "10.0.0.3", 4001, "and again, which is one too many"),
		datagram("10.0.0.1", "10.0.0.2", 4000, "the flow of the match"),
		datagram("10.0.0.4", "10.0.0.2", 4000, "another host"),
	)
	for i, want := range []bool{false, true, false, true, false} {
		if d := w.decisions[i]; d.Tagged != want || want && d.TagSig.SID != 1 {
			t.Errorf("packet %d: tagged %v, want %v", i+1, d.Tagged, want)
		}
	}
}

// TestDatasetContext: what a set in JSON knows of a value comes with the hit, apart from what rules capture.
func TestDatasetContext(t *testing.T) {
	o := Options{ReadFile: func(string) ([]byte, error) {
		return []byte(`{"host": "evil.org", "since": 2005}` + "\n" + `{"host": "evil.org", "since": 2006}` + "\n" + `{"other": 1}`), nil
	}}
	const rule = `alert dns any any -> any any (dns.query; dataset:isset,bad,type string,load bad.json,format ndjson,value_key host,context_key threat; sid:1;)`
	query := func(name string) *packettest.Builder {
		return packettest.IP("10.0.0.1", "10.0.0.2").UDP(4000, 53).Payload("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04" + name + "\x03org\x00\x00\x01\x00\x01")
	}
	w := watch(t, rule, o, query("evil"), query("good"))
	hits := w.decisions[0].Hits
	if len(hits) != 1 || len(hits[0].Vars) != 1 || len(w.decisions[1].Hits) != 0 {
		t.Fatalf("%+v", w.decisions)
	}
	if v := hits[0].Vars[0]; v.Name != "threat" || !v.JSON || string(v.Value) != `{"host":"evil.org","since":2005}` {
		t.Errorf("%+v: %s", v, v.Value)
	}
}
