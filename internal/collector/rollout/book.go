package rollout

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/weir-ips/weir/internal/collector/bus"
	"github.com/weir-ips/weir/internal/servicefile"
	"github.com/weir-ips/weir/pkg/wire"
)

// Bounds of what is kept. What runs or is being rolled out is never forgotten.
const (
	MaxBundles  = 32
	MaxRollouts = 50 // those that are over included
	maxBefore   = 10 // earlier versions of a scope
)

// File is where the book is kept in its directory, and Folder where texts are.
const (
	File   = "rules.json"
	Folder = "bundles"
)

// Errors of who asks. A *Refused says why something is not done.
var ErrUnknown = errors.New("not found")

// Refused is why something cannot be done now.
type Refused struct{ Reason string }

func (r *Refused) Error() string { return r.Reason }

func refuse(format string, args ...any) error { return &Refused{fmt.Sprintf(format, args...)} }

// Options is what a Book needs.
type Options struct {
	Dir     string
	Sensors func() []*bus.Report                                         // as they last reported
	Follows func() error                                                 // not nil where another collector makes the changes; may be nil
	Changed func()                                                       // after sensors are to run something else; may be nil
	Report  func(by, action, object string, detail map[string]any) error // to the audit log, what the watch does by itself; may be nil
	Now     func() time.Time                                             // nil: time.Now
}

// Book is the bundles, what runs where, and the rollouts. It is safe for concurrent use.
type Book struct {
	o Options

	mu      sync.Mutex
	kept    kept
	watches map[string]*watch // by rollout
}

// kept is the file.
type kept struct {
	Bundles  []Bundle             `json:"bundles"`
	Running  map[string]*Assigned `json:"running"` // by scope: all, groups, sensors
	Rollouts []Rollout            `json:"rollouts"`
}

// Assigned is what runs in a scope.
type Assigned struct {
	Version string    `json:"version"` // empty: no rules of the collector's
	At      time.Time `json:"at"`
	By      string    `json:"by"`
	Before  []string  `json:"before,omitempty"` // versions, the latest last
}

// Open reads the book in o.Dir, or begins one.
func Open(o Options) (*Book, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Follows == nil {
		o.Follows = func() error { return nil }
	}
	if err := os.MkdirAll(filepath.Join(o.Dir, Folder), 0o700); err != nil {
		return nil, fmt.Errorf("rules: %w", err)
	}
	b := &Book{o: o, watches: map[string]*watch{}}
	return b, b.Load()
}

// Load reads the file again, of which there may be none yet.
func (b *Book) Load() error {
	path := filepath.Join(b.o.Dir, File)
	text, err := os.ReadFile(path)
	next := kept{Running: map[string]*Assigned{}}
	if err == nil {
		err = json.Unmarshal(text, &next)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("rules: %s: %w", path, err)
	}
	if next.Running[wire.ScopeAll] == nil {
		next.Running[wire.ScopeAll] = &Assigned{}
	}
	b.mu.Lock()
	b.kept = next
	b.mu.Unlock()
	return nil
}

// change edits a copy of the book, which counts once it is on disk. b.mu is held.
func (b *Book) change(edit func(*kept) error) error {
	if err := b.o.Follows(); err != nil {
		return err
	}
	next := kept{Bundles: slices.Clone(b.kept.Bundles), Running: map[string]*Assigned{}, Rollouts: slices.Clone(b.kept.Rollouts)}
	for scope, a := range b.kept.Running {
		copied := *a
		copied.Before = slices.Clone(a.Before)
		next.Running[scope] = &copied
	}
	if err := edit(&next); err != nil {
		return err
	}
	text, err := json.MarshalIndent(&next, "", " ")
	if err == nil {
		err = servicefile.Write(filepath.Join(b.o.Dir, File), append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("rules: %w", err)
	}
	b.kept = next
	return nil
}

func (b *Book) changed() {
	if b.o.Changed != nil {
		b.o.Changed()
	}
}

func (b *Book) textPath(version string) string {
	return filepath.Join(b.o.Dir, Folder, version+".rules")
}

// Files are the paths, below the directory, of all texts that the book names.
func (b *Book) Files() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for i := range b.kept.Bundles {
		out = append(out, filepath.Join(Folder, b.kept.Bundles[i].Version+".rules"))
	}
	return out
}

// Add checks a text's grammar and keeps it. Whether its rules load is for a sensor to say. A text that is kept already is added no
// second time.
func (b *Book) Add(text, by string) (Bundle, error) {
	if text == "" || len(text) > wire.MaxRules {
		return Bundle{}, refuse("rules of %d bytes; from 1 to %d are taken", len(text), wire.MaxRules)
	}
	_, count, _, err := parse(text)
	if err != nil {
		return Bundle{}, err
	}
	added := Bundle{Version: wire.RulesVersion([]byte(text)), Count: count, Bytes: len(text), AddedAt: b.o.Now().UTC(), AddedBy: by, Runs: []string{}}
	b.mu.Lock()
	defer b.mu.Unlock()
	if have := b.bundle(added.Version); have != nil {
		return b.described(*have), nil
	}
	if err := b.o.Follows(); err != nil {
		return Bundle{}, err
	}
	if err := servicefile.Write(b.textPath(added.Version), []byte(text)); err != nil {
		return Bundle{}, fmt.Errorf("rules: %w", err)
	}
	var gone []string
	err = b.change(func(k *kept) error {
		k.Bundles = append(k.Bundles, added)
		gone = k.forget(b.inUse())
		return nil
	})
	for _, version := range gone {
		os.Remove(b.textPath(version)) // one that stays is only in the way
	}
	return added, err
}

