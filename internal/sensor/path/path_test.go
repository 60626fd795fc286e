package path

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/decode/packettest"
	"github.com/weir-ips/weir/pkg/event"
	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/signatures"
	"github.com/weir-ips/weir/pkg/signatures/keyword"
)

const (
	client = "10.0.0.1"
	server = "192.0.2.2"
	start  = int64(1491603877e9)
)

// record is what tests read of a record.
type record struct {
	Type   string `json:"event_type"`
	Flow   uint64 `json:"flow_id"`
	SrcIP  string `json:"src_ip"`
	Alert  struct{ Action string }
	Drop   struct{ Reason string }
	HTTP   struct{ URL string }
	File   struct{ MD5 string }    `json:"fileinfo"`
	Reason struct{ Reason string } `json:"flow"`
}

// collector is a Sink that reads records back.
type collector struct {
	t    testing.TB
	list []record
}

func (c *collector) Put(_ event.Type, line []byte) {
	var r record
	if err := json.Unmarshal(line, &r); err != nil {
		c.t.Errorf("%v in %s", err, line)
	}
	c.list = append(c.list, r)
}

func (c *collector) count(kind string) int {
	n := 0
	for _, r := range c.list {
		if r.Type == kind {
			n++
		}
	}
	return n
}

// scene is a Path with its records.
type scene struct {
	*Path
	records collector
	frames  int64
}

// newScene builds a Path with the given rules; change may adapt its configuration.
func newScene(t testing.TB, rules string, ips bool, change func(*Config)) *scene {
	t.Helper()
	s := &scene{records: collector{t: t}}
	opts := event.DefaultOptions()
	opts.Types |= event.Set(event.Drop)
	c := Config{
		Flow: flow.NewConfig(), Decoder: decode.Default(), Shared: signatures.NewShared(), IPS: ips,
		Outputs: []*event.Output{{Options: opts, Sink: &s.records}},
	}
	c.Flow.Protocols = DefaultParsers().Protocols()
	c.Flow.IPS, c.Flow.Inline = ips, ips
	if rules != "" {
		c.Rules = ruleset(t, rules, ips)
	}
	if change != nil {
		change(&c)
	}
	s.Path = New(c)
	return s
}

// ruleset loads rules that must have no problems.
func ruleset(t testing.TB, rules string, ips bool) *signatures.Ruleset {
	t.Helper()
	rs, problems := signatures.Load([]signatures.Source{{Name: "test.rules", Text: rules}}, signatures.Options{IPS: ips})
	for i := range problems {
		t.Fatal(&problems[i].Error)
	}
	return rs
}

func (s *scene) send(b []byte) Outcome {
	s.frames++
	f := packettest.Frame(b, start+s.frames*1e6)
	f.Number = uint64(s.frames)
	return s.Process(f)
}

// exchange sends a whole HTTP conversation and returns the outcomes of its frames.
func (s *scene) exchange(port uint16, request string, wrap func(*packettest.Builder) []byte) []Outcome {
	up := func(flags string, seq, ack uint32, data string) []byte {
		return wrap(packettest.IP4(client, server).TCP(port, 80, flags).Seq(seq, ack).Payload(data))
	}
	down := func(flags string, seq, ack uint32, data string) []byte {
		return wrap(packettest.IP4(server, client).TCP(80, port, flags).Seq(seq, ack).Payload(data))
	}
	q, a := uint32(len(request)), uint32(len(answer))
	var out []Outcome
	for _, frame := range [][]byte{
		up("S", 100, 0, ""), down("SA", 500, 101, ""), up("A", 101, 501, ""),
		up("PA", 101, 501, request), down("A", 501, 101+q, ""),
		down("PA", 501, 101+q, answer), up("A", 101+q, 501+a, ""),
		up("FA", 101+q, 501+a, ""), down("FA", 501+a, 102+q, ""), up("A", 102+q, 502+a, ""),
	} {
		out = append(out, s.send(frame))
	}
	return out
}

func ethernet(b *packettest.Builder) []byte { return b.Ethernet() }

const (
	answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	evil   = "GET /evil HTTP/1.1\r\nHost: example.org\r\n\r\n"
	fine   = "GET /fine HTTP/1.1\r\nHost: example.org\r\n\r\n"
)

func TestRecordsWithoutRules(t *testing.T) {
	s := newScene(t, "", false, nil)
	s.exchange(40000, fine, ethernet)
	s.Close()
	for kind, want := range map[string]int{"http": 1, "fileinfo": 1, "flow": 1, "alert": 0, "drop": 0} {
		if got := s.records.count(kind); got != want {
			t.Errorf("%d %s records, want %d", got, kind, want)
		}
	}
	for _, r := range s.records.list {
		if r.Type == "http" && r.HTTP.URL != "/fine" || r.Type == "flow" && r.Reason.Reason != "shutdown" {
			t.Errorf("%+v", r)
		}
	}
}

const dropEvil = `drop http any any -> any any (msg:"evil"; http.uri; content:"/evil"; sid:1;)`

