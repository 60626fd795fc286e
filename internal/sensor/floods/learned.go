package floods

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/weir-ips/weir/pkg/threshold"
)

const (
	baselinesFile = "baselines.json"
	saveEvery     = 10 * time.Minute
	maxSaved      = 64 << 20 // bytes of the file that are read
)

// load reads what earlier runs have learned. A sensor must not fail to start because of that: a file that cannot be used is put
// aside under another name, and learning begins anew.
func (c *Control) load(now time.Time) *threshold.Baselines {
	b := threshold.NewBaselines(now.UnixNano())
	if c.o.Dir == "" {
		return b
	}
	path := filepath.Join(c.o.Dir, baselinesFile)
	saved, err := readSaved(path)
	if err == nil {
		err = b.Import(saved.Baselines, now.UnixNano())
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		c.o.Log.Warn("baselines are learned anew: the file of earlier ones is put aside", "file", path+".bad", "error", err)
		if err := os.Rename(path, path+".bad"); err != nil {
			c.o.Log.Warn("it cannot be put aside", "error", err)
		}
		return threshold.NewBaselines(now.UnixNano())
	}
	return b
}

func readSaved(path string) (*threshold.Saved, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxSaved {
		return nil, fmt.Errorf("%s: %d bytes, at most %d", path, info.Size(), maxSaved)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s, err := parseSaved(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

func parseSaved(text []byte) (*threshold.Saved, error) {
	var s threshold.Saved
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return nil, fmt.Errorf("baselines: %w", err)
	}
	if s.Version != threshold.SavedVersion {
		return nil, fmt.Errorf("baselines: version %d, want %d", s.Version, threshold.SavedVersion)
	}
	return &s, nil
}

// errNotLearning answers who asks for baselines where there are none.
var errNotLearning = errors.New("this sensor learns no baselines: floods.learn is false in its configuration")

// Export returns what was learned as JSON, for people to read, edit and give back.
func (c *Control) Export(now time.Time) (json.RawMessage, error) {
	if c.baselines == nil {
		return nil, errNotLearning
	}
	return json.Marshal(c.snapshot(now))
}

// Import replaces what was learned of the networks and classes in text, and keeps it.
func (c *Control) Import(text json.RawMessage, now time.Time) error {
	if c.baselines == nil {
		return errNotLearning
	}
	s, err := parseSaved(text)
	if err == nil {
		err = c.baselines.Import(s.Baselines, now.UnixNano())
	}
	if err == nil {
		c.save(now)
	}
	return err
}

func (c *Control) snapshot(now time.Time) threshold.Saved {
	return threshold.Saved{Version: threshold.SavedVersion, Saved: now.UTC().Truncate(time.Second), Baselines: c.baselines.Export()}
}

// save writes what was learned, so that a crash leaves the old file or the new one.
func (c *Control) save(now time.Time) {
	if c.baselines == nil || c.o.Dir == "" {
		return
	}
	c.saving.Lock()
	defer c.saving.Unlock()
	if err := writeSaved(filepath.Join(c.o.Dir, baselinesFile), c.snapshot(now)); err != nil {
		c.o.Log.Warn("baselines not kept", "error", err)
	}
}

func writeSaved(path string, s threshold.Saved) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
