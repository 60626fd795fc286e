package app

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"hash"
	"slices"
	"sync/atomic"
)

// FileConfig bounds what is kept of files and says what is computed of them. The zero value keeps DefaultFileWindow
// bytes and computes no hash.
type FileConfig struct {
	Window            int      // bytes kept for inspection; 0 means DefaultFileWindow
	MD5, SHA1, SHA256 bool     // hashes to compute of every file (force-hash)
	Rules             *HashSet // hashes to compute because rules ask for them; nil: none
	MaxFiles          int      // files kept in one transaction; 0 means DefaultMaxFiles
	MaxName           int      // bytes kept of a name; 0 means DefaultMaxName

	// Ranges joins the pieces of files; nil: they are files of their own only.
	Ranges *Ranges
	// Unread says that nobody looks into files: their bytes are counted and hashed, and not kept.
	Unread bool
}

// Defaults of FileConfig.
const (
	DefaultFileWindow = 100 << 10
	DefaultMaxFiles   = 64
	DefaultMaxName    = 4096

	fileOverlap = 16 << 10 // bytes kept before the end when the window slides, for matches across the edge
)

type fileHash struct {
	md5, sha1, sha256 hash.Hash
}

// HashSet says which hashes are computed of files. It may grow while parsers run, in another goroutine: files that begin after that
// have the new ones. It must not be copied.
type HashSet struct{ bits atomic.Uint32 }

const (
	hashMD5 = 1 << iota
	hashSHA1
	hashSHA256
)

// Add asks for hashes besides those that are asked for already.
func (s *HashSet) Add(md5, sha1, sha256 bool) {
	var bits uint32
	for i, on := range [...]bool{md5, sha1, sha256} {
		if on {
			bits |= 1 << i
		}
	}
	s.bits.Or(bits)
}

func (s *HashSet) get() uint32 {
	if s == nil {
		return 0
	}
	return s.bits.Load()
}

// NewFile starts a file in tx, or returns nil when the transaction has its fill of files.
func (b *TxBase) NewFile(c *FileConfig, name []byte, dir Direction) *File {
	limit := c.MaxFiles
	if limit == 0 {
		limit = DefaultMaxFiles
	}
	if len(b.Files) >= limit {
		return nil
	}
	maxName := c.MaxName
	if maxName == 0 {
		maxName = DefaultMaxName
	}
	f := &File{ID: uint64(len(b.Files)), Dir: dir, Name: append([]byte(nil), name[:min(len(name), maxName)]...), config: c}
	rules := c.Rules.get()
	if c.MD5 || rules&hashMD5 != 0 {
		f.hash.md5 = md5.New()
	}
	if c.SHA1 || rules&hashSHA1 != 0 {
		f.hash.sha1 = sha1.New()
	}
	if c.SHA256 || rules&hashSHA256 != 0 {
		f.hash.sha256 = sha256.New()
	}
	b.Files = append(b.Files, f)
	b.Touched[dir] = true
	return f
}

// Append adds bytes to an open file. inspected says that rules have seen all that was appended before, so that the
// window may slide.
func (f *File) Append(data []byte, inspected bool) {
	if !f.add(data) {
		return
	}
	if f.lent {
		f.Data, f.lent = slices.Clone(f.Data), false
	}
	if drop := f.excess(len(data), inspected); drop > 0 {
		f.Base += uint64(drop)
		f.Data = append(f.Data[:0], f.Data[drop:]...)
	}
	if drop := len(data) - 4*f.window(); drop > 0 {
		f.Base += uint64(drop)
		data = data[drop:]
	}
	f.Data = append(f.Data, data...)
}

// Extend is Append for a file whose bytes its owner keeps: the last n of held are new, those before are what was added
// earlier, in the same order. The file looks into held and copies nothing, until Append is called; the owner may append to
// held, not change it.
func (f *File) Extend(held []byte, n int, inspected bool) {
	if !f.add(held[len(held)-n:]) {
		return
	}
	drop := f.excess(n, inspected) + max(n-4*f.window(), 0)
	f.Base += uint64(drop)
	f.lent = true
	f.Data = held[len(held)-n-len(f.Data)+drop : len(held) : len(held)]
}

// add counts and hashes bytes; it returns false when none are to be kept.
func (f *File) add(data []byte) bool {
	if f == nil || f.State != FileOpen || len(data) == 0 {
		return false
	}
	f.Size += uint64(len(data))
	for _, h := range [...]hash.Hash{f.hash.md5, f.hash.sha1, f.hash.sha256} {
		if h != nil {
			h.Write(data)
		}
	}
	return f.config == nil || !f.config.Unread
}

func (f *File) window() int {
	if f.config == nil || f.config.Window == 0 {
		return DefaultFileWindow
	}
	return f.config.Window
}

// excess returns how many of the bytes that are kept give way to n more: once rules have seen the window, its older part may
// go; unseen bytes are given up only when four windows have piled up.
func (f *File) excess(n int, inspected bool) int {
	limit, keep := 4*f.window(), 4*f.window()-min(n, 4*f.window())
	if inspected {
		limit, keep = f.window(), fileOverlap
	}
	if len(f.Data)+n <= limit {
		return 0
	}
	return len(f.Data) - min(keep, len(f.Data))
}

// Gap says that n bytes of the file were lost. Hashes are then of the bytes that arrived.
func (f *File) Gap(n int) {
	if f == nil || f.State != FileOpen {
		return
	}
	f.Gaps = true
	f.Size += uint64(n)
	f.Base += uint64(len(f.Data)) + uint64(n)
	f.Data = f.Data[:0]
}

// Close ends a file that arrived whole; with gaps it is truncated.
func (f *File) Close() {
	if f != nil && f.Gaps {
		f.finish(FileTruncated)
		return
	}
	f.finish(FileClosed)
}

// Truncate ends a file of which no more will be seen.
func (f *File) Truncate() { f.finish(FileTruncated) }

func (f *File) finish(s FileState) {
	if f == nil || f.State != FileOpen {
		return
	}
	f.State = s
	f.MD5, f.SHA1, f.SHA256 = sum(f.hash.md5), sum(f.hash.sha1), sum(f.hash.sha256)
	f.hash = fileHash{}
}

func sum(h hash.Hash) []byte {
	if h == nil {
		return nil
	}
	return h.Sum(nil)
}
