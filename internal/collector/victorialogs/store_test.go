package victorialogs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-ips/weir/internal/collector/store"
	"github.com/weir-ips/weir/internal/collector/store/storetest"
	"github.com/weir-ips/weir/pkg/wire"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// sample makes the i-th of a varied, repeatable series of events, going back in time.
func sample(i int) wire.Event {
	r := rand.New(rand.NewPCG(uint64(i), 7))
	sid := 2100000 + r.IntN(6)
	src := fmt.Sprintf("10.%d.%d.%d", r.IntN(3), r.IntN(4), r.IntN(4))
	if i%5 == 0 {
		src = fmt.Sprintf("2001:db8:%x::%x", r.IntN(3), r.IntN(5))
	}
	texts := []string{"ET SCAN nmap User-Agent", "ET MALWARE Cobalt-Strike beacon", "GPL id check returned root_shell", "ET SCÄN Ünïcode", `SURICATA "STREAM" gap\`, "1.2.3 odd"}
	at := noon.Add(-time.Duration(i/2) * 13 * time.Minute).Add(123456789) // two share a moment
	e := wire.Event{ID: fmt.Sprintf("s%d:boot:%d", i%3, i), Sensor: fmt.Sprintf("edge-%d", i%3), Time: at}
	e.EVE = fmt.Appendf(nil, `{"timestamp":%q,"flow_id":%d,"src_ip":%q,"src_port":%d,"dest_ip":"192.168.0.%d","dest_port":443,"proto":%q,"app_proto":%q,"alert":{"action":%q,"gid":1,"signature_id":%d,"rev":2,"signature":%q,"category":%q,"severity":%d},"n":%d}`,
		at.Format("2006-01-02T15:04:05.000000-0700"), r.Uint64(), src, r.IntN(65536), r.IntN(5), []string{"TCP", "UDP"}[r.IntN(2)], []string{"http", "tls", ""}[r.IntN(3)],
		[]string{"allowed", "blocked"}[r.IntN(2)], sid, texts[sid-2100000], []string{"Misc activity", "Web Application Attack"}[sid%2], sid%3+1, i)
	return e
}

func samples(n int) []wire.Event {
	all := make([]wire.Event, n)
	for i := range all {
		all[i] = sample(i)
	}
	return all
}

func mustInsert(t *testing.T, s interface {
	Insert(ctx context.Context, events []wire.Event) ([]wire.Event, error)
}, events []wire.Event) int {
	t.Helper()
	fresh, err := s.Insert(t.Context(), events)
	if err != nil {
		t.Fatal(err)
	}
	return len(fresh)
}

// settled waits until the server finds what it was sent.
func settled(t *testing.T, s *Store) {
	t.Helper()
	if err := s.settle(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func prefix(text string) netip.Prefix { return netip.MustParsePrefix(text) }

var filters = []store.Filter{
	{},
	{SID: 2100001}, {SID: 9}, {Severity: 2}, {SID: 2100002, Severity: 1},
	{Src: prefix("10.1.0.0/16")}, {Src: prefix("10.0.1.2/32")}, {Src: prefix("2001:db8:1::/48")}, {Src: prefix("0.0.0.0/0")}, {Src: prefix("::/0")},
	{Dst: prefix("192.168.0.3/32")}, {Dst: prefix("192.168.0.0/30"), Action: "blocked"},
	{Sensor: "edge-1"}, {Sensor: "none"}, {Action: "blocked", App: "tls"},
	{Query: "scan"}, {Query: "SCA"}, {Query: "nmap user-agent"}, {Query: "scän"}, {Query: "scan 10.1"}, {Query: "tls"}, {Query: "shell"},
	{Query: "edge-2 beacon"}, {Query: "10.1.2.3"}, {Query: "10.1.0.0/16 blocked"}, {Query: "2001:db8:2::/48"}, {Query: `" OR (`}, {Query: `*) or weir:="alert`},
	{Query: "zzz"}, {Query: "strike-be"}, {Query: "strike-beac root"}, {Query: "1.2.3"}, {Query: "UDP misc"},
	{Since: noon.Add(-20 * time.Hour), Until: noon.Add(-2 * time.Hour)}, {Since: noon.Add(-30 * time.Hour), Query: "root", Severity: 1},
	{Until: noon.Add(-13 * time.Hour), Src: prefix("10.0.0.0/8"), SID: 2100004}, {Hide: true}, {Hide: true, Query: "beacon"},
}

var queries = []string{
	"sid:2100001", "-sid:2100001", "sid:2100000-2100002,2100005", "severity<=2", "severity>2", "-severity:1", "gid:2", "-gid:2",
	"src:10.0.0.0/8", "-src:10.0.0.0/8", "src:10.1.0.0/16,2001:db8::/32", "-src:10.1.0.0/16,10.2.0.0/16", "dst:192.168.0.3", "-dst:192.168.0.3",
	"ip:192.168.0.2", "-ip:192.168.0.2,10.1.1.1", "app:HTTP", "-app:http", "app:none", "-app:none", "app:http,tls", "proto:tcp", "-proto:tcp",
	"sensor:edge-1", "-sensor:edge-1 severity:1", "action:blocked", "port:443", "port>443", "sport:0-32767", "-sport<1000",
	"beacon", "-beacon", `"strike beacon"`, `"beacon strike"`, "-nothere", "nothere", "10.1", "-10.1", "edge-2", "-edge-2", "-edge-2 -nmap -10.2 sid<2100004",
	"is:open", "is:archived", "-is:open", "is:archived,escalated", "-is:archived", "assigned:ANA", "-assigned:ana",
}

// TestTheServerAnswersAsFilesDo puts the same alerts into files and onto the server, decides the same about them, and asks both.
func TestTheServerAnswersAsFilesDo(t *testing.T) {
	files, err := store.Open(store.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	server := open(t, storetest.StartVictoriaLogs(t), deskFile(t))
	all := samples(400)
	for part := range slices.Chunk(all, 90) {
		if n, m := mustInsert(t, files, part), mustInsert(t, server, part); n != len(part) || m != len(part) {
			t.Fatalf("%d and %d of %d are new", n, m, len(part))
		}
	}
	settled(t, server)
	ana := "ana"
	for text, triage := range map[string]store.Triage{
		"sid:2100001 sensor:edge-1": {State: "archived", Assignee: &ana, Comment: "known", Actor: "bo"},
		"src:2001:db8::/32":         {State: "escalated", Actor: "bo"},
	} {
		f := store.Filter{Terms: parse(t, text)}
		n, err := files.Triage(t.Context(), f, triage)
		m, err2 := server.Triage(t.Context(), f, triage)
		if err := errors.Join(err, err2); err != nil || n != m || n == 0 {
			t.Fatalf("%s: decided about %d and %d: %v", text, n, m, err)
		}
	}
	for _, s := range []interface {
		Suppress(store.Suppression) (store.Suppression, error)
	}{files, server} {
		if _, err := s.Suppress(store.Suppression{Query: "sid:2100003 app:tls", ExpiresAt: time.Now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
	}
	asked := slices.Clone(filters)
	for _, text := range queries {
		asked = append(asked, store.Filter{Terms: parse(t, text)})
	}
	found := 0
	for i, f := range asked {
		found += same(t, files, server, f, i)
	}
	if found < 5000 {
		t.Errorf("%d alerts found in all: too few to tell", found)
	}
	for i := range 20 {
		a, err := files.Get(t.Context(), all[i].ID)
		b, err2 := server.Get(t.Context(), all[i].ID)
		for j := range a.Comments {
			a.Comments[j].Time = b.Comments[j].Time
		}
		if a.Seq = b.Seq; err != nil || err2 != nil || fmt.Sprint(a) != fmt.Sprint(b) {
			t.Errorf("%v %v\nfile   %v\nserver %v", err, err2, a, b)
		}
	}
	if _, err := server.Get(t.Context(), "none"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("unknown id: %v, want ErrNotFound", err)
	}
	if _, err := server.Search(t.Context(), store.Filter{}, "x", 1); !errors.Is(err, store.ErrCursor) {
		t.Errorf("bad cursor: %v", err)
	}
}

func parse(t *testing.T, text string) []store.Term {
	t.Helper()
	terms, err := store.ParseQuery(text)
	if err != nil {
		t.Fatal(err)
	}
	return terms
}

// same asks both for lists, counts and groups; turn chooses by what.
func same(t *testing.T, files *store.Store, server *Store, f store.Filter, turn int) (found int) {
	t.Helper()
	listed := func(s interface {
		Search(ctx context.Context, f store.Filter, cursor string, limit int) (store.Page, error)
	}, limit int) (all []store.Alert) {
		for cursor := ""; ; {
			page, err := s.Search(t.Context(), f, cursor, limit)
			if err != nil {
				t.Fatalf("%+v: %v", f, err)
			}
			all = append(all, page.Alerts...)
			if cursor = page.Next; cursor == "" {
				break
			}
		}
		for i := range all {
			all[i].Seq = 0
		}
		slices.SortStableFunc(all, func(a, b store.Alert) int { return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(b.ID, a.ID)) })
		return all
	}
	want, got := listed(files, 1000), listed(server, 137)
	if fmt.Sprint(want) != fmt.Sprint(got) {
		t.Errorf("%+v: files find %d, the server %d", f, len(want), len(got))
	}
	f.Since, f.Until = tens(f.Since, noon.Add(-100*time.Hour)), tens(f.Until, noon.Add(time.Hour))
	line, err := files.Timeline(t.Context(), f, 10*time.Minute)
	line2, err2 := server.Timeline(t.Context(), f, 10*time.Minute)
	if err != nil || err2 != nil || fmt.Sprint(line) != fmt.Sprint(line2) {
		t.Errorf("timeline of %+v: %v %v\n%v\n%v", f, err, err2, line, line2)
	}
	{
		by := slices.Sorted(maps.Keys(dimensions))[turn%len(dimensions)]
		a, err := files.Top(t.Context(), f, by, 1000)
		b, err2 := server.Top(t.Context(), f, by, 1000)
		if err != nil || err2 != nil || fmt.Sprint(a) != fmt.Sprint(b) {
			t.Errorf("%s of %+v: %v %v\n%v\n%v", by, f, err, err2, a, b)
		}
	}
	{
		by := []store.Dimension{store.BySignature, store.BySource, store.ByTarget}[turn%3]
		a, err := files.GroupBy(t.Context(), f, by, 1000)
		b, err2 := server.GroupBy(t.Context(), f, by, 1000)
		if err != nil || err2 != nil || totals(a) != totals(b) {
			t.Errorf("by %s of %+v: %v %v\n%v\n%v", by, f, err, err2, totals(a), totals(b))
		}
	}
	return len(want)
}

// totals leaves out what files know of each day alone.
func totals(all []store.Summary) string {
	for i := range all {
		all[i].Others = 0
	}
	slices.SortFunc(all, func(a, b store.Summary) int { return cmp.Compare(a.Key, b.Key) })
	return fmt.Sprint(all)
}

// tens is a whole ten minutes, or otherwise: files round outwards to that.
func tens(t, otherwise time.Time) time.Time {
	if t.IsZero() {
		return otherwise
	}
	return t.Truncate(10 * time.Minute)
}

// TestAnAlertIsInsertedOnce delivers alerts again: in a batch, soon after, by another collector at once, and after a failed request of which
// the server took a part.
func TestAnAlertIsInsertedOnce(t *testing.T) {
	url := storetest.StartVictoriaLogs(t)
	first, second := open(t, url, deskFile(t)), open(t, url, deskFile(t))
	all := samples(60)
	if n := mustInsert(t, first, append(slices.Clone(all[:20]), all[:5]...)); n != 20 {
		t.Errorf("%d of 20 are new", n)
	}
	if n := mustInsert(t, first, all[:20]); n != 0 {
		t.Errorf("%d are new that were delivered again", n)
	}
	if n := mustInsert(t, second, all[10:30]); n != 10 {
		t.Errorf("%d of 10 are new at the collector that takes over", n)
	}
	broken := *http.DefaultClient
	broken.Transport = &losing{every: 2}
	third, err := Open(Options{URL: url, Client: &broken, Desk: first.opt.Desk})
	if err != nil {
		t.Fatal(err)
	}
	failed := 0
	for range 20 {
		if _, err := third.Insert(t.Context(), all); err != nil {
			failed++
			continue
		}
		break
	}
	if failed == 0 {
		t.Error("no answer was lost")
	}
	settled(t, first)
	top, err := first.Top(t.Context(), store.Filter{}, store.BySensor, 10)
	var n uint64
	for _, c := range top {
		n += c.Count
	}
	if err != nil || n != 60 {
		t.Errorf("the server has %d alerts of 60: %v", n, err)
	}
}

// losing loses the answer to every so many insertions.
type losing struct{ n, every int }

func (l *losing) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && r.URL.Path == "/insert/jsonline" {
		if l.n++; l.n%l.every == 1 {
			resp.Body.Close()
			return nil, errors.New("the answer was lost")
		}
	}
	return resp, err
}

// TestStreamsHaveWhatOthersInsert follows what arrives, here and at another collector.
func TestStreamsHaveWhatOthersInsert(t *testing.T) {
	url := storetest.StartVictoriaLogs(t)
	one, other := open(t, url, deskFile(t)), open(t, url, deskFile(t))
	at, err := other.After(t.Context(), store.Filter{}, 1<<62, 0)
	if err != nil {
		t.Fatal(err)
	}
	mustInsert(t, one, samples(30))
	f := store.Filter{Sensor: "edge-1"}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		got, err := other.After(t.Context(), f, at.Last, 5)
		if err != nil {
			t.Fatal(err)
		}
		if got.Matched == 10 && len(got.Alerts) == 5 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the other collector's stream has %d of 10", got.Matched)
		}
	}
}

// TestHostileAlertsAreBounded sends what must not get through as it is, nor take anything else with it.
func TestHostileAlertsAreBounded(t *testing.T) {
	s := open(t, storetest.StartVictoriaLogs(t), deskFile(t))
	events := samples(3)
	var err error
	events[0].EVE, err = json.Marshal(map[string]any{
		"timestamp": "2026-11-24T12:00:00.000000+0000", "src_ip": "10.0.0.1", "dest_ip": "10.0.0.2", "pad": strings.Repeat(`"`, 120<<10),
		"alert": map[string]string{"signature": "\x00\xff\n\"}{" + strings.Repeat("x", 5000)},
	})
	if err != nil {
		t.Fatal(err)
	}
	events[1].ID = ""
	if n := mustInsert(t, s, events); n != 2 {
		t.Errorf("%d of 2 are new", n)
	}
	settled(t, s)
	page, err := s.Search(t.Context(), store.Filter{}, "", 10)
	if err != nil || len(page.Alerts) != 2 {
		t.Fatalf("%d alerts, %v", len(page.Alerts), err)
	}
	a, err := s.Get(t.Context(), events[0].ID)
	if err != nil || len(a.Signature) > 600 || a.EVE != nil {
		t.Errorf("%v: a signature of %d bytes, a record of %d", err, len(a.Signature), len(a.EVE))
	}
	if st := s.Stats(); st.Refused != 1 || st.Truncated == 0 || st.Stored != 2 {
		t.Errorf("%+v", st)
	}
}

// TestAFaultIsSaid asks a server that wants a password.
func TestAFaultIsSaid(t *testing.T) {
	url := storetest.StartVictoriaLogs(t, "-httpAuth.username=weir", "-httpAuth.password=secret")
	s := open(t, url, deskFile(t))
	if _, err := s.Insert(t.Context(), samples(1)); err == nil {
		t.Error("inserted without the password")
	}
	s.opt.Authorization = func() (string, error) { return "Basic d2VpcjpzZWNyZXQ=", nil }
	if n := mustInsert(t, s, samples(1)); n != 1 {
		t.Errorf("%d inserted", n)
	}
}
