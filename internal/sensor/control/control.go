// Package control is the running sensor's local interface: HTTP and JSON over a unix socket, for `sensor status` and
// `sensor verdicts`. Whoever may open the socket may steer the sensor, so it is made with mode 0600.
package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/weir-ips/weir/pkg/verdict"
)

// Status is what `sensor status` shows.
type Status struct {
	ID         string        `json:"id"`
	Version    string        `json:"version"`
	Mode       string        `json:"mode"`
	Policy     string        `json:"policy"`
	Workers    int           `json:"workers"`
	Interfaces []string      `json:"interfaces"`
	Attached   string        `json:"attached"` // native, generic, and with whom
	Adopted    bool          `json:"adopted"`  // maps of an earlier process were taken over
	Uptime     time.Duration `json:"uptime_ns"`
	Started    time.Time     `json:"started"`
	Missing    []string      `json:"features_missing,omitempty"` // of the XDP program, each with the reason
	// Why the program that was installed last did not start, and this one goes on.
	UpgradeRefused string `json:"upgrade_refused,omitempty"`

	Healthy    bool              `json:"healthy"`
	Reasons    []string          `json:"reasons,omitempty"` // why it is not healthy
	Rules      Rules             `json:"rules"`
	Traffic    Traffic           `json:"traffic"`
	Drops      map[string]uint64 `json:"drops"`
	Verdicts   int               `json:"verdicts"`
	Floods     []string          `json:"floods,omitempty"`  // attacks that are on, in words
	Attacks    []Attack          `json:"attacks,omitempty"` // the same in figures, oldest first
	Collector  Collector         `json:"collector"`
	KillSwitch bool              `json:"kill_switch"`
}

// Rules says which ruleset is loaded.
type Rules struct {
	ID       string `json:"id"` // hash of the texts
	Loaded   int    `json:"loaded"`
	Disabled int    `json:"disabled"`
	Failed   int    `json:"failed"`
}

// Traffic are counters since the start, of packets unless named otherwise.
type Traffic struct {
	Kernel    uint64 `json:"kernel"`          // seen by XDP
	Hairpin   uint64 `json:"hairpin"`         // sent back in XDP
	Inspected uint64 `json:"inspected"`       // decoded in user space
	Bytes     uint64 `json:"inspected_bytes"` // bytes of those
	Jumbo     uint64 `json:"jumbo"`           // inline: of those that were inspected, frames that need several buffers
	Forwarded uint64 `json:"forwarded"`
	Dropped   uint64 `json:"dropped"`   // by XDP and by inspection
	Lost      uint64 `json:"lost"`      // copies that user space was too slow for
	Abandoned uint64 `json:"abandoned"` // lost in the sockets of the process before, which was killed
	// Moved on without inspection, by policy: nobody there, behind, or a fault of inspection.
	Uninspected uint64 `json:"uninspected"`
	HandedOver  uint64 `json:"handed_over"` // inspected by another worker than the one that reads their queue
	Flows       uint64 `json:"flows"`
	Alerts      uint64 `json:"alerts"`
}

// Collector says how far the sensor is in step with its collector.
type Collector struct {
	URL       string `json:"url,omitempty"`
	Connected bool   `json:"connected"`
	Epoch     uint64 `json:"epoch"`
	Seq       uint64 `json:"seq"`
	Spooled   uint64 `json:"spooled"` // events waiting for delivery
	Shed      uint64 `json:"shed"`    // events given up because the spool was full
}

// Entry is a verdict with what it has done.
type Entry struct {
	verdict.Verdict
	Packets   uint64    `json:"packets"`
	Bytes     uint64    `json:"bytes"`
	State     string    `json:"state"`               // enforced, observed, suspended
	AppliedAt time.Time `json:"applied_at,omitzero"` // when the map was written; zero for those adopted
}

