package event

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"sync"
)

// Sink takes finished records. line is one JSON object without a newline and lent for the call. Put may be called by
// several workers at once.
type Sink interface {
	Put(t Type, line []byte)
}

// Output is a sink with the records it wants.
type Output struct {
	Options
	Sink Sink
}

// File is a Sink that appends to a file, buffered. After an error it drops records, counts them, and keeps the first
// error for Err; Reopen tries again.
type File struct {
	path string

	mu      sync.Mutex
	file    *os.File
	buf     *bufio.Writer
	err     error
	written uint64
	lost    uint64
}

// Create opens path for writing; with appending its content is kept.
func Create(path string, appending bool) (*File, error) {
	f := &File{path: path}
	if err := f.open(appending); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *File) open(appending bool) error {
	flags := os.O_CREATE | os.O_WRONLY | os.O_TRUNC
	if appending {
		flags = os.O_CREATE | os.O_WRONLY | os.O_APPEND
	}
	file, err := os.OpenFile(f.path, flags, 0o640)
	if err != nil {
		return fmt.Errorf("open event log: %w", err)
	}
	f.file, f.buf, f.err = file, bufio.NewWriterSize(file, 64<<10), nil
	return nil
}

// Put appends one record.
func (f *File) Put(_ Type, line []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		_, _ = f.buf.Write(line) // bufio keeps the error for the next write
		f.err = f.buf.WriteByte('\n')
	}
	if f.err != nil {
		f.lost++
		return
	}
	f.written++
}

// Counts returns how many records were taken and how many were lost to errors.
func (f *File) Counts() (written, lost uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.written, f.lost
}

// Flush writes what is buffered and returns the first error since the file was opened.
func (f *File) Flush() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.flush()
}

func (f *File) flush() error {
	if f.err == nil {
		f.err = f.buf.Flush()
	}
	if f.err != nil {
		return fmt.Errorf("write event log: %w", f.err)
	}
	return nil
}

// Reopen closes the file and opens its path again, for log rotation: after a rename, records go to a new file.
func (f *File) Reopen() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.flush()
	if cerr := f.file.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("close event log: %w", cerr)
	}
	return errors.Join(err, f.open(true))
}

// Close flushes and closes the file.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.flush()
	if cerr := f.file.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("close event log: %w", cerr)
	}
	return err
}
