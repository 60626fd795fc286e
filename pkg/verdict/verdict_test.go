package verdict

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// drop is a valid verdict of a rule on src.
func drop(id, src string) Verdict {
	return Verdict{ID: id, Match: Match{Src: netip.MustParsePrefix(src)}, Action: Drop, Origin: OriginRule, Reason: "test",
		CreatedBy: "sensor:a", CreatedAt: noon, ExpiresAt: noon.Add(time.Hour)}
}

func flowDrop(id, src, dst string) Verdict {
	v := drop(id, "192.0.2.1/32")
	v.Match = Match{Flow: &FlowKey{Src: netip.MustParseAddrPort(src), Dst: netip.MustParseAddrPort(dst), Proto: 6}}
	return v
}

func TestJSON(t *testing.T) {
	v := flowDrop("v1", "192.0.2.1:4000", "198.51.100.1:443")
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"action":"drop"`, `"origin":"rule"`, `"flow":{"src":"192.0.2.1:4000","dst":"198.51.100.1:443","proto":6}`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s lacks %s", text, want)
		}
	}
	var back Verdict
	if err := json.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(back, v) {
		t.Errorf("read back as %+v, %v", back, err)
	}
	for _, bad := range []string{`{"action":"explode"}`, `{"action":""}`, `{"origin":"nobody"}`, `{"origin":""}`} {
		if err := json.Unmarshal([]byte(bad), &back); err == nil || !strings.Contains(err.Error(), "must be one of") {
			t.Errorf("%s: error %v", bad, err)
		}
	}
	if _, err := json.Marshal(Verdict{}); err == nil {
		t.Error("a verdict without origin was written")
	}
	if got := fmt.Sprint(Action(9), Origin(0), Bypass, OriginFeed); got != "action(9) origin(0) bypass feed" {
		t.Error(got)
	}
}

func TestValidate(t *testing.T) {
	for want, change := range map[string]func(*Verdict){
		"":                           func(v *Verdict) {},
		"id:":                        func(v *Verdict) { v.ID = "" },
		"action 9":                   func(v *Verdict) { v.Action = 9 },
		"origin:":                    func(v *Verdict) { v.Origin = 0 },
		"a ratelimit needs packets":  func(v *Verdict) { v.Action = RateLimit },
		"no meaning with drop":       func(v *Verdict) { v.Rate = 5 },
		"reason: longer":             func(v *Verdict) { v.Reason = strings.Repeat("x", 513) },
		"evidence: more":             func(v *Verdict) { v.Evidence = make([]string, 11) },
		"expires_at":                 func(v *Verdict) { v.ExpiresAt = time.Time{} },
		"either src or flow":         func(v *Verdict) { v.Match = Match{} },
		"not narrowed":               func(v *Verdict) { *v = flowDrop("x", "192.0.2.1:1", "192.0.2.2:2"); v.Match.Port = 1 },
		"flow needs src and dst":     func(v *Verdict) { v.Match = Match{Flow: &FlowKey{Proto: 6}} },
		"of different families":      func(v *Verdict) { v.Match.Dst = netip.MustParsePrefix("2001:db8::/32") },
		"and dst [2001:db8::1]:2 ar": func(v *Verdict) { *v = flowDrop("x", "192.0.2.1:1", "[2001:db8::1]:2") },
	} {
		v := drop("x", "192.0.2.1/32")
		change(&v)
		err := v.Validate()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

func TestSubject(t *testing.T) {
	for _, same := range [][2]Match{
		{{Src: netip.MustParsePrefix("192.0.2.77/24")}, {Src: netip.MustParsePrefix("192.0.2.0/24"), Port: 9}},
		{{Src: netip.MustParsePrefix("::ffff:192.0.2.1/128")}, {Src: netip.MustParsePrefix("192.0.2.1/32")}},
		{flowDrop("", "192.0.2.1:1", "192.0.2.2:2").Match, flowDrop("", "192.0.2.2:2", "192.0.2.1:1").Match},
		{flowDrop("", "192.0.2.1:1", "192.0.2.2:2").Match, flowDrop("", "[::ffff:192.0.2.1]:1", "192.0.2.2:2").Match},
	} {
		if a, b := same[0].Subject(), same[1].Subject(); a != b {
			t.Errorf("%v and %v differ", a, b)
		}
	}
}

func TestGuard(t *testing.T) {
	limits := DefaultLimits(1600)
	g := NewGuard(limits)
	g.Protect([]Protected{{netip.MustParsePrefix("10.0.0.0/24"), "the default gateway's network"}})
	analyst := func(v *Verdict) { v.Origin, v.CreatedBy = OriginAnalyst, "alice" }
	src := func(s string) func(*Verdict) { return func(v *Verdict) { v.Match.Src = netip.MustParsePrefix(s) } }
	held := func(o Origin, n int) Counts { c := Counts{}; c[o] = n; return c }
	for _, c := range []struct {
		name   string
		change []func(*Verdict)
		held   Counts
		want   Safety
	}{
		{"a source for an hour", nil, Counts{}, 0},
		{"without expiry", []func(*Verdict){func(v *Verdict) { v.ExpiresAt = time.Time{} }}, Counts{}, Malformed},
		{"expired", []func(*Verdict){func(v *Verdict) { v.ExpiresAt = noon }}, Counts{}, Expired},
		{"a rule's for two days", []func(*Verdict){func(v *Verdict) { v.ExpiresAt = noon.Add(48 * time.Hour) }}, Counts{}, TooLong},
		{"an analyst's for two days", []func(*Verdict){analyst, func(v *Verdict) { v.ExpiresAt = noon.Add(48 * time.Hour) }}, Counts{}, 0},
		{"an analyst's for ever", []func(*Verdict){analyst, func(v *Verdict) { v.ExpiresAt = noon.Add(1e5 * time.Hour) }}, Counts{}, TooLong},

		{"loopback", []func(*Verdict){src("127.0.0.1/32")}, Counts{}, NeverBlock},
		{"instance metadata", []func(*Verdict){analyst, src("169.254.169.254/32")}, Counts{}, NeverBlock},
		{"the gateway", []func(*Verdict){analyst, src("10.0.0.1/32")}, Counts{}, NeverBlock},
		{"the gateway, IPv4-mapped", []func(*Verdict){src("::ffff:10.0.0.1/128")}, Counts{}, NeverBlock},
		{"the gateway's rate", []func(*Verdict){src("10.0.0.1/32"), func(v *Verdict) { v.Action, v.Rate = RateLimit, 5 }}, Counts{}, NeverBlock},
		{"a flow of the gateway", []func(*Verdict){func(v *Verdict) { *v = flowDrop("x", "10.0.0.1:1", "192.0.2.1:2") }}, Counts{}, NeverBlock},
		{"a flow to the gateway", []func(*Verdict){func(v *Verdict) { *v = flowDrop("x", "192.0.2.1:2", "10.0.0.1:1") }}, Counts{}, 0},
		{"observing the gateway", []func(*Verdict){src("10.0.0.1/32"), func(v *Verdict) { v.Action = Observe }}, Counts{}, 0},

		{"a rule's /24", []func(*Verdict){src("192.0.2.0/24")}, Counts{}, TooWide},
		{"a rule's /24, approved", []func(*Verdict){src("192.0.2.0/24"), func(v *Verdict) { v.ApprovedBy = "bob" }}, Counts{}, 0},
		{"a rule's /24, approved by itself", []func(*Verdict){src("192.0.2.0/24"), func(v *Verdict) { v.ApprovedBy = v.CreatedBy }}, Counts{}, TooWide},
		{"a rule's /64", []func(*Verdict){src("2001:db8::/64")}, Counts{}, 0},
		{"a rule's /63", []func(*Verdict){src("2001:db8::/63")}, Counts{}, TooWide},
		{"an analyst's /24", []func(*Verdict){analyst, src("192.0.2.0/24")}, Counts{}, 0},
		{"an analyst's /8, approved", []func(*Verdict){analyst, src("11.0.0.0/8"), func(v *Verdict) { v.ApprovedBy = "bob" }}, Counts{}, TooWide},
		{"everything", []func(*Verdict){analyst, src("0.0.0.0/0"), func(v *Verdict) { v.ApprovedBy = "bob" }}, Counts{}, TooWide},
		{"all of IPv6", []func(*Verdict){analyst, src("::/0")}, Counts{}, TooWide},
		{"an analyst allows a /8", []func(*Verdict){analyst, src("11.0.0.0/8"), func(v *Verdict) { v.Action = Pass }}, Counts{}, 0},

		{"forgeable evidence", []func(*Verdict){func(v *Verdict) { v.Spoofable = true }}, Counts{}, Spoofed},
		{"forgeable, to one destination", []func(*Verdict){func(v *Verdict) { v.Spoofable, v.Match.Dst = true, netip.MustParsePrefix("198.51.100.1/32") }}, Counts{}, 0},
		{"forgeable, rate", []func(*Verdict){func(v *Verdict) { v.Spoofable, v.Action, v.Rate = true, RateLimit, 10 }}, Counts{}, 0},
		{"forgeable, flow", []func(*Verdict){func(v *Verdict) { *v = flowDrop("x", "192.0.2.1:1", "192.0.2.2:2"); v.Spoofable = true }}, Counts{}, 0},

		{"a feed allows a source", []func(*Verdict){func(v *Verdict) { v.Origin, v.Action = OriginFeed, Bypass }}, Counts{}, NotAllowed},
		{"a rule bypasses a flow", []func(*Verdict){func(v *Verdict) { *v = flowDrop("x", "192.0.2.1:1", "192.0.2.2:2"); v.Action = Bypass }}, Counts{}, 0},

		{"rules hold their budget", nil, held(OriginRule, 800), OverBudget},
		{"feeds hold theirs", nil, held(OriginFeed, 1500), OverBudget}, // what is left is for analysts
		{"an analyst has room", []func(*Verdict){analyst}, held(OriginFeed, 1500), 0},
		{"the table is full", []func(*Verdict){analyst}, held(OriginFeed, 1600), OverBudget},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := drop("x", "192.0.2.1/32")
			for _, change := range c.change {
				change(&v)
			}
			err := g.Check(&v, noon, c.held)
			var r *Refusal
			if c.want == 0 && err != nil || c.want != 0 && (!errors.As(err, &r) || r.Rule != c.want || r.ID != "x") {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
}

// TestDecisions checks which of several verdicts on one subject decides, whatever the order they came in.
func TestDecisions(t *testing.T) {
	verdicts := map[string]Verdict{}
	add := func(id string, o Origin, a Action, change func(*Verdict)) {
		v := drop(id, "192.0.2.1/32")
		v.Origin, v.Action = o, a
		if change != nil {
			change(&v)
		}
		verdicts[id] = v
	}
	add("allow", OriginAnalyst, Pass, nil)
	add("analyst", OriginAnalyst, Drop, nil)
	add("rule", OriginRule, Drop, nil)
	add("flood", OriginFlood, Drop, func(v *Verdict) { v.CreatedAt = noon.Add(time.Second) }) // same rank, later
	add("feed", OriginFeed, Drop, nil)
	add("observe", OriginAnalyst, Observe, nil)
	add("ssh", OriginFeed, Drop, func(v *Verdict) { v.Match.Port = 22 })
	add("later", OriginFeed, Drop, func(v *Verdict) { v.Epoch, v.Seq = 1, 9 })
	for _, c := range []struct{ held, want string }{
		{"feed", "feed"},
		{"feed rule", "rule"},
		{"rule flood", "flood"},
		{"feed rule flood analyst allow observe", "allow"},
		{"feed rule analyst", "analyst"},
		{"observe feed", "feed"},
		{"observe", "observe"},
		{"feed later", "later"},
		{"ssh feed rule", "rule ssh"},
		{"allow ssh", "allow ssh"},
	} {
		ids := strings.Fields(c.held)
		for range len(ids) {
			ids = append(ids[1:], ids[0])
			table := NewTable(0)
			for _, id := range ids {
				table.Put(verdicts[id], noon)
			}
			var got []string
			for _, e := range table.Decisions((&Match{Src: netip.MustParsePrefix("192.0.2.1/32")}).Subject()) {
				got = append(got, e.ID)
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("%v: %v decide, want %s", ids, got, c.want)
			}
		}
	}
}

func TestTable(t *testing.T) {
	table := NewTable(0)
	e, was := table.Put(drop("a", "192.0.2.1/32"), noon)
	e.Handle = 7
	if was != e.Match.Subject() || table.Len() != 1 {
		t.Errorf("new verdict was about %v", was)
	}
	again := drop("a", "192.0.2.1/32")
	again.Action = Observe
	if e, _ = table.Put(again, noon); e.Handle != 7 || table.Len() != 1 {
		t.Errorf("an update on the same packets lost its handle: %+v", e)
	}
	moved, was := table.Put(drop("a", "192.0.2.2/32"), noon)
	if moved.Handle != 0 || was.Src != netip.MustParsePrefix("192.0.2.1/32") || len(table.Decisions(was)) != 0 {
		t.Errorf("moved: handle %d, was about %v", moved.Handle, was)
	}
	flow := flowDrop("f", "192.0.2.1:1", "192.0.2.2:2")
	flow.ExpiresAt = noon.Add(time.Minute)
	table.Put(flow, noon)
	if c := table.Counts(); c[OriginRule] != 2 || c.Total() != 2 {
		t.Errorf("counts %v", c)
	}
	if subjects := slices.Collect(table.Subjects()); len(subjects) != 2 {
		t.Errorf("subjects %v", subjects)
	}
	if gone := table.Expire(noon.Add(time.Minute)); len(gone) != 1 || gone[0].ID != "f" {
		t.Errorf("expired %v", gone)
	}
	if table.Remove("a") == nil || table.Remove("a") != nil || table.Len() != 0 {
		t.Error("removal is not done once")
	}
	if gone := table.Expire(noon.Add(100 * time.Hour)); len(gone) != 0 {
		t.Errorf("removed verdicts expired: %v", gone)
	}
	for i := range 5000 { // the heap of expiries must not remember them all
		table.Put(drop("same", fmt.Sprintf("10.0.%d.%d/32", i>>8, i&255)), noon)
	}
	if len(table.expiry) > 1100 || table.Len() != 1 {
		t.Errorf("%d entries wait for their expiry, %d are held", len(table.expiry), table.Len())
	}
}

func ExampleGuard_Check() {
	g := NewGuard(DefaultLimits(1000))
	v := Verdict{ID: "42", Match: Match{Src: netip.MustParsePrefix("0.0.0.0/0")}, Action: Drop, Origin: OriginFeed, ExpiresAt: noon.Add(time.Hour)}
	fmt.Println(g.Check(&v, noon, Counts{}))
	// Output: verdict "42": too-wide: 0.0.0.0/0 is wider than /16, which nobody may block
}

func TestCovers(t *testing.T) {
	flow := &FlowKey{Tenant: 7, Src: netip.MustParseAddrPort("203.0.113.7:1024"), Dst: netip.MustParseAddrPort("10.0.0.1:80"), Proto: 6}
	for _, c := range []struct {
		name     string
		m        Match
		src, dst string
		want     bool
	}{
		{"a source", Match{Src: netip.MustParsePrefix("203.0.113.0/24")}, "203.0.113.7:1", "10.0.0.1:80", true},
		{"its answers", Match{Src: netip.MustParsePrefix("203.0.113.0/24")}, "10.0.0.1:80", "203.0.113.7:1", false},
		{"another port", Match{Src: netip.MustParsePrefix("203.0.113.0/24"), Port: 443}, "203.0.113.7:1", "10.0.0.1:80", false},
		{"another protocol", Match{Src: netip.MustParsePrefix("203.0.113.0/24"), Proto: 17}, "203.0.113.7:1", "10.0.0.1:80", false},
		{"a destination", Match{Dst: netip.MustParsePrefix("10.0.0.0/8")}, "203.0.113.7:1", "10.0.0.1:80", true},
		{"a flow", Match{Flow: flow}, "203.0.113.7:1024", "10.0.0.1:80", true},
		{"a flow's answers", Match{Flow: flow}, "10.0.0.1:80", "203.0.113.7:1024", true},
		{"another flow", Match{Flow: flow}, "203.0.113.7:1025", "10.0.0.1:80", false},
	} {
		if got := c.m.Covers(7, netip.MustParseAddrPort(c.src), netip.MustParseAddrPort(c.dst), 6); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
