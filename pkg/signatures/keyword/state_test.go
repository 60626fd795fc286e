package keyword

import (
	"testing"
)

// after runs rules in order on one scene, sharing its state, and reports whether the last one matches.
func after(t *testing.T, sc *scene, rules ...string) bool {
	t.Helper()
	env := testEnv()
	var last bool
	for _, r := range rules {
		s, err := compileIn(env, r)
		if err != nil {
			t.Fatal(err)
		}
		last = sc.matches(s)
	}
	return last
}

func stateful(change func(*scene)) *scene {
	return inFlow(func(s *scene) {
		s.state, s.hosts = &FlowState{}, NewHosts()
		if change != nil {
			change(s)
		}
	})
}

func TestFlowbits(t *testing.T) {
	for _, c := range []struct {
		rules []string
		want  want
	}{
		{[]string{"flowbits:set,a;", "flowbits:isset,a;"}, hit},
		{[]string{"flowbits:set,a;", "flowbits:isset,A;"}, miss},
		{[]string{"flowbits:set,a;", "flowbits:isset,b|a;"}, hit},
		{[]string{"flowbits:set,a;", "flowbits:isnotset,a;"}, miss},
		{[]string{"flowbits:set,a;", "flowbits:unset,a;", "flowbits:isnotset,a;"}, hit},
		{[]string{"flowbits:toggle,a;", "flowbits:toggle,a;", "flowbits:isset,a;"}, miss},
		{[]string{`flowbits:set,a; content:"nothing";`, "flowbits:isset,a;"}, miss},
	} {
		count("flowbits", c.want)
		if got := after(t, stateful(nil), c.rules...); got != (c.want == hit) {
			t.Errorf("%q: %v, want %s", c.rules, got, c.want)
		}
	}
	try(t, "flowbits", []kase{
		{rule: "flowbits:isset,a;", scene: ip4(nil), want: miss},
		{rule: "flowbits:set,a|b;", want: reject, err: "30: flowbits: set takes one name"},
		{rule: "flowbits:set;", want: reject, err: `30: flowbits: "" is not the name of a flowbit`},
		{rule: "flowbits:put,a;", want: reject, err: `30: flowbits: "put" is not set, unset, isset, isnotset, toggle or noalert`},
	})
}

func TestFlowint(t *testing.T) {
	for _, c := range []struct {
		rules []string
		want  want
	}{
		{[]string{"flowint:n,+,1;", "flowint:n,+,1;", "flowint:n,==,2;"}, hit},
		{[]string{"flowint:n,=,5;", "flowint:m,=,n;", "flowint:m,>=,5;"}, hit},
		{[]string{"flowint:n,-,1;", "flowint:n,==,0;"}, hit},
		{[]string{"flowint:n,<,5;"}, miss},
		{[]string{"flowint:n,notset;"}, hit},
		{[]string{"flowint:n,=,1;", "flowint:n,isset;"}, hit},
		{[]string{"flowint:n,=,4294967295;", "flowint:n,+,9;", "flowint:n,==,4294967295;"}, hit},
	} {
		count("flowint", c.want)
		if got := after(t, stateful(nil), c.rules...); got != (c.want == hit) {
			t.Errorf("%q: %v, want %s", c.rules, got, c.want)
		}
	}
	try(t, "flowint", []kase{{rule: "flowint:n,*,2;", want: reject, err: `30: flowint: "*" is not one of = + - < <= > >= == != isset notset`}})
}

