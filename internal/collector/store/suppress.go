package store

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Suppression keeps alerts out of lists that leave out what is hidden, until it expires. The alerts stay, are counted, and
// are found by asking for everything.
type Suppression struct {
	ID        string    `json:"id"`
	Query     string    `json:"query"` // see ParseQuery: a signature, a source, a sensor
	Reason    string    `json:"reason"`
	CreatedBy string    `json:"created_by"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

// MaxSuppressions bounds what every list has to leave out.
const MaxSuppressions = 200

// ErrFull says that there are MaxSuppressions already.
var ErrFull = fmt.Errorf("there are %d suppressions; let some go first", MaxSuppressions)

// suppressions are kept in one small file, replaced as a whole.
type suppressions struct {
	path string

	mu    sync.RWMutex
	all   []Suppression
	terms map[string][]Term // by id
}

func (s *suppressions) open(dir string) error {
	s.path, s.terms = filepath.Join(dir, "suppressions.json"), map[string][]Term{}
	text, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &s.all); err != nil {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	for _, x := range s.all {
		if s.terms[x.ID], err = ParseQuery(x.Query); err != nil {
			return fmt.Errorf("%s: suppression %s: %w", s.path, x.ID, err)
		}
	}
	return nil
}

// replace makes all the suppressions, on disk first.
func (s *suppressions) replace(all []Suppression) error {
	text, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(s.path), "suppressions-*.tmp")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), s.path); err != nil {
		return err
	}
	s.all = all
	return nil
}

// resolve gives a filter that hides what is suppressed now.
func (s *Store) resolve(f Filter) Filter {
	if s.opt.Desk != nil {
		return s.opt.Desk.Resolve(f)
	}
	if !f.Hide {
		return f
	}
	s.suppressions.mu.RLock()
	defer s.suppressions.mu.RUnlock()
	now := s.opt.Now()
	f.suppressed = nil
	for _, x := range s.suppressions.all {
		if x.ExpiresAt.After(now) {
			f.suppressed = append(f.suppressed, s.suppressions.terms[x.ID])
		}
	}
	return f
}

// Suppressions returns those that have not expired, the latest first.
func (s *Store) Suppressions() []Suppression {
	if s.opt.Desk != nil {
		return s.opt.Desk.Suppressions()
	}
	s.suppressions.mu.RLock()
	defer s.suppressions.mu.RUnlock()
	now := s.opt.Now()
	live := []Suppression{}
	for _, x := range s.suppressions.all {
		if x.ExpiresAt.After(now) {
			live = append(live, x)
		}
	}
	slices.SortStableFunc(live, func(a, b Suppression) int { return cmp.Compare(b.CreatedAt.UnixNano(), a.CreatedAt.UnixNano()) })
	return live
}

// parse reads the query, which must say something.
func (x *Suppression) parse() ([]Term, error) {
	terms, err := ParseQuery(x.Query)
	if err == nil && len(terms) == 0 {
		err = &SyntaxError{Detail: "an empty query would hide everything"}
	}
	return terms, err
}

// Suppress adds x, whose ID and CreatedAt it sets. Its query must say something.
func (s *Store) Suppress(x Suppression) (Suppression, error) {
	if s.opt.Desk != nil {
		return s.opt.Desk.Suppress(x)
	}
	terms, err := x.parse()
	if err != nil {
		return Suppression{}, err
	}
	live := s.Suppressions()
	s.suppressions.mu.Lock()
	defer s.suppressions.mu.Unlock()
	if len(live) >= MaxSuppressions {
		return Suppression{}, ErrFull
	}
	x.ID, x.CreatedAt = "s-"+strings.ToLower(rand.Text()[:12]), s.opt.Now().UTC()
	s.suppressions.terms[x.ID] = terms
	if err := s.suppressions.replace(append(live, x)); err != nil {
		return Suppression{}, fmt.Errorf("keep suppression: %w", err)
	}
	return x, nil
}

// Unsuppress takes a suppression away and returns it.
func (s *Store) Unsuppress(id string) (Suppression, error) {
	if s.opt.Desk != nil {
		return s.opt.Desk.Unsuppress(id)
	}
	s.suppressions.mu.Lock()
	defer s.suppressions.mu.Unlock()
	i := slices.IndexFunc(s.suppressions.all, func(x Suppression) bool { return x.ID == id })
	if i < 0 {
		return Suppression{}, fmt.Errorf("suppression %s: %w", id, ErrNotFound)
	}
	was := s.suppressions.all[i]
	if err := s.suppressions.replace(slices.Delete(slices.Clone(s.suppressions.all), i, i+1)); err != nil {
		return Suppression{}, fmt.Errorf("take suppression %s away: %w", id, err)
	}
	return was, nil
}
