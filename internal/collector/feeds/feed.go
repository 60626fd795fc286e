package feeds

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/weir-ips/weir/internal/servicefile"
	"github.com/weir-ips/weir/pkg/verdict"
	"github.com/weir-ips/weir/pkg/wire"
)

// Config is one element of the list "feeds" in collector.yaml.
type Config struct {
	Name    string        `yaml:"name"`
	URL     string        `yaml:"url"` // https://, http:// or the path of a file
	Format  Format        `yaml:"format"`
	Every   time.Duration `yaml:"every"`
	Action  string        `yaml:"action"`  // observe, the default, or drop
	Scope   string        `yaml:"scope"`   // all, a sensor, or a group
	Entries int           `yaml:"entries"` // a longer list is refused
	Change  float64       `yaml:"change"`  // share of the list that may change at once, 0-1
	List    string        `yaml:"-"`       // the list itself, in the place of URL
}

// Defaults and bounds.
const (
	defaultEvery   = time.Hour
	defaultEntries = 100_000
	defaultChange  = 0.2
	maxBytes       = 64 << 20
	fetchTimeout   = time.Minute
)

// Check fills in defaults and says what is wrong: the key and the reason.
func (c *Config) Check() (key, reason string) {
	if c.Every == 0 {
		c.Every = defaultEvery
	}
	if c.Entries == 0 {
		c.Entries = defaultEntries
	}
	if c.Change == 0 {
		c.Change = defaultChange
	}
	if c.Action == "" {
		c.Action = "observe"
	}
	if c.Scope == "" {
		c.Scope = wire.ScopeAll
	}
	switch {
	case wire.CheckName(c.Name) != nil:
		return "name", wire.CheckName(c.Name).Error()
	case c.URL == "" && c.List == "":
		return "url", "name where the list is: https://… or a file"
	case !c.Format.Known():
		return "format", fmt.Sprintf("%q is not one of text, csv, json, stix", c.Format)
	case c.Every < time.Minute || c.Every > 48*time.Hour:
		return "every", fmt.Sprintf("%s is not from 1m to 48h", c.Every)
	case c.Action != "observe" && c.Action != "drop":
		return "action", fmt.Sprintf("%q is not one of observe, drop", c.Action)
	case wire.CheckName(c.Scope) != nil:
		return "scope", wire.CheckName(c.Scope).Error()
	case c.Entries < 1 || c.Entries > 1_000_000:
		return "entries", fmt.Sprintf("%d is not from 1 to 1000000", c.Entries)
	case c.Change < 0 || c.Change > 1:
		return "change", fmt.Sprintf("%g is not from 0 to 1", c.Change)
	}
	return "", ""
}

// Life is how long entries count after the last good fetch.
func (c *Config) Life() time.Duration { return 3 * c.Every }

// Verdict is what an entry becomes.
func (c *Config) Verdict(p netip.Prefix, now time.Time) verdict.Verdict {
	v := verdict.Verdict{
		ID: "feed-" + c.Name + "-" + p.String(), Match: verdict.Match{Src: p}, Scope: c.Scope, Origin: verdict.OriginFeed,
		Reason: "listed by " + c.Name, CreatedBy: "feed:" + c.Name, CreatedAt: now, ExpiresAt: now.Add(c.Life()),
	}
	if c.Action == "drop" {
		v.Action = verdict.Drop
	}
	return v
}

// ErrHeld says that a list waits for a person's word.
var ErrHeld = errors.New("held")

// Feed is one list, kept up to date. Run it, or drive it by Refresh.
type Feed struct {
	Config
	Dir       string                                               // where the last good copy is kept
	Protected func() []netip.Prefix                                // never blocked
	Apply     func(context.Context, *Config, []netip.Prefix) error // makes the list the feed's whole set of verdicts
	Report    func(name, what string, detail map[string]any)       // to the audit log
	Log       *slog.Logger

	mu     sync.Mutex
	etag   string
	client *http.Client
	left   int // out of the list in force

	state struct {
		sync.Mutex
		Status
	}
}

// Status is how a feed fares.
type Status struct {
	State   string // StateWaiting, StateOK, StateHeld, StateFailed
	Error   string
	Entries int       // in force
	LeftOut int       // of the list: private, reserved and protected addresses, and what others cover
	Tried   time.Time // last attempt
	Renewed time.Time // last good one
}

// States of a feed.
const (
	StateWaiting = "waiting" // not fetched yet
	StateOK      = "ok"
	StateHeld    = "held" // has changed too much: a person must accept it
	StateFailed  = "failed"
)

// Status is a snapshot.
func (f *Feed) Status() Status {
	f.state.Lock()
	defer f.state.Unlock()
	s := f.state.Status
	if s.State == "" {
		s.State = StateWaiting
	}
	return s
}

// note remembers how an attempt ended; entries is -1 if it changed nothing.
func (f *Feed) note(entries int, err error) {
	f.state.Lock()
	defer f.state.Unlock()
	s := &f.state.Status
	s.Tried, s.State, s.Error = time.Now().UTC(), StateOK, ""
	if entries >= 0 {
		s.Entries, s.LeftOut = entries, f.left
	}
	switch {
	case err == nil:
		s.Renewed = s.Tried
	case errors.Is(err, ErrHeld):
		s.State, s.Error = StateHeld, err.Error()
	default:
		s.State, s.Error = StateFailed, err.Error()
	}
}

