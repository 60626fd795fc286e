package keyword

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

// scene is what a rule is matched against.
type scene struct {
	pkt    decode.Packet
	flow   *flow.Flow
	result flow.Result
	tx     app.Tx
	proto  app.Proto
	dir    app.Direction
	state  *FlowState
	hosts  *Hosts
	vars   []Capture // captured of the packet by earlier rules
	now    int64
}

// kase is one use of a keyword: the options of a rule without sid, and what comes of them.
type kase struct {
	rule  string // options; header is added
	head  string // header when it is not "alert ip any any -> any any"
	scene *scene
	want  want
	err   string // for reject: the error behind "t.rules:1:", word for word
}

type want string

const (
	hit    want = "hit"
	miss   want = "miss"
	reject want = "reject"
)

// seen counts the cases of each keyword; TestMain refuses a run in which one has not been hit, missed and rejected.
var seen = struct {
	sync.Mutex
	m map[string]map[want]int
}{m: map[string]map[want]int{}}

func count(name string, w want) {
	seen.Lock()
	defer seen.Unlock()
	if seen.m[name] == nil {
		seen.m[name] = map[want]int{}
	}
	seen.m[name][w]++
}

// stateless are keywords that say something about the rule: they cannot hit or miss.
func countable(k *Keyword) []want {
	if k.Family == FamilyMeta {
		return []want{reject}
	}
	switch k.Name { // no argument is wrong, or no packet tells the difference
	case "frame":
		return []want{miss, reject}
	case "rawbytes", "prefilter", "replace", "bypass", "config", "nfq_set_mark", "tag", "threshold", "detection_filter", "fast_pattern":
		return []want{hit, reject}
	}
	return []want{hit, miss, reject}
}

func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 && testing.CoverMode() == "" && !strings.Contains(strings.Join(os.Args, " "), "-test.run=") {
		for _, k := range Table() {
			for _, w := range countable(k) {
				if seen.m[k.Name][w] == 0 {
					fmt.Printf("keyword %s: no %s case\n", k.Name, w)
					code = 1
				}
			}
		}
	}
	os.Exit(code)
}

func testEnv() *Env {
	files := &Files{Read: func(name string) ([]byte, error) {
		switch name {
		case "hashes":
			return []byte("900150983cd24fb0d6963f7d28e17f72\n# abc\n"), nil
		case "sha1":
			return []byte("a9993e364706816aba3e25717850c26c9cd0d89d\n"), nil
		case "sha256":
			return []byte("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n"), nil
		case "json":
			return []byte(`{"list": [{"host": {"name": "example.org"}, "year": 2005}, {"host": {"name": "example.org"}, "year": 2006}, {"year": 1}]}`), nil
		case "lines":
			return []byte("{\"host\": \"org\"}\n"), nil
		case "names":
			return []byte("ZXhhbXBsZS5vcmc=,70\n"), nil // example.org
		}
		return nil, fmt.Errorf("open %s: %w", name, os.ErrNotExist)
	}}
	files.Reputation, _ = ParseReputation([]byte("1,Bad,hosts\n"), []byte("10.0.0.1,1,100\n10.2.0.0/16,1,20\n"))
	return &Env{Variables: map[string]string{"HOME_NET": "10.0.0.0/8"}, Classes: map[string]Class{"test-class": {"A test", 2}}, Names: NewNames(), Files: files}
}

// compileIn compiles options behind "alert ip any any -> any any" in an environment that other rules share.
func compileIn(env *Env, options string) (*Signature, error) {
	r, err := syntax.ParseRule("alert ip any any -> any any ("+options+" sid:1;)", syntax.Pos{File: "t.rules", Line: 1, Col: 1})
	if err != nil {
		return nil, err
	}
	s, _, err := Compile(r, env)
	return s, err
}

// compile compiles options behind a header.
func compile(head, options string) (*Signature, error) {
	if head == "" {
		head = "alert ip any any -> any any"
	}
	if !strings.Contains(options, "sid:") {
		options += " sid:1;"
	}
	r, err := syntax.ParseRule(head+" ("+options+")", syntax.Pos{File: "t.rules", Line: 1, Col: 1})
	if err != nil {
		return nil, err
	}
	s, _, err := Compile(r, testEnv())
	return s, err
}

