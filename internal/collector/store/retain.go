package store

import (
	"os"
	"slices"
)

// sweep unlinks days that nothing was written to for MaxAge, then the longest-unwritten until the rest fits MaxBytes. The day
// written to last stays: it knows the order of arrival.
func (s *Store) sweep() {
	byWritten := slices.Clone(s.days)
	slices.SortFunc(byWritten, func(a, b *day) int { return a.written.Compare(b.written) })
	var total int64
	for _, d := range byWritten {
		total += d.size()
	}
	oldest := s.opt.Now().Add(-s.opt.MaxAge)
	for _, d := range byWritten[:max(0, len(byWritten)-1)] {
		tooMuch := s.opt.MaxBytes > 0 && total > s.opt.MaxBytes
		if !d.written.Before(oldest) && !tooMuch {
			return
		}
		total -= d.size()
		s.unlink(d)
	}
}

func (s *Store) unlink(d *day) {
	s.mu.Lock()
	s.days = slices.DeleteFunc(s.days, func(x *day) bool { return x == d })
	s.mu.Unlock()
	if err := d.close(); err != nil {
		s.opt.Log.Warn("close a day of alerts", "path", d.path, "error", err)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(d.path + suffix); err != nil && !os.IsNotExist(err) {
			s.opt.Log.Warn("unlink a day of alerts", "path", d.path+suffix, "error", err)
		}
	}
	s.stats.unlinked.Add(1)
	s.opt.Log.Info("gave up a day of alerts", "path", d.path)
}
