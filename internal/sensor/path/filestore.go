package path

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/weir-ips/weir/pkg/flow/app"
)

// FileStore keeps files that were seen in the traffic, in Suricata's layout: DIR/ab/abcd…, named by their SHA-256. It may
// be shared by several Paths.
type FileStore struct {
	dir   string
	force bool

	open   atomic.Int64
	stored atomic.Uint64
	failed atomic.Uint64
}

// maxStoring bounds the files that are written at the same time; those beyond are not stored, and count as failed.
const maxStoring = 1000

// NewFileStore makes the store's directories. With force every file is stored, not only those that rules ask for.
func NewFileStore(dir string, force bool) (*FileStore, error) {
	if err := os.MkdirAll(filepath.Join(dir, "tmp"), 0o750); err != nil {
		return nil, fmt.Errorf("make the file store: %w", err)
	}
	return &FileStore{dir: dir, force: force}, nil
}

// Counts returns how many files were stored, and how many could not be.
func (s *FileStore) Counts() (stored, failed uint64) { return s.stored.Load(), s.failed.Load() }

// storing is one file on its way to the store.
type storing struct {
	file *os.File // nil after an error
	sum  hash.Hash
	next uint64 // offset of the next byte to write
}

// begin opens a file for writing; it returns one without a file when that is not possible.
func (s *FileStore) begin() *storing {
	w := &storing{sum: sha256.New()}
	if s.open.Add(1) > maxStoring {
		return w
	}
	w.file, _ = os.CreateTemp(filepath.Join(s.dir, "tmp"), "file.") // without a file it counts as failed in the end
	return w
}

// take writes what is new of a file. Bytes that slid out of its window before they were written make it incomplete.
func (w *storing) take(f *app.File) {
	end := f.Base + uint64(len(f.Data))
	if w.file == nil || end <= w.next {
		return
	}
	if f.Base > w.next && !f.Gaps {
		w.abort()
		return
	}
	data := f.Data[max(w.next, f.Base)-f.Base:]
	w.sum.Write(data)
	if _, err := w.file.Write(data); err != nil {
		w.abort()
		return
	}
	w.next = end
}

func (w *storing) abort() {
	if w.file != nil {
		w.file.Close()
		os.Remove(w.file.Name())
		w.file = nil
	}
}

// finish gives the file its name, and reports whether it is stored.
func (s *FileStore) finish(w *storing, f *app.File) bool {
	s.open.Add(-1)
	w.take(f)
	if w.file == nil || !s.keep(w) {
		s.failed.Add(1)
		w.abort()
		return false
	}
	s.stored.Add(1)
	return true
}

func (s *FileStore) keep(w *storing) bool {
	name := hex.EncodeToString(w.sum.Sum(nil))
	temp := w.file.Name()
	if w.file.Close() != nil || os.MkdirAll(filepath.Join(s.dir, name[:2]), 0o750) != nil {
		return false
	}
	return os.Rename(temp, filepath.Join(s.dir, name[:2], name)) == nil
}

// store takes what is new of a file to the store, when it is wanted there.
func (p *Path) store(f *app.File, done bool) {
	s := p.cfg.Store
	if s == nil || !s.force && !f.Stored {
		return
	}
	w := p.storing[f]
	if w == nil {
		if p.storing == nil {
			p.storing = map[*app.File]*storing{}
		}
		w = s.begin()
		p.storing[f] = w
	}
	if !done {
		w.take(f)
		return
	}
	delete(p.storing, f)
	f.Stored = s.finish(w, f)
	if f.Stored && f.SHA256 == nil {
		f.SHA256 = w.sum.Sum(nil)
	}
}
