package store

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	maxText = 512       // bytes of a signature's or a name's text
	maxID   = 128       // bytes of an id
	maxEVE  = 256 << 10 // bytes of a record
)

// write is the only goroutine that changes alert files.
func (s *Store) write() {
	defer close(s.stopped)
	sweep := time.NewTicker(sweepPeriod)
	defer sweep.Stop()
	for {
		select {
		case r := <-s.queue:
			s.commit(s.gather(r))
		case <-sweep.C:
			s.sweep()
		case <-s.quit:
			s.drain()
			return
		}
	}
}

// gather joins what waits with r, up to one transaction's worth.
func (s *Store) gather(r request) []request {
	all, n := []request{r}, len(r.alerts)
	for n < maxBatch {
		select {
		case more := <-s.queue:
			all, n = append(all, more), n+len(more.alerts)
		default:
			return all
		}
	}
	return all
}

func (s *Store) drain() {
	for {
		select {
		case r := <-s.queue:
			s.commit(s.gather(r))
		default:
			return
		}
	}
}

// commit writes the requests' alerts, a transaction a day. Should one fail, every request is told: those that were kept are
// duplicates when they come again.
func (s *Store) commit(requests []request) {
	var failed error
	kept := make([][]string, len(requests))
	for name, part := range s.split(requests) {
		if err := s.commitDay(name, part, kept); err != nil {
			failed = err
		}
	}
	for i, r := range requests {
		r.reply <- reply{kept: kept[i], err: failed}
	}
}

// item is an alert on its way into a file, and the request it came with.
type item struct {
	Alert
	request int
}

// split sorts alerts into days by their own time, so that an alert that comes again meets itself.
func (s *Store) split(requests []request) map[string][]item {
	parts := make(map[string][]item, 2)
	for i, r := range requests {
		for _, a := range r.alerts {
			if !a.Valid() {
				s.stats.refused.Add(1)
				continue
			}
			s.trim(&a)
			name := a.Time.UTC().Format(fileName)
			parts[name] = append(parts[name], item{a, i})
		}
	}
	return parts
}

// trim bounds what a sensor can make the store keep.
func (s *Store) trim(a *Alert) { s.stats.truncated.Add(a.Trim()) }

// Valid reports whether an alert has an id and a time that can be kept.
func (a *Alert) Valid() bool {
	return a.ID != "" && len(a.ID) <= maxID && a.Time.Year() >= 1970 && a.Time.Year() <= 2200
}

// Trim cuts texts to 512 bytes of UTF-8, leaves out an EVE record above 256 KiB, and returns how often it had to.
func (a *Alert) Trim() (cut uint64) {
	for _, text := range []*string{&a.Signature, &a.Category, &a.Sensor, &a.Action, &a.Proto, &a.AppProto} {
		if len(*text) > maxText || !utf8.ValidString(*text) {
			*text = strings.ToValidUTF8((*text)[:min(len(*text), maxText)], "\uFFFD")
			cut++
		}
	}
	if len(a.EVE) > maxEVE {
		a.EVE = nil
		cut++
	}
	a.SrcIP, a.DestIP = a.SrcIP.Unmap().WithZone(""), a.DestIP.Unmap().WithZone("")
	return cut
}

func (s *Store) commitDay(name string, items []item, byRequest [][]string) error {
	d, err := s.day(name)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if d == nil {
		s.stats.refused.Add(uint64(len(items)))
		return nil
	}
	kept, err := d.append(items, s.live.last()+1)
	if err != nil {
		return fmt.Errorf("store: %s: %w", d.path, err)
	}
	s.live.add(kept)
	s.stats.stored.Add(uint64(len(kept)))
	s.stats.duplicate.Add(uint64(len(items) - len(kept)))
	for i := range kept {
		r := &byRequest[kept[i].request]
		*r = append(*r, kept[i].ID)
	}
	return nil
}

// day returns the file of that name, made if need be; nil when there are too many.
func (s *Store) day(name string) (*day, error) {
	path := filepath.Join(s.opt.Dir, name)
	byPath := func(d *day, path string) int { return strings.Compare(d.path, path) }
	i, found := slices.BinarySearchFunc(s.days, path, byPath) // only this goroutine changes s.days
	if found {
		return s.days[i], nil
	}
	if len(s.days) >= maxDays {
		return nil, nil
	}
	d, err := openDay(path, s.codec)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.days = slices.Insert(s.days, i, d)
	s.mu.Unlock()
	return d, nil
}