func TestDrop(t *testing.T) {
	for _, c := range []struct {
		name    string
		rules   string
		ips     bool
		request string
		block   bool
		action  string // of the alert; "": none
		dropped bool
	}{
		{"drop rule, IPS", dropEvil, true, evil, false, "blocked", true},
		{"drop rule, IDS", dropEvil, false, evil, false, "allowed", false},
		{"other request", dropEvil, true, fine, false, "", false},
		{"alert rule that the policy blocks", `alert http any any -> any any (msg:"evil"; http.uri; content:"/evil"; sid:1;)`, true, evil, true, "blocked", true},
		{"alert rule", `alert http any any -> any any (msg:"evil"; http.uri; content:"/evil"; sid:1;)`, true, evil, false, "allowed", false},
		{"noalert rule is not blocked", `alert http any any -> any any (msg:"evil"; http.uri; content:"/evil"; noalert; sid:1;)`, true, evil, true, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var decided []flow.FlowVerdict
			s := newScene(t, c.rules, c.ips, func(cfg *Config) {
				if c.block {
					cfg.Block = func(*keyword.Signature) bool { return true }
				}
				cfg.Hooks.Decided = func(_ *flow.Flow, v flow.FlowVerdict, by *keyword.Signature) {
					if by == nil || by.SID != 1 {
						t.Errorf("decided by %v, want sid 1", by)
					}
					decided = append(decided, v)
				}
			})
			out := s.exchange(40000, c.request, ethernet)
			s.Close()
			if c.action == "" && s.records.count("alert") > 0 {
				t.Error("an alert, want none")
			}
			for _, r := range s.records.list {
				if r.Type == "alert" && r.Alert.Action != c.action {
					t.Errorf("alert says %q, want %q", r.Alert.Action, c.action)
				}
			}
			if c.action != "" && s.records.count("alert") != 1 {
				t.Errorf("%d alerts, want 1", s.records.count("alert"))
			}
			// The request is the fourth frame: it and all after it are dropped, or nothing is.
			for i, o := range out {
				if want := c.dropped && i >= 3; o.Drop != want {
					t.Errorf("frame %d dropped: %v, want %v (%s)", i+1, o.Drop, want, o.Reason)
				}
			}
			if want := map[bool]int{true: 1}[c.dropped]; len(decided) != want {
				t.Errorf("%d decisions, want %d", len(decided), want)
			}
			if got, want := s.records.count("drop"), map[bool]int{true: len(out) - 3}[c.dropped]; got != want {
				t.Errorf("%d drop records, want %d", got, want)
			}
		})
	}
}

func TestInnerOnly(t *testing.T) {
	wrap := func(b *packettest.Builder) []byte {
		return packettest.GENEVE("10.9.0.1", "10.9.0.2", packettest.AWS(0xabc, 1, 2), b.Raw())
	}
	s := newScene(t, `alert udp any any -> any 6081 (msg:"underlay"; sid:2;)`+"\n"+dropEvil, true, func(c *Config) { c.InnerOnly = true })
	out := s.exchange(40000, evil, wrap)
	if !out[3].Drop || out[3].Flow == nil || out[3].Flow.Tenant != 0xabc {
		t.Errorf("the frame that carries the request: %+v, want it dropped, with the inner flow", out[3])
	}
	s.Close()
	if s.records.count("alert") != 1 || s.records.count("flow") != 1 {
		t.Errorf("%d alerts and %d flows, want one of the inner conversation each", s.records.count("alert"), s.records.count("flow"))
	}
}

func TestSwap(t *testing.T) {
	s := newScene(t, dropEvil, true, nil)
	s.exchange(40000, fine, ethernet)
	s.Swap(ruleset(t, `drop http any any -> any any (msg:"fine"; http.uri; content:"/fine"; sid:3;)`, true))
	if out := s.exchange(40001, evil, ethernet); out[3].Drop {
		t.Error("the old rules still drop")
	}
	if out := s.exchange(40002, fine, ethernet); !out[3].Drop {
		t.Error("the new rules do not drop")
	}
}

// TestNewRulesHaveTheirHashes swaps in a rule that asks for a file's hash, which parsers did not compute before.
func TestNewRulesHaveTheirHashes(t *testing.T) {
	s := newScene(t, dropEvil, false, func(c *Config) {
		p := DefaultParsers()
		c.Flow.Protocols, c.Hashes = p.Protocols(), p.Files.Rules
	})
	s.exchange(40000, fine, ethernet)
	list := func(string) ([]byte, error) { return []byte("444bcb3a3fcf8389296c49467f27e1d6\n"), nil } // of "ok"
	rs, problems := signatures.Load([]signatures.Source{{Name: "new.rules", Text: `alert http any any -> any any (msg:"file"; filemd5:list; sid:4;)`}},
		signatures.Options{ReadFile: list})
	if len(problems) > 0 {
		t.Fatal(&problems[0].Error)
	}
	s.Swap(rs)
	s.exchange(40001, fine, ethernet)
	s.Close()
	var sums []string
	for _, r := range s.records.list {
		if r.Type == "fileinfo" {
			sums = append(sums, r.File.MD5)
		}
	}
	if s.records.count("alert") != 1 || !slices.Equal(sums, []string{"", "444bcb3a3fcf8389296c49467f27e1d6"}) {
		t.Errorf("%d alerts, MD5 sums %q", s.records.count("alert"), sums)
	}
}

func TestAlertHook(t *testing.T) {
	var told []string
	s := newScene(t, dropEvil, false, func(c *Config) {
		c.Hooks.Alert = func(a *event.AlertRecord, line []byte) {
			told = append(told, fmt.Sprint(a.Hit.Sig.SID, json.Valid(line)))
		}
	})
	s.exchange(40000, evil, ethernet)
	if len(told) != 1 || told[0] != "1 true" {
		t.Errorf("told %q, want sid 1 with its record", told)
	}
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	s := newScene(t, "", false, nil)
	s.exchange(40000, fine, ethernet)
	f := packettest.IP4(client, server).UDP(5000, 5001).Payload("nothing of interest").Frame(start + 1e9)
	s.Process(f)
	if n := testing.AllocsPerRun(200, func() { s.Process(f) }); n > 0 {
		t.Errorf("%v allocations for a packet of a known flow, want 0", n)
	}
}
