package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-ips/weir/internal/sensor/config"
	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/decode/packettest"
	"github.com/weir-ips/weir/pkg/event"
	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/signatures"
	"github.com/weir-ips/weir/pkg/signatures/keyword"
	"github.com/weir-ips/weir/pkg/verdict"
)

func ruleFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "t.rules")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOneBadRuleRefusesTheSet(t *testing.T) {
	c := config.Default()
	c.Rules = []string{ruleFile(t, "alert tcp any any -> any any (msg:\"a\"; content:\"a\"; sid:1;)\nalert tcp any any -> any any (msg:\"b\"; contnt:\"b\"; sid:2;)\n")}
	_, err := loadRules(&c, nil)
	if err == nil || !strings.Contains(err.Error(), "t.rules:2:40: contnt: ") {
		t.Errorf("got %v", err)
	}
	c.Rules = []string{filepath.Join(t.TempDir(), "*.rules")}
	if _, err := loadRules(&c, nil); err == nil || !strings.Contains(err.Error(), "no file matches") {
		t.Errorf("got %v", err)
	}
}

func TestARulesetIsNamedByItsText(t *testing.T) {
	id := func(text string) string {
		c := config.Default()
		c.Rules = []string{ruleFile(t, text)}
		rs, err := loadRules(&c, nil)
		if err != nil {
			t.Fatal(err)
		}
		return rs.id
	}
	const a = "alert tcp any any -> any any (msg:\"a\"; content:\"a\"; sid:1;)\n"
	if id(a) != id(a) || id(a) == id(a+"# more\n") {
		t.Error("the id does not follow the text")
	}
}

func TestBlock(t *testing.T) {
	sig := func(sid uint32, class string, priority int) *keyword.Signature {
		return &keyword.Signature{Meta: keyword.Meta{SID: sid, Class: class, Priority: priority}}
	}
	c := &config.Config{Block: []config.Block{
		{Classtypes: []string{"web-application-attack"}},
		{Signatures: []uint32{7, 8}, Severity: 2},
	}}
	blocked := blocks(c)
	for _, k := range []struct {
		sig  *keyword.Signature
		want bool
	}{
		{sig(1, "web-application-attack", 3), true},
		{sig(1, "misc-activity", 1), false},
		{sig(7, "misc-activity", 2), true},
		{sig(7, "misc-activity", 3), false},
		{sig(9, "misc-activity", 1), false},
	} {
		if got := blocked(k.sig); got != k.want {
			t.Errorf("sid %d, %s, priority %d: %v", k.sig.SID, k.sig.Class, k.sig.Priority, got)
		}
	}
	if blocks(&config.Config{}) != nil {
		t.Error("a sensor without block entries has a policy")
	}
}

func TestEvidenceThatCanBeForgedIsMarked(t *testing.T) {
	established := func(s flow.Session) *flow.Flow {
		return &flow.Flow{Proto: decode.ProtoTCP, State: flow.Established, TCP: &s}
	}
	for _, k := range []struct {
		name string
		f    *flow.Flow
		want bool
	}{
		{"handshake seen both ways", established(flow.Session{}), true},
		{"picked up in the middle", established(flow.Session{Midstream: true}), false},
		{"one direction only", established(flow.Session{Async: true}), false},
		{"not established", &flow.Flow{Proto: decode.ProtoTCP, State: flow.New, TCP: &flow.Session{}}, false},
		{"UDP both ways", &flow.Flow{Proto: decode.ProtoUDP, State: flow.Established}, false},
	} {
		if got := proved(k.f); got != k.want {
			t.Errorf("%s: %v", k.name, got)
		}
	}
}

func TestTheEventNamesTheAttacker(t *testing.T) {
	var p decode.Packet
	decode.Default().Decode(&p, decode.Frame{Data: packettest.IP4("203.0.113.9", "10.0.0.1").TCP(4000, 80, "A").Payload("x").Raw(), Link: decode.LinkRaw})
	sig := keyword.Signature{Meta: keyword.Meta{SID: 5, Priority: 1, Category: "c"}}
	record := event.AlertRecord{Subject: event.Subject{Time: 1, Packet: &p}, Hit: &signatures.Hit{Sig: &sig}}
	line := []byte(`{"a":1}`)
	e := wireEvent(&record, line)
	line[0] = 'x' // the line is only lent
	if e.Src.String() != "203.0.113.9:4000" || e.Dst.String() != "10.0.0.1:80" || e.Handshake || e.Severity != 1 || string(e.EVE) != `{"a":1}` {
		t.Errorf("got %+v", e)
	}
	sig.Target = keyword.TargetSrc
	if e := wireEvent(&record, line); e.Src.String() != "10.0.0.1:80" {
		t.Errorf("the rule's target was blamed: %v", e.Src)
	}
}

func TestRefusalsAreFoundInJoinedErrors(t *testing.T) {
	a, b := &verdict.Refusal{ID: "a"}, &verdict.Refusal{ID: "b"}
	got := refusals(errors.Join(fmt.Errorf("one: %w", a), errors.New("other"), errors.Join(b)))
	if len(got) != 2 || got[0] != a || got[1] != b {
		t.Errorf("got %v", got)
	}
	if refusals(nil) != nil || refusals(errors.New("x")) != nil {
		t.Error("found refusals where there are none")
	}
}

func TestHealthTellsWhy(t *testing.T) {
	var bad []string
	h := healthHandler(func() []string { return bad })
	ask := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w
	}
	if w := ask("/healthz"); w.Code != http.StatusOK {
		t.Errorf("healthy: %d", w.Code)
	}
	bad = []string{"worker 0 has not turned for 5s"}
	w := ask("/healthz")
	var body struct{ Reasons []string }
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != http.StatusServiceUnavailable || len(body.Reasons) != 1 {
		t.Errorf("unhealthy: %d %s", w.Code, w.Body)
	}
	if w := ask("/livez"); w.Code != http.StatusOK {
		t.Errorf("alive: %d", w.Code)
	}
}
