package signatures

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/signatures/keyword"
)

func load(t *testing.T, text string, opts Options) (*Ruleset, []string) {
	t.Helper()
	rs, problems := Load([]Source{{Name: "r", Text: text}}, opts)
	var out []string
	for _, p := range problems {
		out = append(out, p.String())
	}
	return rs, out
}

func TestLoadCounts(t *testing.T) {
	rs, problems := load(t, `alert ip any any -> any any (msg:"a"; sid:1; rev:1;)
#alert ip any any -> any any (sid:2;)
alert ip any any -> any any (msg:"newer"; sid:1; rev:2;)
alert ip any any -> any any (msg:"same"; sid:1; rev:2;)
alert ip any any -> any any (nonsense; sid:3;)
alert ip any any -> any any (requires:version >= 99; sid:4;)
alert ip any any -> any any (sid:5)
alert tcp any any -> any any (classtype:none; sid:6;)
`, Options{})
	if want := (Counts{Rules: 8, Loaded: 3, Disabled: 1, Failed: 2, Skipped: 2}); rs.Counts() != want {
		t.Errorf("%+v, want %+v", rs.Counts(), want)
	}
	want := []string{
		"r:4:1: sid 1 rev 2 is a duplicate of r:3",
		"r:5:30: nonsense: unknown keyword",
		"r:7:1: no semicolon after the last option",
		`r:8:1: classtype: "none" is not in classification.config: the rule gets priority 3`,
	}
	if strings.Join(problems, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(problems, "\n"), strings.Join(want, "\n"))
	}
	if s := rs.Signatures()[0]; s.Msg != "newer" {
		t.Errorf("loaded %q", s.Msg)
	}
}

func TestLoadConfiguration(t *testing.T) {
	rs, problems := load(t, `alert ip any any -> any any (classtype:mine; reference:x,1; sid:1;)`, Options{
		Classification: Source{"c", "config classification: mine,My, class,1\nnonsense\n"},
		Reference:      Source{"f", "config reference: x http://x/\n"},
		Thresholds:     Source{"t", "suppress gen_id 1\nsuppress gen_id 1, sig_id 1, track by_src, ip $NOWHERE\n"},
	})
	want := []string{
		`c:2:1: "nonsense" is not config classification: name,description,priority`,
		`t:1:1: sig_id "" is not a number`,
		"t:2:1: ip $NOWHERE: variable $NOWHERE is not defined: give it a value (variables.NOWHERE in sensor.yaml, vars in suricata.yaml, or --set)",
	}
	if strings.Join(problems, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(problems, "\n"), strings.Join(want, "\n"))
	}
	if s := rs.Signatures()[0]; s.Category != "My, class" || s.Priority != 1 || rs.ReferenceURL("x") != "http://x/" {
		t.Errorf("%+v %q", s.Meta, rs.ReferenceURL("x"))
	}
	if rs, _ := load(t, `alert ip any any -> any any (classtype:trojan-activity; sid:1;)`, Options{}); rs.Signatures()[0].Category != "A Network Trojan was detected" {
		t.Error("the built-in classes are missing")
	}
}

func TestTypes(t *testing.T) {
	for rule, want := range map[string]keyword.Type{
		`ip any any -> any any (`:                                            keyword.TypeIPOnly,
		`tcp any any -> any 22 (`:                                            keyword.TypeIPOnly,
		`ip !10.0.0.1 any -> any any (`:                                      keyword.TypeLikeIPOnly,
		`ip any any -> any any (flow:established;`:                           keyword.TypePacket,
		`tcp any any -> any any (content:"x";`:                               keyword.TypeStream,
		`tcp any any -> any any (content:"x"; depth:1;`:                      keyword.TypePacketStream,
		`tcp any any -> any any (content:"x"; dsize:>1;`:                     keyword.TypePacket,
		`tcp-pkt any any -> any any (content:"x";`:                           keyword.TypePacket,
		`udp any any -> any any (content:"x";`:                               keyword.TypePacket,
		`http any any -> any any (`:                                          keyword.TypeAppLayer,
		`http any any -> any any (flow:established;`:                         keyword.TypePacket,
		`tcp any any -> any any (app-layer-protocol:http;`:                   keyword.TypeProtocolOnly,
		`tcp any any -> any any (http.uri; content:"x";`:                     keyword.TypeTx,
		`http any any -> any any (app-layer-event:http.missing_host_header;`: keyword.TypeTx,
		`pkthdr any any -> any any (decode-event:ipv4.trunc_pkt;`:            keyword.TypeDecoder,
		`tcp any any -> any any (tcp.hdr; content:"x";`:                      keyword.TypePacket,
	} {
		rs, problems := load(t, "alert "+rule+" sid:1;)", Options{})
		if len(problems) > 0 {
			t.Errorf("%s: %v", rule, problems)
		} else if got := rs.Signatures()[0].Type; got != want {
			t.Errorf("%s is %v, want %v", rule, got, want)
		}
	}
}