// Run refreshes until ctx ends. A list that cannot be had leaves the last in force until it expires.
func (f *Feed) Run(ctx context.Context) {
	tick := time.NewTicker(f.Every)
	defer tick.Stop()
	for {
		if err := f.Refresh(ctx, false); err != nil && ctx.Err() == nil {
			f.Log.Warn("feed not renewed; what it said last counts until it expires", "feed", f.Name, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (f *Feed) path(kind string) string { return filepath.Join(f.Dir, f.Name+kind) }

// Refresh fetches, reads, cleans and applies the list. accept lets one pass that has changed suspiciously much.
func (f *Feed) Refresh(ctx context.Context, accept bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	entries, err := f.refresh(ctx, accept)
	f.note(entries, err)
	return err
}

// Withdraw takes all of the list out of force, until the next Refresh.
func (f *Feed) Withdraw(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.Apply(ctx, &f.Config, nil)
	if err == nil {
		f.etag = ""
		f.state.Lock()
		f.state.Status = Status{Tried: f.state.Tried, Renewed: f.state.Renewed}
		f.state.Unlock()
	}
	return err
}

// Forget removes the copy of the list applied last.
func (f *Feed) Forget() error {
	if err := os.Remove(f.path(".list")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("feed %s: %w", f.Name, err)
	}
	return nil
}

// refresh returns how many entries are in force, -1 if the attempt changed nothing.
func (f *Feed) refresh(ctx context.Context, accept bool) (entries int, err error) {
	last, err := f.lastGood()
	if err != nil {
		return -1, err
	}
	data, etag, err := f.fetch(ctx)
	if errors.Is(err, errUnchanged) {
		still, _ := Clean(last, f.Protected())
		return len(still), f.Apply(ctx, &f.Config, still) // longer life
	}
	if err != nil {
		return -1, err
	}
	list, err := Parse(f.Format, data)
	if err != nil {
		return -1, fmt.Errorf("%s: %w", f.URL, err)
	}
	if len(list.Prefixes) > f.Entries {
		return -1, fmt.Errorf("%s: %d entries, at most %d are taken (entries)", f.URL, len(list.Prefixes), f.Entries)
	}
	next, gone := Clean(list.Prefixes, f.Protected())
	if err := Suspicious(last, next, f.Change); err != nil && !accept {
		f.Report(f.Name, "feed.held", map[string]any{"why": err.Error()})
		return -1, fmt.Errorf("%w: %w", ErrHeld, err)
	}
	if err := f.Apply(ctx, &f.Config, next); err != nil {
		return -1, err
	}
	f.Log.Info("feed", "feed", f.Name, "entries", len(next), "ignored", list.Ignored, "bogons", gone.Bogon, "protected", gone.Protected,
		"too_wide", gone.Wide, "covered", gone.Covered)
	f.left = len(list.Prefixes) - len(next)
	f.etag = etag // of what is in force: a list that was refused is fetched again
	return len(next), f.keep(next)
}

// lastGood reads the copy of the list applied last.
func (f *Feed) lastGood() ([]netip.Prefix, error) {
	data, err := os.ReadFile(f.path(".list"))
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(data) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("last good copy: %w", err)
	}
	l, err := Parse(Text, data)
	if err != nil {
		return nil, fmt.Errorf("last good copy %s: %w", f.path(".list"), err)
	}
	return l.Prefixes, nil
}

func (f *Feed) keep(list []netip.Prefix) error {
	var b strings.Builder
	for _, p := range list {
		b.WriteString(p.String() + "\n")
	}
	if err := servicefile.Write(f.path(".list"), []byte(b.String())); err != nil {
		return fmt.Errorf("keep a copy: %w", err)
	}
	return nil
}

var errUnchanged = errors.New("unchanged since the last time")

func (f *Feed) fetch(ctx context.Context) (data []byte, etag string, err error) {
	if f.List != "" {
		return []byte(f.List), "", nil
	}
	if !strings.Contains(f.URL, "://") {
		file, err := os.Open(f.URL)
		if err != nil {
			return nil, "", err
		}
		defer file.Close()
		data, err = read(file)
		return data, "", err
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.URL, nil)
	if err != nil {
		return nil, "", err
	}
	if f.etag != "" {
		req.Header.Set("If-None-Match", f.etag)
	}
	if f.client == nil {
		f.client = outward()
	}
	resp, err := f.client.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusNotModified:
		return nil, "", errUnchanged
	case http.StatusOK:
		data, err = read(resp.Body)
		return data, resp.Header.Get("ETag"), err
	}
	return nil, "", fmt.Errorf("%s: %s", f.URL, resp.Status)
}

func read(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxBytes+1))
	if err == nil && len(data) > maxBytes {
		err = fmt.Errorf("longer than %d bytes", maxBytes)
	}
	return data, err
}