// matches does what the engine does with one candidate.
func (sc *scene) matches(s *Signature) bool {
	x := &Context{Hosts: sc.hosts, RecursionLimit: 3000, MatchLimit: 3500, Work: 1 << 30}
	if x.Hosts == nil {
		x.Hosts = NewHosts()
	}
	p := sc.pkt
	if sc.now != 0 {
		p.Time = sc.now
	}
	r := sc.result
	r.Dir = sc.dir
	x.Begin(&p, sc.flow, r)
	x.PacketVars = sc.vars
	if sc.flow != nil {
		x.NewAppEvents = sc.flow.AppEvents
		if x.State = sc.state; x.State == nil {
			x.State = &FlowState{}
		}
	}
	x.Tx = sc.tx
	if s.Dirs != 0 && !s.Dirs.Has(sc.dir) || !s.Header(x) || !s.Tests(x) {
		return false
	}
	if len(s.Payload) > 0 && !s.MatchPayload(x, p.Payload, 0, false) {
		return false
	}
	if len(s.AppEvents) > 0 && (sc.tx == nil || !s.EventMatch(x)) {
		return false
	}
	for _, g := range s.Groups {
		src := g.Source(sc.proto, sc.dir)
		if src == nil || sc.tx == nil || g.Match(x, src, sc.tx, true) != Matched {
			return false
		}
	}
	s.Apply(x)
	return true
}

func try(t *testing.T, keyword string, cases []kase) {
	t.Helper()
	if Lookup(keyword) == nil {
		t.Fatalf("%s is not in the table", keyword)
	}
	for _, c := range cases {
		count(Lookup(keyword).Name, c.want)
		s, err := compile(c.head, c.rule)
		if c.want == reject {
			if err == nil || strings.TrimPrefix(err.Error(), "t.rules:1:") != c.err {
				t.Errorf("%s\n got %v\nwant t.rules:1:%s", c.rule, err, c.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.rule, err)
			continue
		}
		sc := c.scene
		if sc == nil {
			sc = &scene{}
		}
		if got := sc.matches(s); got != (c.want == hit) {
			t.Errorf("%s: match %v, want %s", c.rule, got, c.want)
		}
	}
}

// TestArguments holds every keyword to its declared argument: none, or one that must be there.
func TestArguments(t *testing.T) {
	for _, k := range Table() {
		if k.Arg == "" {
			try(t, k.Name, []kase{{rule: k.Name + ":x;", want: reject, err: fmt.Sprintf("30: %s: takes no argument", k.Name)}})
		} else if !k.Optional {
			try(t, k.Name, []kase{{rule: k.Name + ";", want: reject, err: fmt.Sprintf("30: %s: needs an argument: %s", k.Name, k.Arg)}})
		}
	}
}

func TestUnknownKeyword(t *testing.T) {
	for rule, wanted := range map[string]string{
		"http.metod;":   "t.rules:1:30: http.metod: unknown keyword, did you mean http.method?",
		"contnt:\"a\";": "t.rules:1:30: contnt: unknown keyword, did you mean content?",
		"zzzzzzzz;":     "t.rules:1:30: zzzzzzzz: unknown keyword",
	} {
		if _, err := compile("", rule); err == nil || err.Error() != wanted {
			t.Errorf("%s: %v, want %s", rule, err, wanted)
		}
	}
}

func TestAllProblemsAreReported(t *testing.T) {
	_, err := compile("alert ipx any any -> 1.2.3.400 any", "ttl:300; nonsense;")
	wanted := `t.rules:1:7: protocol "ipx" is not known
t.rules:1:22: address 1.2.3.400: "1.2.3.400" is not an address, a prefix, a list or a $VARIABLE
t.rules:1:37: ttl: "300" is not in 0-255
t.rules:1:46: nonsense: unknown keyword`
	if err == nil || err.Error() != wanted {
		t.Errorf("got\n%v\nwant\n%s", err, wanted)
	}
}
