package export

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/weir-ips/weir/pkg/verdict"
)

// CrowdSecConfig is "crowdsec" in collector.yaml: where bouncers made for CrowdSec ask for decisions.
type CrowdSecConfig struct {
	Listen string    `yaml:"listen"` // host:port; empty: nowhere
	TLS    ServerTLS `yaml:"tls"`
	Keys   []Key     `yaml:"keys"`
}

// ServerTLS names PEM files; without them the listener is plain HTTP.
type ServerTLS struct {
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
}

// Key is a bouncer's.
type Key struct {
	Name   string `yaml:"name"`
	Secret Secret `yaml:"secret"`
}

// Check says what is wrong: the key and the reason.
func (c *CrowdSecConfig) Check() (key, reason string) {
	if c.Listen == "" {
		return "", ""
	}
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return "listen", fmt.Sprintf("%q is not host:port", c.Listen)
	}
	if (c.TLS.Certificate == "") != (c.TLS.Key == "") {
		return "tls", "certificate and key go together"
	}
	if a, err := netip.ParseAddr(host); c.TLS.Certificate == "" && host != "localhost" && (err != nil || !a.IsLoopback()) {
		return "tls", fmt.Sprintf("name certificate and key: keys would cross the network in the clear to %s", c.Listen)
	}
	if len(c.Keys) == 0 || len(c.Keys) > maxBouncers {
		return "keys", fmt.Sprintf("%d keys: not from 1 to %d", len(c.Keys), maxBouncers)
	}
	for i, k := range c.Keys {
		if k.Name == "" || !k.Secret.Set() {
			return fmt.Sprintf("keys[%d]", i), "give each bouncer a name, and its key by file or env"
		}
	}
	return "", ""
}

// maxBouncers bounds how many sets of decisions are remembered: one for each key.
const maxBouncers = 32

// Verdicts is what CrowdSec reads; the verdict log is one.
type Verdicts interface {
	List() []verdict.Verdict
	Covering(p netip.Prefix) []verdict.Verdict
}

// CrowdSec answers bouncers as CrowdSec's Local API does, for reading: GET /v1/decisions and /v1/decisions/stream. A verdict that
// drops everything from a source is a ban, one that limits it a throttle; others say more than bouncers understand and are left
// out.
type CrowdSec struct {
	verdicts Verdicts
	bouncers []*bouncer
	now      func() time.Time
}

// bouncer is one key, and what its holder has been told.
type bouncer struct {
	name string
	hash [32]byte // of the key

	mu    sync.Mutex
	known map[string]decision // by verdict id
}

// NewCrowdSec reads the keys.
func NewCrowdSec(c *CrowdSecConfig, v Verdicts) (*CrowdSec, error) {
	s := &CrowdSec{verdicts: v, now: time.Now}
	for i := range c.Keys {
		key, err := c.Keys[i].Secret.Value()
		if err != nil {
			return nil, fmt.Errorf("crowdsec: key %s: %w", c.Keys[i].Name, err)
		}
		s.bouncers = append(s.bouncers, &bouncer{name: c.Keys[i].Name, hash: sha256.Sum256([]byte(key))})
	}
	return s, nil
}

// Serve answers on l until ctx ends.
func (s *CrowdSec) Serve(ctx context.Context, l net.Listener, t ServerTLS) error {
	srv := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: 10 * time.Second, WriteTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	stop := context.AfterFunc(ctx, func() { srv.Close() })
	defer stop()
	var err error
	if t.Certificate != "" {
		err = srv.ServeTLS(l, t.Certificate, t.Key)
	} else {
		err = srv.Serve(l)
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("crowdsec: %w", err)
	}
	return nil
}

// Handler is the API. Metrics that bouncers report are taken and thrown away: some complain otherwise.
func (s *CrowdSec) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/decisions", s.admit(s.list))
	mux.HandleFunc("GET /v1/decisions/stream", s.admit(s.stream))
	mux.HandleFunc("POST /v1/usage-metrics", s.admit(func(w http.ResponseWriter, r *http.Request, _ *bouncer) {
		io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, 1<<20))
		answer(w, http.StatusCreated, nil)
	}))
	return mux
}

func (s *CrowdSec) admit(f func(http.ResponseWriter, *http.Request, *bouncer)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		hash := sha256.Sum256([]byte(r.Header.Get("X-Api-Key")))
		for _, b := range s.bouncers {
			if subtle.ConstantTimeCompare(b.hash[:], hash[:]) == 1 {
				f(w, r, b)
				return
			}
		}
		answer(w, http.StatusForbidden, map[string]string{"message": "access forbidden"})
	}
}

// decision is what a bouncer is told.
type decision struct {
	ID       uint64 `json:"id"`
	Origin   string `json:"origin"`
	Type     string `json:"type"`  // ban, throttle
	Scope    string `json:"scope"` // Ip, Range
	Value    string `json:"value"`
	Duration string `json:"duration"` // from now, in Go's notation
	Scenario string `json:"scenario"`

	until time.Time
}