func TestXbits(t *testing.T) {
	later := func(s *scene) { s.now += 31e9 }
	turned := func(s *scene) { s.pkt.Src, s.pkt.Dst = s.pkt.Dst, s.pkt.Src }
	for _, c := range []struct {
		set, test string
		between   func(*scene)
		want      want
	}{
		{"xbits:set,a,track ip_src;", "xbits:isset,a,track ip_src;", nil, hit},
		{"xbits:set,a,track ip_src;", "xbits:isset,a,track ip_dst;", nil, miss},
		{"xbits:set,a,track ip_src;", "xbits:isset,a,track ip_dst;", turned, hit},
		{"xbits:set,a,track ip_pair;", "xbits:isset,a,track ip_pair;", turned, hit},
		{"xbits:set,a,track ip_src;", "xbits:isset,a,track ip_src;", later, miss},
		{"xbits:set,a,track ip_src,expire 60;", "xbits:isset,a,track ip_src;", later, hit},
		{"xbits:set,a,track ip_src;", "xbits:isnotset,a,track ip_src;", later, hit},
		{"hostbits:set,a,src;", "hostbits:isset,a;", later, hit},
		{"hostbits:set,a,dst;", "hostbits:isset,a,src;", nil, miss},
		{"hostbits:set,a,both;", "hostbits:isset,a,both;", turned, hit},
		{"hostbits:set,a,src,30;", "hostbits:isset,a;", later, miss},
		{"hostbits:set,a;", "xbits:isset,a,track ip_src;", nil, miss},
	} {
		count(map[byte]string{'x': "xbits", 'h': "hostbits"}[c.test[0]], c.want)
		sc := stateful(nil)
		env := testEnv()
		for i, rule := range []string{c.set, c.test} {
			s, err := compileIn(env, rule)
			if err != nil {
				t.Fatal(err)
			}
			if i == 1 && c.between != nil {
				c.between(sc)
			}
			if got := sc.matches(s); i == 1 && got != (c.want == hit) {
				t.Errorf("%s then %s: %v, want %s", c.set, c.test, got, c.want)
			}
		}
	}
	try(t, "xbits", []kase{
		{rule: "xbits:set,a,track ip;", want: reject, err: `30: xbits: "ip" is not ip_src, ip_dst or ip_pair`},
		{rule: "xbits:set,a;", want: reject, err: `30: xbits: "set,a" is not COMMAND, NAME, track WHAT`},
	})
	try(t, "hostbits", []kase{{rule: "hostbits:set,a,all;", want: reject, err: `30: hostbits: "all" is not src, dst or both`}})
}

func TestVariables(t *testing.T) {
	captured := []Capture{{Name: "user", Value: []byte("admin")}}
	sc := stateful(func(s *scene) { s.vars, s.state = captured, &FlowState{Vars: captured} })
	for _, name := range [...]string{"flowvar", "pktvar"} {
		try(t, name, []kase{
			{rule: name + `:user, "dmi";`, scene: sc, want: hit},
			{rule: name + `:user,!"root";`, scene: sc, want: hit},
			{rule: name + `:user,!"|61|dm";`, scene: sc, want: miss},
			{rule: name + `:other,"a";`, scene: sc, want: miss},
			{rule: name + `:user,"admin";`, scene: ip4(nil), want: miss},
			{rule: name + `:user;`, want: reject, err: "30: " + name + `: "user" is not NAME, "pattern"`},
		})
	}
	try(t, "nfq_set_mark", []kase{
		{rule: "nfq_set_mark:0x8/0xff;", scene: sc, want: hit},
		{rule: "nfq_set_mark:0x8;", want: reject, err: `30: nfq_set_mark: "0x8" is not MARK/MASK`},
	})
}

