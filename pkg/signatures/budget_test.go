package signatures

import (
	"fmt"
	"strings"
	"testing"
)

// stalling are rules, and a payload, that without a budget keep each other busy for seconds a packet.
func stalling() (rules, payload string) {
	var b strings.Builder
	for i := range 100 {
		fmt.Fprintf(&b, `alert udp any any -> any any (content:"a"; content:"a"; distance:0; content:"a"; distance:0; pcre:"/(a|aa|a.)+b%02d/R"; sid:%d;)`+"\n", i, 1000+i)
	}
	b.WriteString(`alert udp any any -> any any (content:"needle"; sid:1;)` + "\n")
	return b.String(), strings.Repeat("a", 1300)
}

// TestBudget gives up on a flow that is made to keep rules busy, and on no other.
func TestBudget(t *testing.T) {
	rules, payload := stalling()
	for _, c := range []struct {
		name, options string
		closed        bool
		want          string
	}{
		{"passive", "", false, "2 alert 1 packet\n5 alert 1 packet\n"},
		{"inline, open", "ips", false, "2 alert 1 packet\n5 alert 1 packet\n"},
		{"inline, closed", "ips", true, "1 dropped with its flow: inspection budget\n2 alert 1 packet\n3 dropped: flow drop\n4 dropped: flow drop\n5 alert 1 packet\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t, rules, c.options, "")
			s.engine.rules.options.DropOverBudget = c.closed
			s.play(fmt.Sprintf(`10.0.0.1:1 > 10.0.0.2:2 udp "%s"
10.0.0.3:1 > 10.0.0.2:2 udp "one needle"
10.0.0.1:1 > 10.0.0.2:2 udp "%s"
10.0.0.1:1 > 10.0.0.2:2 udp "one needle"
10.0.0.3:1 > 10.0.0.2:2 udp "one needle"`, payload, payload))
			if got := s.out.String(); got != c.want {
				t.Errorf("got\n%swant\n%s", got, c.want)
			}
			if e := s.engine; e.Stats.OverBudget != 1 || e.Stats.Candidates > 110 {
				t.Errorf("%d flows given up, %d rules checked; want 1, and no more than those of the first packet and of needles", e.Stats.OverBudget, e.Stats.Candidates)
			}
		})
	}
}

// TestBudgetWithoutFlow bounds the work for each packet that belongs to no flow.
func TestBudgetWithoutFlow(t *testing.T) {
	rules, payload := stalling()
	s := newStage(t, rules, "", "")
	p := packetOf("10.0.0.1", "10.0.0.2", payload)
	r := s.tracker.Track(p)
	r.Flow = nil
	for i := range 3 {
		s.engine.Inspect(p, nil, r)
		if got := s.engine.Stats.OverBudget; got != uint64(i+1) {
			t.Fatalf("after %d packets %d were given up", i+1, got)
		}
		if s.engine.ctx.Work < -workAtOnce/100 {
			t.Errorf("the budget was exceeded by %d", -s.engine.ctx.Work)
		}
	}
}
