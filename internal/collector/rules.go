package collector

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weir-ips/weir/internal/collector/api"
	"github.com/weir-ips/weir/internal/collector/bus"
	"github.com/weir-ips/weir/pkg/signatures/syntax"
	"github.com/weir-ips/weir/pkg/wire"
)

// rules is api.Rules: one rule text in a file, which sensors learn of by the beacon and fetch.
type rules struct {
	path    string
	follows func() error // not nil where another collector makes the changes

	mu    sync.RWMutex
	set   api.RuleSet
	parts []wire.SyncPart // of set, once a sensor has asked
}

// rulesFile is where, in the data directory.
const rulesFile = "rules.json"

func openRules(data string) (*rules, error) {
	r := &rules{path: filepath.Join(data, rulesFile), set: newRuleSet("", 0)}
	return r, r.load()
}

// load reads the file, of which there may be none yet.
func (r *rules) load() error {
	text, err := os.ReadFile(r.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var set api.RuleSet
	if err == nil {
		err = json.Unmarshal(text, &set)
	}
	if err != nil {
		return fmt.Errorf("rules: %s: %w", r.path, err)
	}
	r.mu.Lock()
	r.set, r.parts = set, nil
	r.mu.Unlock()
	return nil
}

func newRuleSet(text string, count int) api.RuleSet {
	return api.RuleSet{Version: wire.RulesVersion([]byte(text)), Rules: text, Count: count}
}

// Current returns the rules in force.
func (r *rules) Current(context.Context) (api.RuleSet, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.set, nil
}

// maxRuleFaults bounds how many faults one answer lists.
const maxRuleFaults = 100

// Replace checks the text's grammar and keeps it.
func (r *rules) Replace(_ context.Context, text, actor string) (api.RuleSet, error) {
	if err := r.follows(); err != nil {
		return api.RuleSet{}, err
	}
	parsed, faults := syntax.Parse("rules", text)
	if len(faults) > 0 {
		var bad api.Invalid
		for _, f := range faults[:min(len(faults), maxRuleFaults)] {
			bad.Fields = append(bad.Fields, api.FieldError{Field: f.Pos.String(), Detail: f.Err.Error()})
		}
		return api.RuleSet{}, &bad
	}
	set := newRuleSet(text, len(parsed))
	set.UpdatedAt, set.UpdatedBy = time.Now().UTC(), actor
	data, err := json.Marshal(&set)
	if err != nil {
		return api.RuleSet{}, fmt.Errorf("rules: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := bus.WriteFile(r.path, data); err != nil {
		return api.RuleSet{}, fmt.Errorf("rules: %w", err)
	}
	r.set, r.parts = set, nil
	return set, nil
}

// version is what the beacon names.
func (r *rules) version() string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.set.Version
}

// serve answers sensors until ctx ends.
func (r *rules) serve(ctx context.Context, nc *nats.Conn, key ed25519.PrivateKey, log *slog.Logger) error {
	sub, err := nc.QueueSubscribe(wire.SubjectRules, "collector", func(m *nats.Msg) {
		if err := r.answer(m, nc, key); err != nil {
			log.Warn("rules request not answered", "error", err)
		}
	})
	if err != nil {
		return fmt.Errorf("rules: answer %s: %w", wire.SubjectRules, err)
	}
	<-ctx.Done()
	return sub.Unsubscribe()
}

func (r *rules) answer(m *nats.Msg, nc *nats.Conn, key ed25519.PrivateKey) error {
	req, err := wire.DecodeRulesRequest(m.Data)
	if err != nil {
		return err
	}
	parts, err := r.partsOf(req.Version)
	if err != nil || m.Reply == "" {
		return err
	}
	for _, p := range parts { // a copy: the parts are shared
		p.Nonce = req.Nonce
		msg, err := p.Seal(key)
		if err == nil {
			err = nc.Publish(m.Reply, msg)
		}
		if err != nil {
			return fmt.Errorf("to sensor %q: %w", req.Sensor, err)
		}
	}
	return nil
}

// partsOf is empty for any other version than the current one.
func (r *rules) partsOf(version string) (parts []wire.SyncPart, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if version != r.set.Version || version == "" {
		return nil, nil
	}
	if r.parts == nil {
		r.parts, err = wire.RulesParts([]byte(r.set.Rules))
	}
	return r.parts, err
}
