package uplink

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/weir-ips/weir/pkg/wire"
)

const (
	rulesFile    = "collector.rules"
	rulesTimeout = 30 * time.Second
)

// rulesKeeper keeps the collector's rule text in a file and has it loaded. The follower's goroutine feeds it; loading, which
// may take seconds, has its own.
type rulesKeeper struct {
	path    string
	sensor  string
	reload  func() error // nil: this sensor does not want them
	request func(*wire.RulesRequest) error
	log     *slog.Logger
	fresh   chan []byte // capacity 1: a whole text to be written and loaded

	want  string // version being fetched
	nonce uint64
	asked time.Time
	next  int // part
	text  []byte

	mu      sync.Mutex // guards what follows
	version string     // in the file
	settled string     // the version that was offered last and dealt with
	fault   string     // why settled is not loaded
}

func newRulesKeeper(o *Options) (*rulesKeeper, error) {
	k := &rulesKeeper{path: filepath.Join(o.Dir, rulesFile), sensor: o.Sensor, reload: o.Reload, log: o.Log, fresh: make(chan []byte, 1)}
	text, err := os.ReadFile(k.path)
	if err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("the collector's rules: %w", err)
	}
	k.version = wire.RulesVersion(text)
	k.settled = k.version
	return k, nil
}

// offer hears from a beacon which version the collector has.
func (k *rulesKeeper) offer(version string, now time.Time) {
	k.mu.Lock()
	settled := k.settled
	k.mu.Unlock()
	if k.reload == nil || version == settled || version == k.want && now.Sub(k.asked) < rulesTimeout {
		return
	}
	k.want, k.nonce, k.asked, k.next, k.text = version, rand.Uint64(), now, 0, nil
	if version == "" {
		k.take(nil)
		return
	}
	if err := k.request(&wire.RulesRequest{Sensor: k.sensor, Version: version, Nonce: k.nonce}); err != nil {
		k.want = ""
		k.log.Debug("rules not asked for", "error", err)
	}
}

// part takes one message of the answer; its signature is checked already.
func (k *rulesKeeper) part(p *wire.SyncPart) error {
	if p.Nonce != k.nonce || p.Part != k.next || k.want == "" {
		return nil // of an earlier request
	}
	raw, err := p.Raw()
	if err != nil {
		return err
	}
	if len(k.text)+len(raw) > wire.MaxRules {
		k.want = ""
		return fmt.Errorf("%w: rules of more than %d bytes", wire.ErrMalformed, wire.MaxRules)
	}
	k.text = append(k.text, raw...)
	if k.next++; k.next < p.Parts {
		return nil
	}
	text := k.text
	k.text = nil
	if got := wire.RulesVersion(text); got != k.want {
		k.want = ""
		return fmt.Errorf("%w: rules of version %.12s where %.12s was asked for", wire.ErrMalformed, got, k.want)
	}
	k.take(text)
	return nil
}

// take hands a whole text to the loader, in place of one that still waits.
func (k *rulesKeeper) take(text []byte) {
	select {
	case <-k.fresh:
	default:
	}
	k.fresh <- text
}

// run writes and loads texts until ctx ends.
func (k *rulesKeeper) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case text := <-k.fresh:
			k.load(text)
		}
	}
}

// load puts the text in place and has it loaded; if it does not load, the old text comes back. A version is tried once: the
// collector learns why it failed, and the next version is another chance.
func (k *rulesKeeper) load(text []byte) {
	version := wire.RulesVersion(text)
	old, err := os.ReadFile(k.path)
	if err == nil || os.IsNotExist(err) {
		err = writeFile(k.path, text)
	}
	if err == nil {
		if err = k.reload(); err != nil {
			if back := writeFile(k.path, old); back != nil {
				k.log.Error("the collector's former rules not put back", "error", back)
			}
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.settled = version
	if err != nil {
		k.fault = fmt.Sprintf("version %.12s: %v", version, err)
		k.log.Error("the collector's rules do not load; the former stay", "version", version, "error", err)
		return
	}
	k.version, k.fault = version, ""
	k.log.Info("the collector's rules are loaded", "version", version)
}

func (k *rulesKeeper) report(h *wire.Health) {
	k.mu.Lock()
	defer k.mu.Unlock()
	h.Bundle, h.BundleError = k.version, k.fault
}

// writeFile replaces a file whole or not at all.
func writeFile(path string, data []byte) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
