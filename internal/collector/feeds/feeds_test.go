package feeds

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

func prefixes(list ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func TestFormats(t *testing.T) {
	for name, c := range map[string]struct {
		format  Format
		text    string
		want    []netip.Prefix
		ignored int
	}{
		"plain":          {Auto, "# list\n1.2.3.4\n\n5.6.7.0/24 # why\nnonsense\n", prefixes("1.2.3.4/32", "5.6.7.0/24"), 1},
		"host bits":      {Auto, "5.6.7.8/24\n", prefixes("5.6.7.0/24"), 0},
		"DROP text":      {Auto, "; Spamhaus DROP List\n1.10.16.0/20 ; SBL256894\n2a06:e480::/29 ; SBL1\n", prefixes("1.10.16.0/20", "2a06:e480::/29"), 0},
		"DROP JSON":      {Auto, `{"cidr":"1.10.16.0/20","sblid":"SBL256894","rir":"apnic"}` + "\n" + `{"type":"metadata","timestamp":1,"size":2}` + "\n", prefixes("1.10.16.0/20"), 1},
		"JSON array":     {Auto, `["1.2.3.4", {"ip":"5.6.7.8"}]`, prefixes("1.2.3.4/32", "5.6.7.8/32"), 0},
		"OTX CSV":        {Auto, "Indicator type,Indicator,Description\nIPv4,1.2.3.4,example\nCIDR,5.6.7.0/24,more\ndomain,example.com,no\n", prefixes("1.2.3.4/32", "5.6.7.0/24"), 2},
		"Proofpoint CSV": {Auto, "ip, category, score, first_seen, last_seen, ports (|)\n1.2.3.4, 1, 100, 2000-01-01, 2000-01-01, \n", prefixes("1.2.3.4/32"), 1},
		"AlienVault CSV": {CSV, "1.2.3.4#4#2#Malicious Host#KR##37.5,126.9#3\n5.6.7.8,x\n", prefixes("5.6.7.8/32"), 1},
		"mapped":         {Text, "::ffff:1.2.3.4\n", prefixes("1.2.3.4/32"), 0},
		"STIX": {Auto, `{"type":"bundle","objects":[{"type":"indicator","pattern":"[ipv4-addr:value = '1.2.3.4' OR ipv4-addr:value = '5.6.7.0/24']"},
			{"type":"indicator","pattern":"[ipv6-addr:value='2a06:e480::1']"},{"type":"indicator","revoked":true,"pattern":"[ipv4-addr:value = '9.9.9.9']"},
			{"type":"malware"}]}`, prefixes("1.2.3.4/32", "5.6.7.0/24", "2a06:e480::1/128"), 2},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := Parse(c.format, []byte(c.text))
			if err != nil || !slices.Equal(l.Prefixes, c.want) || l.Ignored != c.ignored {
				t.Errorf("%v and %d ignored, %v; want %v and %d", l.Prefixes, l.Ignored, err, c.want, c.ignored)
			}
		})
	}
	for _, page := range []string{"", "<html><body>503 Service Unavailable</body></html>", "{}", `{"type":"bundle","objects":[]}`, "[1,2]"} {
		if l, err := Parse(Auto, []byte(page)); err == nil {
			t.Errorf("%q passes for the list %v", page, l.Prefixes)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"1.2.3.4\n", `{"cidr":"1.2.3.0/24"}`, "a,1.2.3.4\n", `{"type":"bundle","objects":[{"type":"indicator","pattern":"[ipv4-addr:value = '1.2.3.4']"}]}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, format := range []Format{Auto, Text, CSV, JSON, STIX} {
			l, err := Parse(format, []byte(s))
			if err != nil {
				continue
			}
			clean, _ := Clean(l.Prefixes, nil)
			for i, p := range clean {
				if p != p.Masked() || !p.IsValid() || i > 0 && clean[i-1].Overlaps(p) {
					t.Fatalf("%v in %v", p, clean)
				}
			}
		}
	})
}

// Lists carry one's own network, by design or by mistake: it must not be blocked.
func TestEverythingInAFeed(t *testing.T) {
	list := prefixes("0.0.0.0/0", "::/0", "10.0.0.0/8", "10.0.0.6/32", "192.168.1.0/24", "127.0.0.1/32", "169.254.169.254/32", "fe80::1/128",
		"45.0.0.0/8", "45.1.2.0/24", "45.1.2.3/32", "45.1.2.0/24", "66.249.64.0/19", "2a06:e480::/24", "2a06:e480::/32")
	got, gone := Clean(list, prefixes("66.249.66.1/32"))
	if !slices.Equal(got, prefixes("45.1.2.0/24", "2a06:e480::/32")) {
		t.Errorf("kept %v", got)
	}
	if gone != (Stripped{Bogon: 5, Protected: 1, Wide: 5, Covered: 2}) {
		t.Errorf("threw out %+v", gone)
	}
}

// server serves a list that a test changes.
type server struct {
	*httptest.Server
	list   atomic.Pointer[string]
	status atomic.Int32
	full   atomic.Int32 // answers with a body
}

func serve(t *testing.T) *server {
	s := &server{}
	s.status.Store(http.StatusOK)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text := *s.list.Load()
		etag := fmt.Sprintf(`"%d"`, len(text))
		if s.status.Load() != http.StatusOK {
			w.WriteHeader(int(s.status.Load()))
			return
		}
		if r.Header.Get("If-None-Match") == etag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("ETag", etag)
		s.full.Add(1)
		fmt.Fprint(w, text)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) addresses(n int) {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "45.%d.%d.%d\n", i>>16&255, i>>8&255, i&255)
	}
	text := b.String()
	s.list.Store(&text)
}

func TestFeed(t *testing.T) {
	s := serve(t)
	s.addresses(1000)
	var applied []netip.Prefix
	var held int
	f := &Feed{
		Config: Config{Name: "test", URL: s.URL}, Dir: t.TempDir(), Protected: func() []netip.Prefix { return nil }, Log: slog.New(slog.DiscardHandler),
		Apply:  func(_ context.Context, _ *Config, list []netip.Prefix) error { applied = list; return nil },
		Report: func(_, what string, _ map[string]any) { held++ },
	}
	if key, reason := f.Check(); key != "" {
		t.Fatal(key, reason)
	}
	refresh := func(accept bool, want int, wantErr error) {
		t.Helper()
		err := f.Refresh(t.Context(), accept)
		if len(applied) != want || (err == nil) != (wantErr == nil) || wantErr != nil && !errors.Is(err, wantErr) && wantErr != errAny {
			t.Errorf("%d entries are in force, %v; want %d, %v", len(applied), err, want, wantErr)
		}
		state := map[error]string{nil: StateOK, ErrHeld: StateHeld, errAny: StateFailed}[wantErr]
		if s := f.Status(); s.State != state || s.Entries != want || (s.Error == "") != (err == nil) || s.Tried.IsZero() || s.Renewed.IsZero() {
			t.Errorf("status %+v, want %s with %d entries", s, state, want)
		}
	}
	if s := f.Status(); s.State != StateWaiting {
		t.Errorf("before the first attempt: %+v", s)
	}
	refresh(false, 1000, nil)
	refresh(false, 1000, nil)
	if n := s.full.Load(); n != 1 {
		t.Errorf("an unchanged list was sent %d times", n)
	}
	s.addresses(1100)
	refresh(false, 1100, nil)

	s.addresses(3000) // suspicious: held, again and again, until somebody says yes
	refresh(false, 1100, ErrHeld)
	refresh(false, 1100, ErrHeld)
	if held != 2 {
		t.Errorf("reported %d times", held)
	}
	refresh(true, 3000, nil)

	s.status.Store(http.StatusServiceUnavailable)
	refresh(false, 3000, errAny)
	s.status.Store(http.StatusOK)
	page := "<html>maintenance</html>"
	s.list.Store(&page)
	refresh(false, 3000, errAny)

	s.addresses(100_001) // more than entries, whoever says yes
	refresh(true, 3000, errAny)

	again := &Feed{Config: f.Config, Dir: f.Dir, Protected: f.Protected, Apply: f.Apply, Report: f.Report, Log: f.Log}
	s.addresses(10)
	if err := again.Refresh(t.Context(), false); !errors.Is(err, ErrHeld) {
		t.Errorf("after a restart the last good copy is forgotten: %v", err)
	}
}

var errAny = errors.New("any")

func TestListsDoNotComeFromTheHostsOwnServices(t *testing.T) {
	inside := serve(t)
	inside.addresses(1)
	redirect := httptest.NewServer(http.RedirectHandler("http://169.254.169.254/latest/meta-data/", http.StatusFound))
	t.Cleanup(redirect.Close)
	for url, fine := range map[string]bool{inside.URL: true, "http://169.254.169.254/": false, "http://[fe80::1]/": false, "http://[fd00:ec2::254]/": false, redirect.URL: false} {
		resp, err := outward().Get(url)
		if err == nil {
			resp.Body.Close()
		}
		if (err == nil) != fine || !fine && !strings.Contains(err.Error(), "link-local") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
