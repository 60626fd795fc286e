package collector

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/weir-ips/weir/internal/collector/api"
	"github.com/weir-ips/weir/internal/collector/bus"
	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

// rules is api.Rules: one rule text in a file.
type rules struct {
	path string

	mu  sync.RWMutex
	set api.RuleSet
}

func openRules(data string) (*rules, error) {
	r := &rules{path: filepath.Join(data, "rules.json"), set: newRuleSet("", 0)}
	text, err := os.ReadFile(r.path)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &r.set)
	}
	if err != nil {
		return nil, fmt.Errorf("rules: %s: %w", r.path, err)
	}
	return r, nil
}

func newRuleSet(text string, count int) api.RuleSet {
	sum := sha256.Sum256([]byte(text))
	return api.RuleSet{Version: hex.EncodeToString(sum[:]), Rules: text, Count: count}
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
	r.set = set
	return set, nil
}