// Service is what the socket steers.
type Service interface {
	Status() Status
	Verdicts() []Entry
	AddVerdict(v verdict.Verdict) (verdict.Verdict, error)
	RemoveVerdict(id string) error
	KillSwitch(on bool) error
	Reload() error
	// Upgrade has the installed program take over, whose version it returns, or says why that does not fit.
	Upgrade() (version string, err error)
	Attacks() []Attack
	// Baselines returns what the sensor has learned to be usual, and SetBaselines replaces that of the networks named, as JSON:
	// threshold.Saved.
	Baselines() (json.RawMessage, error)
	SetBaselines(json.RawMessage) error
}

// ErrUnknown says that no verdict has the id.
var ErrUnknown = errors.New("no verdict has this id")

// Listen makes the socket at path. A socket that nobody answers on is replaced; one that answers is an error.
func Listen(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
		c.Close()
		return nil, fmt.Errorf("control socket %s: another sensor is running there; set another path with the key control", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return l, nil
}

// Serve answers on l until ctx ends, and what has been asked by then.
func Serve(ctx context.Context, l net.Listener, s Service) error {
	srv := &http.Server{Handler: handler(s), ReadHeaderTimeout: 5 * time.Second}
	answered := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(answered)
		soon, cancel := context.WithTimeout(context.Background(), lastAnswers)
		defer cancel()
		if srv.Shutdown(soon) != nil {
			srv.Close()
		}
	})
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		stop()
		return fmt.Errorf("control socket: %w", err)
	}
	<-answered
	return nil
}

// lastAnswers is how long requests may take that are being answered when the sensor ends.
const lastAnswers = time.Second

func handler(s Service) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) { reply(w, s.Status(), nil) })
	mux.HandleFunc("GET /verdicts", func(w http.ResponseWriter, _ *http.Request) { reply(w, s.Verdicts(), nil) })
	mux.HandleFunc("POST /verdicts", func(w http.ResponseWriter, r *http.Request) {
		var v verdict.Verdict
		if err := decode(w, r, &v); err != nil {
			reply(w, nil, err)
			return
		}
		added, err := s.AddVerdict(v)
		reply(w, added, err)
	})
	mux.HandleFunc("DELETE /verdicts/{id}", func(w http.ResponseWriter, r *http.Request) {
		reply(w, struct{}{}, s.RemoveVerdict(r.PathValue("id")))
	})
	mux.HandleFunc("POST /kill-switch", func(w http.ResponseWriter, r *http.Request) {
		var on bool
		if err := decode(w, r, &on); err != nil {
			reply(w, nil, err)
			return
		}
		reply(w, struct{}{}, s.KillSwitch(on))
	})
	mux.HandleFunc("GET /floods", func(w http.ResponseWriter, _ *http.Request) { reply(w, s.Attacks(), nil) })
	mux.HandleFunc("GET /floods/baselines", func(w http.ResponseWriter, _ *http.Request) {
		text, err := s.Baselines()
		reply(w, text, err)
	})
	mux.HandleFunc("PUT /floods/baselines", func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBaselines))
		if err == nil {
			err = s.SetBaselines(text)
		}
		reply(w, struct{}{}, err)
	})
	mux.HandleFunc("POST /upgrade", func(w http.ResponseWriter, _ *http.Request) {
		version, err := s.Upgrade()
		reply(w, version, err)
	})
	mux.HandleFunc("POST /reload", func(w http.ResponseWriter, _ *http.Request) { reply(w, struct{}{}, s.Reload()) })
	return mux
}

// maxBaselines bounds the baselines that are taken in one request, in bytes.
const maxBaselines = 64 << 20

func decode(w http.ResponseWriter, r *http.Request, into any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

type problem struct {
	Error string `json:"error"`
}

func reply(w http.ResponseWriter, v any, err error) {
	w.Header().Set("Content-Type", "application/json")
	switch {
	case errors.Is(err, ErrUnknown):
		w.WriteHeader(http.StatusNotFound)
		v = problem{err.Error()}
	case err != nil:
		w.WriteHeader(http.StatusUnprocessableEntity)
		v = problem{err.Error()}
	}
	// The client went away if this fails; there is nobody to tell.
	_ = json.NewEncoder(w).Encode(v)
}