// TestForeignKeywords: what is left out on purpose says why.
func TestForeignKeywords(t *testing.T) {
	for name, want := range map[string]string{
		"mqtt.type": "is of a protocol that is not parsed: mqtt",
		"krb5_x":    "is of a protocol that is not parsed: krb5",
		"lua":       "scripts are not run",
		"seqs":      "unknown keyword, did you mean seq?",
		"whatever":  "unknown keyword",
	} {
		if err := unknown(name); err.Error() != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}

func TestHostsAreBounded(t *testing.T) {
	h := NewHosts()
	evicted := 0
	for i := range hostShards * hostLimit * 2 {
		if h.set(hostKey{a: U128{Lo: uint64(i)}}, 10, 1) {
			evicted++
		}
	}
	n := 0
	for i := range h.shards {
		n += len(h.shards[i].entries)
	}
	if n > hostShards*hostLimit || evicted == 0 {
		t.Errorf("%d entries, %d evicted", n, evicted)
	}
}

func TestThresholdKeywords(t *testing.T) {
	s := inFlow(nil)
	try(t, "threshold", []kase{
		{rule: "threshold:type limit, track by_src, count 1, seconds 60;", scene: s, want: hit},
		{rule: "threshold:type most, track by_src, count 1, seconds 60;", want: reject, err: `30: threshold: type "most" is not limit, threshold, both or backoff`},
		{rule: "threshold:type limit, track by_src, count 0, seconds 60;", want: reject, err: `30: threshold: count "0" is not a number above 0`},
	})
	try(t, "detection_filter", []kase{
		{rule: "detection_filter:track by_dst, count 5, seconds 60;", scene: s, want: hit},
		{rule: "detection_filter:track by_port, count 5, seconds 60;", want: reject, err: `30: detection_filter: track "by_port" is not by_src, by_dst, by_both, by_rule or by_flow`},
		{rule: "threshold:type limit, track by_src, count 1, seconds 60; detection_filter:track by_dst, count 5, seconds 60;", want: reject, err: "87: detection_filter: the rule already has a threshold or detection_filter"},
	})
	try(t, "tag", []kase{
		{rule: "tag:session,10,packets;", scene: s, want: hit},
		{rule: "tag:host,10,seconds;", want: reject, err: "30: tag: host needs src or dst"},
		{rule: "tag:flow;", want: reject, err: `30: tag: "flow" is not session or host`},
	})
	try(t, "bypass", []kase{{rule: "bypass;", scene: s, want: hit}})
	try(t, "config", []kase{
		{rule: "config:logging disable, type tx, scope tx;", scene: s, want: hit},
		{rule: "config:logging enable;", want: reject, err: `30: config: "logging enable" is not logging disable, type …, scope …`},
	})
}

func TestMeta(t *testing.T) {
	s, err := compile("", `msg:"a \"b\"\; c"; gid:3; sid:77; rev:4; classtype:test-class; reference:CVE,2021-1; metadata:tag a b, x y; target:dest_ip; noalert;`)
	if err != nil {
		t.Fatal(err)
	}
	m := s.Meta
	if m.Msg != `a "b"; c` || m.GID != 3 || m.SID != 77 || m.Rev != 4 || m.Category != "A test" || m.Priority != 2 || m.Target != TargetDst || !s.NoAlert ||
		m.References[0] != (Pair{"cve", "2021-1"}) || m.Metadata[0] != (Pair{"tag", "a b"}) || m.Metadata[1] != (Pair{"x", "y"}) {
		t.Errorf("%+v", m)
	}
	s, err = compile("pass ip any any -> any any", `classtype:test-class; priority:1; alert;`)
	if err != nil || s.Priority != 1 || !s.AlertPass {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := compile("", "sid:0;"); err == nil {
		t.Error("sid 0 was accepted")
	}
	try(t, "classtype", []kase{{rule: "classtype:a; classtype:b;", want: reject, err: "43: classtype: the rule already has the class a"}})
	try(t, "priority", []kase{{rule: "priority:0;", want: reject, err: "30: priority: 0 is not in 1-255"}})
	try(t, "target", []kase{{rule: "target:both;", want: reject, err: `30: target: "both" is not src_ip or dest_ip`}})
	try(t, "requires", []kase{
		{rule: "requires:version >= 99;", want: reject, err: "30: requires: version >= 99 is not met: left out"},
		{rule: "requires:keyword nothing;", want: reject, err: "30: requires: keyword nothing is not met: left out"},
	})
	for rule, loads := range map[string]bool{"version >= 7.0.3 < 9": true, "version < 7 | >= 8": true, "version <8": false, "keyword http.uri": true, "feature lua": false} {
		if _, err := compile("", "requires:"+rule+";"); (err == nil) != loads {
			t.Errorf("requires %s: %v", rule, err)
		}
	}
}
