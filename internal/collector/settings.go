package collector

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/weir-ips/weir/internal/collector/api"
	"github.com/weir-ips/weir/internal/servicefile"
	"github.com/weir-ips/weir/pkg/wire"
)

// settings is what people change while the collector runs, kept in a file. It is safe for concurrent use.
type settings struct {
	path string

	mu sync.RWMutex
	settingsData
}

type settingsData struct {
	Kill       wire.KillSwitch `json:"kill"`
	KillReason string          `json:"kill_reason,omitempty"` // why people threw it; sensors need not know
	NeverBlock []Protected     `json:"never_block"`
	Policy     *api.Policy     `json:"policy,omitempty"`  // in the place of collector.yaml's
	Waiting    []api.Approval  `json:"waiting,omitempty"` // for a second person

	Feeds   []addedFeed      `json:"feeds,omitempty"`
	Paused  map[string]pause `json:"paused_feeds,omitempty"` // by name
	Exports []addedExport    `json:"exports,omitempty"`
}

// Protected is a prefix that a person has put on the never-block list while the collector runs.
type Protected struct {
	Prefix netip.Prefix `json:"prefix"`
	Reason string       `json:"reason"`
	By     string       `json:"by"`
	At     time.Time    `json:"at"`
}

// settingsFile is where, in the data directory.
const settingsFile = "settings.json"

func openSettings(path string) (*settings, error) {
	s := &settings{path: path}
	return s, s.load()
}

// load reads the file, of which there may be none yet.
func (s *settings) load() error {
	text, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var next settingsData
	if err == nil {
		err = json.Unmarshal(text, &next)
	}
	if err != nil {
		return fmt.Errorf("settings: %s: %w", s.path, err)
	}
	s.mu.Lock()
	s.settingsData = next
	s.mu.Unlock()
	return nil
}

func (s *settings) killSwitch() wire.KillSwitch {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.Kill
}

func (s *settings) killReason() string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.KillReason
}

func (s *settings) neverBlock() []Protected {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.NeverBlock)
}

func (s *settings) waiting() []api.Approval {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.Waiting)
}

func (s *settings) addedFeeds() []addedFeed {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.Feeds)
}

func (s *settings) pausedFeeds() map[string]pause {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return maps.Clone(s.Paused)
}

func (s *settings) addedExports() []addedExport {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.Exports)
}

func (s *settings) policy() *api.Policy {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.Policy
}

// change edits a copy, which counts once it is on disk.
func (s *settings) change(edit func(*settingsData) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := settingsData{Kill: s.Kill, KillReason: s.KillReason, NeverBlock: slices.Clone(s.NeverBlock), Policy: s.Policy, Waiting: slices.Clone(s.Waiting),
		Feeds: slices.Clone(s.Feeds), Paused: maps.Clone(s.Paused), Exports: slices.Clone(s.Exports)}
	if err := edit(&next); err != nil {
		return err
	}
	text, err := json.MarshalIndent(&next, "", "  ")
	if err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	if err := servicefile.Write(s.path, append(text, '\n')); err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	s.settingsData = next
	return nil
}

func (s *settings) prefixes() []netip.Prefix {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]netip.Prefix, len(s.NeverBlock))
	for i, p := range s.NeverBlock {
		out[i] = p.Prefix
	}
	return out
}
