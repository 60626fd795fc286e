package bus

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nkeys"

	"github.com/weir-ips/weir/internal/servicefile"
	"github.com/weir-ips/weir/pkg/wire"
)

// Registration is a sensor that may connect with its own key.
type Registration struct {
	Sensor string    `json:"sensor"`
	Key    string    `json:"key"` // public nkey, U…
	Added  time.Time `json:"added"`
}

// Registrations is the file of sensors that have credentials. A running collector notices when another process changes it.
// It is safe for concurrent use.
type Registrations struct {
	path string

	mu       sync.Mutex
	modified time.Time
	checked  time.Time
	all      []Registration
}

// OpenRegistrations reads the file at path; a file that does not exist is an empty list.
func OpenRegistrations(path string) (*Registrations, error) {
	r := &Registrations{path: path}
	return r, r.load()
}

// Add registers sensor and returns the secret half of its new key, which is kept nowhere.
func (r *Registrations) Add(sensor string, now time.Time) (seed string, err error) {
	if err := wire.CheckName(sensor); err != nil {
		return "", err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.load(); err != nil {
		return "", err
	}
	if r.index(sensor) >= 0 {
		return "", fmt.Errorf("sensor %q is registered already: remove it first to give it a new key", sensor)
	}
	pair, err := nkeys.CreateUser()
	if err != nil {
		return "", fmt.Errorf("make a key: %w", err)
	}
	secret, err := pair.Seed()
	if err != nil {
		return "", fmt.Errorf("make a key: %w", err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		return "", fmt.Errorf("make a key: %w", err)
	}
	r.all = append(r.all, Registration{Sensor: sensor, Key: public, Added: now.UTC()})
	return string(secret), r.save()
}

// Remove takes sensor's right to connect away.
func (r *Registrations) Remove(sensor string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.load(); err != nil {
		return err
	}
	i := r.index(sensor)
	if i < 0 {
		return fmt.Errorf("sensor %q is not registered", sensor)
	}
	r.all = slices.Delete(r.all, i, i+1)
	return r.save()
}

// Modified is when the file last changed.
func (r *Registrations) Modified() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refresh()
	return r.modified
}

// List returns all registrations by name.
func (r *Registrations) List() []Registration {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refresh()
	return slices.SortedFunc(slices.Values(r.all), func(a, b Registration) int { return cmp.Compare(a.Sensor, b.Sensor) })
}

// ByKey finds the sensor whose public key is key.
func (r *Registrations) ByKey(key string) (sensor string, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refresh()
	i := slices.IndexFunc(r.all, func(g Registration) bool { return g.Key == key })
	if i < 0 {
		return "", false
	}
	return r.all[i].Sensor, true
}

// Has reports whether sensor has credentials.
func (r *Registrations) Has(sensor string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refresh()
	return r.index(sensor) >= 0
}

func (r *Registrations) index(sensor string) int {
	return slices.IndexFunc(r.all, func(g Registration) bool { return g.Sensor == sensor })
}

// refresh rereads a file that changed, looking at most ten times a second. One that cannot be read leaves what was known.
func (r *Registrations) refresh() {
	if now := time.Now(); now.Sub(r.checked) >= 100*time.Millisecond {
		r.checked = now
		if fi, err := os.Stat(r.path); err == nil && !fi.ModTime().Equal(r.modified) {
			_ = r.load()
		}
	}
}

func (r *Registrations) load() error {
	data, err := os.ReadFile(r.path)
	if errors.Is(err, fs.ErrNotExist) {
		r.all = nil
		return nil
	}
	if err != nil {
		return fmt.Errorf("read sensor registrations: %w", err)
	}
	var all []Registration
	if err := json.Unmarshal(data, &all); err != nil {
		return fmt.Errorf("read sensor registrations: %s: %w", r.path, err)
	}
	r.all = all
	if fi, err := os.Stat(r.path); err == nil {
		r.modified = fi.ModTime()
	}
	return nil
}

func (r *Registrations) save() error {
	data, err := json.MarshalIndent(r.all, "", "  ")
	if err != nil {
		return fmt.Errorf("write sensor registrations: %w", err)
	}
	if err := servicefile.Write(r.path, append(data, '\n')); err != nil {
		return fmt.Errorf("write sensor registrations: %w", err)
	}
	return nil
}