// forget drops the oldest bundles beyond MaxBundles that nobody uses, and returns their versions.
func (k *kept) forget(used map[string]bool) (gone []string) {
	last := len(k.Bundles) - 1
	k.Bundles = slices.DeleteFunc(k.Bundles, func(x Bundle) bool {
		if last+1-len(gone) <= MaxBundles || used[x.Version] || x.Version == k.Bundles[last].Version {
			return false
		}
		gone = append(gone, x.Version)
		return true
	})
	return gone
}

// inUse are the versions that run, ran last, or are being rolled out.
func (b *Book) inUse() map[string]bool {
	used := map[string]bool{}
	for _, a := range b.kept.Running {
		used[a.Version] = true
		if n := len(a.Before); n > 0 {
			used[a.Before[n-1]] = true
		}
	}
	for i := range b.kept.Rollouts {
		if b.kept.Rollouts[i].open() {
			used[b.kept.Rollouts[i].Version] = true
		}
	}
	return used
}

func (b *Book) bundle(version string) *Bundle {
	i := slices.IndexFunc(b.kept.Bundles, func(x Bundle) bool { return x.Version == version })
	if i < 0 {
		return nil
	}
	return &b.kept.Bundles[i]
}

func (b *Book) described(x Bundle) Bundle {
	x.Runs = []string{}
	for _, scope := range slices.Sorted(maps.Keys(b.assignments())) {
		if b.assignments()[scope] == x.Version {
			x.Runs = append(x.Runs, scope)
		}
	}
	return x
}

// Bundles lists what is kept, the newest first.
func (b *Book) Bundles() []Bundle {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]Bundle, 0, len(b.kept.Bundles))
	for i := len(b.kept.Bundles) - 1; i >= 0; i-- {
		out = append(out, b.described(b.kept.Bundles[i]))
	}
	return out
}

// Bundle returns one.
func (b *Book) Bundle(version string) (Bundle, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	have := b.bundle(version)
	if have == nil {
		return Bundle{}, fmt.Errorf("bundle %.12s: %w", version, ErrUnknown)
	}
	return b.described(*have), nil
}

// Text returns a bundle's text; no version has none.
func (b *Book) Text(version string) (string, error) {
	if version == "" {
		return "", nil
	}
	if _, err := b.Bundle(version); err != nil {
		return "", err
	}
	text, err := os.ReadFile(b.textPath(version))
	if err != nil {
		return "", fmt.Errorf("rules: %w", err)
	}
	return string(text), nil
}

// Running is what runs in a scope: its own, or else what runs everywhere.
func (b *Book) Running(scope string) Assigned {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.running(scope)
}

func (b *Book) running(scope string) Assigned {
	if a := b.kept.Running[scope]; a != nil {
		return *a
	}
	return *b.kept.Running[wire.ScopeAll]
}

// Compare says what to does differently from from; an empty version is no rules.
func (b *Book) Compare(from, to string) (Changes, error) {
	var sides [2]map[SID]digest
	unnamed := 0
	for i, version := range []string{from, to} {
		text, err := b.Text(version)
		if err != nil {
			return Changes{}, err
		}
		if sides[i], _, unnamed, err = parse(text); err != nil {
			return Changes{}, err
		}
	}
	c := compare(sides[0], sides[1])
	c.From, c.To, c.Unnamed = from, to, unnamed
	return c, nil
}

// Run puts a version in force in a scope at once, without a canary.
func (b *Book) Run(scope, version, by string) (Assigned, error) {
	defer b.changed() // after the lock is free: who is told asks the book
	b.mu.Lock()
	defer b.mu.Unlock()
	if version != "" && b.bundle(version) == nil {
		return Assigned{}, fmt.Errorf("bundle %.12s: %w", version, ErrUnknown)
	}
	err := b.change(func(k *kept) error { return k.run(scope, version, by, b.o.Now().UTC()) })
	return b.running(scope), err
}

func (k *kept) run(scope, version, by string, now time.Time) error {
	a := k.Running[scope]
	if scope != wire.ScopeAll && version == k.Running[wire.ScopeAll].Version {
		delete(k.Running, scope) // it goes with all again
		return nil
	}
	if a == nil {
		if len(k.Running) > wire.MaxBundles {
			return refuse("%d scopes have rules of their own already", wire.MaxBundles)
		}
		a = &Assigned{Version: k.Running[wire.ScopeAll].Version}
		k.Running[scope] = a
	}
	if a.Version != version {
		a.Before = append(a.Before, a.Version)
		a.Before = a.Before[max(0, len(a.Before)-maxBefore):]
	}
	a.Version, a.At, a.By = version, now, by
	return nil
}

// Assignments is the version of each scope, canaries included, as the beacon tells it.
func (b *Book) Assignments() map[string]string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.assignments()
}

func (b *Book) assignments() map[string]string {
	out := map[string]string{}
	for scope, a := range b.kept.Running {
		out[scope] = a.Version
	}
	for i := range b.kept.Rollouts {
		if r := &b.kept.Rollouts[i]; r.open() {
			out[r.Canary] = r.Version
		}
	}
	return out
}