func TestOrderOfRules(t *testing.T) {
	rs, _ := load(t, `alert ip any any -> any any (priority:1; sid:1;)
alert tcp any any -> any any (flowbits:isset,a; sid:2;)
alert tcp any any -> any any (flowbits:set,a; sid:3;)
alert tcp any any -> any any (flowbits:set,b; flowbits:isset,a; sid:4;)
drop ip any any -> any any (sid:5;)
reject ip any any -> any any (sid:6;)
pass ip any any -> any any (sid:7;)
`, Options{})
	var got []uint32
	for _, s := range rs.Signatures() {
		got = append(got, s.SID)
	}
	want := []uint32{7, 5, 6, 3, 4, 2, 1}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("%v, want %v", got, want)
		}
	}
}

// TestSwapKeepsFlowState: flowbits keep their meaning although the new rules name them in another order.
func TestSwapKeepsFlowState(t *testing.T) {
	s := newStage(t, `alert tcp any any -> any any (content:"mark"; flowbits:set,two; sid:1;)`, "ips", "")
	s.play("10.0.0.1:4000 > 10.0.0.2:80 open\n10.0.0.1:4000 > 10.0.0.2:80 send \"mark\"\n")
	rs, problems := Load([]Source{{Name: "r", Text: `alert tcp any any -> any any (flags:A; flowbits:isset,one; sid:2;)
alert tcp any any -> any any (content:"again"; flowbits:isset,two; sid:3;)`}}, Options{IPS: true, Previous: s.engine.Ruleset()})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	s.out.Reset()
	s.engine.Swap(rs)
	s.play("10.0.0.1:4000 > 10.0.0.2:80 send \"again\"\n")
	if got := s.out.String(); got != "6 alert 3 stream\n" {
		t.Errorf("after the swap: %q", got)
	}
}

func TestPacketAlertMax(t *testing.T) {
	var rules strings.Builder
	for i := range 20 {
		rules.WriteString(`alert udp any any -> any any (content:"x"; priority:` + string('1'+rune(i%3)) + `; sid:` + string(rune('1'+i/10)) + string(rune('0'+i%10)) + ";)\n")
	}
	s := newStage(t, rules.String(), "", "")
	s.play(`10.0.0.1:1 > 10.0.0.2:2 udp "x"`)
	if n := strings.Count(s.out.String(), "alert"); n != 15 || s.engine.Stats.Overflow != 5 {
		t.Errorf("%d alerts, %d overflowed", n, s.engine.Stats.Overflow)
	}
}

// TestInspectAllocatesNothing: packets of a known flow that match nothing cost no allocation.
func TestInspectAllocatesNothing(t *testing.T) {
	scoped := ""
	for i := range 3 * fewRules {
		scoped += fmt.Sprintf("alert udp 10.0.0.0/8 any -> any any (dsize:<90; content:\"key %02d\"; sid:%d;)\n", i, 100+i)
	}
	s := newStage(t, scoped+`alert udp any any -> any any (content:"needle"; content:"x"; distance:2; sid:1;)
alert udp any any -> any any (content:"a hay"; startswith; content:"x"; distance:2; sid:4;)
alert udp any any -> any any (content:"stack"; offset:6; depth:5; content:"needle"; pcre:"/^[ab].*x/"; sid:5;)
alert udp any any -> any any (content:"hay"; pcre:"/hay\d+/"; sid:2;)
alert tcp any any -> any any (flags:S; threshold:type limit, track by_src, count 1, seconds 60; sid:3;)`, "", "")
	s.play(`10.0.0.1:1 > 10.0.0.2:2 udp "a hay stack"`)
	p := packetOf("10.0.0.1", "10.0.0.2", "a hay stack with a needle")
	r := s.tracker.Track(p)
	if n := testing.AllocsPerRun(200, func() { s.engine.Inspect(p, r.Flow, r) }); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
	if s.engine.Stats.Candidates < 200 {
		t.Errorf("%d candidates in 200 packets: no rule was looked at", s.engine.Stats.Candidates)
	}
}

// FuzzLoad feeds rules to the loader and matches what loads: nothing may panic.
func FuzzLoad(f *testing.F) {
	for _, s := range []string{
		`alert tcp any any -> any any (content:"a|20|b"; depth:5; pcre:"/a(b|c)+/Ri"; byte_test:1,>,2,0,relative; sid:1;)`,
		`drop http $HOME_NET any -> [10.0.0.0/8,!10.1.1.1] 80: (http.uri; dotprefix; content:!"x"; bsize:1<>9; flowbits:set,a; sid:2;)`,
		`alert udp any any <> any any (byte_extract:1,0,n; content:"a"; offset:n; isdataat:!n,relative; threshold:type both,track by_src,count 1,seconds 1; sid:3;)`,
		`alert ip any any -> any any (base64_decode:relative; base64_data; content:"x"; asn1:oversize_length 3; entropy:value > 1; sid:4;)`,
	} {
		f.Add(s, []byte("ab cabbcc aGVsbG8="))
	}
	f.Fuzz(func(t *testing.T, rule string, data []byte) {
		rs, _ := Load([]Source{{Name: "r", Text: rule}}, Options{})
		e := NewEngine(rs, NewShared())
		p := packetOf("10.0.0.1", "10.0.0.2", string(data[:min(len(data), 1400)]))
		e.Inspect(p, nil, flow.Result{})
	})
}
