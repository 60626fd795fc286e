package export

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/weir-ips/weir/internal/collector/store"
	"github.com/weir-ips/weir/pkg/verdict"
)

var noLog = slog.New(slog.DiscardHandler)

// monday is when events of tests happen.
var monday = time.Date(2026, 3, 2, 10, 20, 30, 123456000, time.UTC)

// alertEvent is an alert with all that a sensor writes and exports read.
func alertEvent(t testing.TB, n int, src, action string) Event {
	t.Helper()
	at := monday.Add(time.Duration(n) * time.Second)
	record := fmt.Appendf(nil, `{"timestamp":%q,"flow_id":%d,"event_type":"alert","src_ip":%q,"src_port":40000,"dest_ip":"10.0.0.1","dest_port":80,`+
		`"proto":"TCP","app_proto":"http","community_id":"1:LQU9qZlK+B5F3KDmev6m5PMibrg=","alert":{"action":%q,"gid":1,"signature_id":2100498,"rev":7,`+
		`"signature":"GPL ATTACK_RESPONSE id check | returned=root","category":"Potentially Bad Traffic","severity":2,`+
		`"metadata":{"mitre_tactic_id":["TA0001"],"mitre_tactic_name":["Initial_Access"],"mitre_technique_id":["T1190"],"mitre_technique_name":["Exploit_Public_Facing_Application"]}},`+
		`"flow":{"pkts_toserver":5,"pkts_toclient":4,"bytes_toserver":500,"bytes_toclient":4000,"start":"2026-03-02T10:20:29.000000+0000","src_ip":%q,"dest_ip":"10.0.0.1"}}`,
		at.Format(eveTime), 1000+n, src, action, src)
	a, err := store.FromEVE(fmt.Sprintf("edge-1:boot:1:%d", n), "edge-1", record)
	if err != nil {
		t.Fatal(err)
	}
	return Event{Kind: KindAlert, Alert: &a}
}

func verdictEvent(op string) Event {
	v := verdict.Verdict{
		ID: "v-1", Seq: 9, Match: verdict.Match{Src: netip.MustParsePrefix("203.0.113.9/32")}, Action: verdict.Drop, Origin: verdict.OriginAnalyst,
		Reason: "scans = loud", CreatedBy: "ann", CreatedAt: monday, ExpiresAt: monday.Add(time.Hour),
	}
	return Event{Kind: KindVerdict, Verdict: &VerdictChange{Verdict: v, Op: op, By: "ann", At: monday}}
}

func incidentEvent(state string) Event {
	return Event{Kind: KindIncident, Incident: &Incident{
		ID: "i-7", State: state, Title: "203.0.113.9 attacks 10.0.0.1", Severity: 1, Alerts: 42, First: monday, Last: monday.Add(time.Minute),
		Sources: []netip.Addr{netip.MustParseAddr("203.0.113.9")}, Targets: []netip.Addr{netip.MustParseAddr("10.0.0.1")},
		Signatures: []uint32{2100498}, Sensors: []string{"edge-1"}, Tactics: []string{"TA0043", "TA0001"},
	}}
}

// checked is a configuration that Check has passed.
func checked(t testing.TB, c Config) *Config {
	t.Helper()
	if c.Name == "" {
		c.Name = "test"
	}
	if key, reason := c.Check(); key != "" {
		t.Fatalf("%s: %s", key, reason)
	}
	return &c
}

// secret is one in a file.
func secret(t testing.TB, text string) Secret {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return Secret{File: path}
}

func schema(t testing.TB, path string) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	s, err := c.Compile(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// valid holds text against the schema.
func valid(t testing.TB, s *jsonschema.Schema, text []byte) {
	t.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if err := s.Validate(v); err != nil {
		t.Errorf("%v\n%.2000s", err, text)
	}
}
