package collector

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/weir-ips/weir/internal/collector/api"
	"github.com/weir-ips/weir/internal/collector/rollout"
	"github.com/weir-ips/weir/pkg/wire"
)

// rules is api.Rules, and answers sensors that ask for the text of a version that a beacon has named.
type rules struct {
	*rollout.Book

	mu    sync.Mutex
	parts map[string][]wire.SyncPart // by version, of those that a sensor has asked for; at most maxCut
}

// maxCut bounds the texts that are kept ready to be sent.
const maxCut = 4

// Current returns the rules that run everywhere where no others do.
func (r *rules) Current(context.Context) (api.RuleSet, error) {
	runs := r.Running(wire.ScopeAll)
	text, err := r.Text(runs.Version)
	if err != nil {
		return api.RuleSet{}, err
	}
	set := api.RuleSet{Version: runs.Version, Rules: text, UpdatedAt: runs.At, UpdatedBy: runs.By}
	if b, err := r.Bundle(runs.Version); err == nil {
		set.Count = b.Count
	}
	return set, nil
}

// Replace checks the text's grammar and has it run everywhere at once.
func (r *rules) Replace(ctx context.Context, text, actor string) (api.RuleSet, error) {
	version := ""
	if text != "" {
		b, err := r.Add(text, actor)
		if err != nil {
			return api.RuleSet{}, api.RulesError(err)
		}
		version = b.Version
	}
	if _, err := r.Run(wire.ScopeAll, version, actor); err != nil {
		return api.RuleSet{}, api.RulesError(err)
	}
	return r.Current(ctx)
}

// versions is what the beacon names.
func (r *rules) versions() (all string, other map[string]string) {
	other = r.Assignments()
	all = other[wire.ScopeAll]
	delete(other, wire.ScopeAll)
	return all, other
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

// partsOf is empty for a version that is not kept.
func (r *rules) partsOf(version string) ([]wire.SyncPart, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if parts := r.parts[version]; parts != nil || version == "" {
		return parts, nil
	}
	text, err := r.Text(version)
	if errors.Is(err, rollout.ErrUnknown) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	parts, err := wire.RulesParts([]byte(text))
	if err != nil {
		return nil, err
	}
	if len(r.parts) >= maxCut {
		clear(r.parts)
	}
	r.parts[version] = parts
	return parts, nil
}