// decisionOf is false for verdicts that no bouncer could carry out.
func decisionOf(v *verdict.Verdict) (decision, bool) {
	m := &v.Match
	if !v.Stops() || !m.Src.IsValid() || m.Flow != nil || m.Dst.IsValid() || m.Proto != 0 || m.Port != 0 {
		return decision{}, false
	}
	d := decision{ID: v.Seq, Origin: "weir", Type: "ban", Scope: "Range", Value: m.Src.String(), Scenario: v.Reason, until: v.ExpiresAt}
	if v.Action == verdict.RateLimit {
		d.Type = "throttle"
	}
	if m.Src.IsSingleIP() {
		d.Scope, d.Value = "Ip", m.Src.Addr().String()
	}
	if v.Rule != 0 {
		d.Scenario = fmt.Sprintf("weir/%d", v.Rule)
	}
	return d, true
}

// at fills in how long the decision has left.
func (d decision) at(now time.Time) decision {
	d.Duration = d.until.Sub(now).Round(time.Millisecond).String()
	return d
}

// query is what a bouncer restricts an answer to.
type query struct {
	address           netip.Addr
	prefix            netip.Prefix
	scopes, types     []string
	origins           []string
	containing, apart []string // of the scenario
	value             string
}

func parseQuery(r *http.Request) (q query, err error) {
	v := r.URL.Query()
	if text := v.Get("ip"); text != "" {
		if q.address, err = netip.ParseAddr(text); err != nil {
			return q, fmt.Errorf("ip: %w", err)
		}
	}
	if text := v.Get("range"); text != "" {
		if q.prefix, err = netip.ParsePrefix(text); err != nil {
			return q, fmt.Errorf("range: %w", err)
		}
		q.prefix = q.prefix.Masked()
	}
	list := func(names ...string) []string {
		for _, n := range names {
			if text := v.Get(n); text != "" {
				return strings.Split(strings.ToLower(text), ",")
			}
		}
		return nil
	}
	q.scopes, q.types, q.origins = list("scopes", "scope"), list("type"), list("origins")
	q.containing, q.apart = list("scenarios_containing"), list("scenarios_not_containing")
	q.value = v.Get("value")
	return q, nil
}

func (q *query) match(d *decision) bool {
	has := func(list []string, s string) bool { return list == nil || slices.Contains(list, strings.ToLower(s)) }
	part := func(word string) bool { return strings.Contains(strings.ToLower(d.Scenario), word) }
	return has(q.scopes, d.Scope) && has(q.types, d.Type) && has(q.origins, d.Origin) && (q.value == "" || q.value == d.Value) &&
		(q.containing == nil || slices.ContainsFunc(q.containing, part)) && !slices.ContainsFunc(q.apart, part)
}

// list is GET /v1/decisions: what is in force, about an address or a range if one is named. None is null, as bouncers expect.
func (s *CrowdSec) list(w http.ResponseWriter, r *http.Request, _ *bouncer) {
	q, err := parseQuery(r)
	if err != nil {
		answer(w, http.StatusBadRequest, map[string]string{"message": err.Error()})
		return
	}
	all := []verdict.Verdict(nil)
	switch {
	case q.address.IsValid():
		a := q.address.Unmap()
		all = s.verdicts.Covering(netip.PrefixFrom(a, a.BitLen()))
	case q.prefix.IsValid():
		all = s.verdicts.Covering(q.prefix)
	default:
		all = s.verdicts.List()
	}
	now := s.now()
	var out []decision
	for i := range all {
		if d, ok := decisionOf(&all[i]); ok && q.match(&d) && d.until.After(now) {
			out = append(out, d.at(now))
		}
	}
	answer(w, http.StatusOK, out)
}

// streamAnswer is GET /v1/decisions/stream's.
type streamAnswer struct {
	New     []decision `json:"new"`
	Deleted []decision `json:"deleted"`
}

// stream is what changed since the bouncer last asked, or everything when it starts or is not known yet.
func (s *CrowdSec) stream(w http.ResponseWriter, r *http.Request, b *bouncer) {
	q, err := parseQuery(r)
	if err != nil {
		answer(w, http.StatusBadRequest, map[string]string{"message": err.Error()})
		return
	}
	startup, _ := strconv.ParseBool(r.URL.Query().Get("startup"))
	answer(w, http.StatusOK, s.changes(b, &q, startup))
}

func (s *CrowdSec) changes(b *bouncer, q *query, startup bool) streamAnswer {
	b.mu.Lock()
	defer b.mu.Unlock()
	if startup {
		b.known = nil
	}
	now, a := s.now(), streamAnswer{}
	next, banned := map[string]decision{}, map[string]bool{}
	all := s.verdicts.List()
	for i := range all {
		d, ok := decisionOf(&all[i])
		if !ok || !q.match(&d) || !d.until.After(now) {
			continue
		}
		next[all[i].ID] = d
		banned[d.Value] = true
		if have, known := b.known[all[i].ID]; !known || have.ID != d.ID {
			a.New = append(a.New, d.at(now))
		}
	}
	for _, d := range b.known {
		if !banned[d.Value] { // while another decision is about the same source, it stays
			a.Deleted = append(a.Deleted, d.at(now))
		}
	}
	b.known = next
	return a
}

func answer(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(v) // a client that went away needs no answer
}
