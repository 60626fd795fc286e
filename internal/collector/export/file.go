package export

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// file appends lines to a file, which is renamed to path.1, path.2, … when it is full.
type file struct {
	encoder
	path     string
	maxBytes int64
	keep     int

	f    *os.File
	size int64
}

func openFile(c *Config, version string) (Sink, error) {
	f := &file{encoder: encoder{c.Format, version}, path: c.Path, maxBytes: c.MaxBytes, keep: c.Keep}
	return f, f.open()
}

func (s *file) open() (err error) {
	if s.f, err = os.OpenFile(s.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640); err != nil {
		return err
	}
	fi, err := s.f.Stat()
	if err != nil {
		return errors.Join(err, s.f.Close())
	}
	s.size = fi.Size()
	return nil
}

// Send implements Sink. Lines of a try that failed may be in the file already: a reader that counts tells them by their id. Files
// that somebody else has moved away, as logrotate does, are made anew.
func (s *file) Send(_ context.Context, events []Event) error {
	if err := s.follow(); err != nil {
		return err
	}
	w := bufio.NewWriter(s.f)
	for i := range events {
		lines, err := s.encode(&events[i])
		if err != nil {
			return fmt.Errorf("%w: %w", ErrRefused, err)
		}
		for _, line := range lines {
			w.Write(line)
			w.WriteByte('\n') // Flush reports what fails here
			s.size += int64(len(line)) + 1
		}
		if s.size < s.maxBytes {
			continue
		}
		if err := w.Flush(); err != nil {
			return err
		}
		if err := s.rotate(); err != nil {
			return err
		}
		w.Reset(s.f)
	}
	return w.Flush()
}

func (s *file) follow() error {
	if s.f == nil {
		return s.open()
	}
	have, err := s.f.Stat()
	if err != nil {
		return err
	}
	if now, err := os.Stat(s.path); err == nil && os.SameFile(have, now) {
		return nil
	}
	s.f.Close()
	return s.open()
}

func (s *file) rotate() error {
	err := s.f.Close()
	s.f = nil
	if err != nil {
		return err
	}
	for n := s.keep; n > 0; n-- {
		from := s.path
		if n > 1 {
			from = fmt.Sprintf("%s.%d", s.path, n-1)
		}
		if err := os.Rename(from, fmt.Sprintf("%s.%d", s.path, n)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("rotate: %w", err)
		}
	}
	return s.open()
}

// Close implements Sink.
func (s *file) Close() error {
	if s.f == nil {
		return nil
	}
	return errors.Join(s.f.Sync(), s.f.Close())
}
