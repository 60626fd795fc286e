package app

import (
	"slices"
	"sync"
)

// Bounds of Ranges. A file of which nothing has come for rangeAge is given up.
const (
	maxRanged   = 256      // files being joined; of more, the pieces are files of their own only
	maxHeld     = 16 << 20 // bytes that wait for what comes before them; the file that would need more is given up
	maxWaiting  = 64       // pieces that wait, of one file
	rangeAge    = 60e9     // ns
	maxRangeKey = 4096
)

// Ranges joins the pieces of files that are fetched by several requests (RFC 9110 §14), over connections and versions of HTTP.
// Workers share it: it is locked, and touched by partial responses alone.
type Ranges struct {
	mu     sync.Mutex
	files  map[string]*ranged
	held   int
	Joined uint64 // files that came together; read it with Counts
	Lost   uint64 // files that were given up
}

// NewRanges returns an empty Ranges.
func NewRanges() *Ranges { return &Ranges{files: map[string]*ranged{}} }

// Counts returns how many files have come together, and how many were given up for a bound.
func (r *Ranges) Counts() (joined, lost uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.Joined, r.Lost
}

// ranged is a file of which some pieces have come.
type ranged struct {
	key     string
	file    *File
	total   uint64
	last    int64
	waiting []held // by offset
}

// held are bytes that wait for those before them.
type held struct {
	start uint64
	data  []byte
}

// Piece is one range of a file on its way. The nil Piece takes everything and does nothing.
type Piece struct {
	of   *Ranges
	to   *ranged
	at   uint64 // offset of the next byte
	wait held
	bad  bool
}

// Open begins the piece from start of a file of total bytes. key names the file: its host and path. It returns nil when the piece is
// not joined with others.
func (r *Ranges) Open(c *FileConfig, key string, name []byte, dir Direction, start, total uint64, now int64) *Piece {
	if r == nil || total == 0 || start >= total || len(key) > maxRangeKey {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.files[key]
	if f != nil && (f.total != total || f.old(now)) {
		r.drop(f)
		f = nil
	}
	if f == nil {
		if len(r.files) >= maxRanged {
			r.sweep(now)
		}
		if len(r.files) >= maxRanged {
			r.Lost++
			return nil
		}
		var tx TxBase
		f = &ranged{key: key, file: tx.NewFile(c, name, dir), total: total}
		r.files[key] = f
	}
	f.last = now
	return &Piece{of: r, to: f, at: start}
}

func (f *ranged) old(now int64) bool { return now-f.last > rangeAge || f.last-now > rangeAge }

func (r *Ranges) sweep(now int64) {
	for _, f := range r.files {
		if f.old(now) {
			r.drop(f)
		}
	}
}

// drop gives a file up.
func (r *Ranges) drop(f *ranged) {
	if r.files[f.key] != f {
		return
	}
	delete(r.files, f.key)
	r.Lost++
	for _, w := range f.waiting {
		r.held -= len(w.data)
	}
	f.waiting, f.file = nil, nil
}

// Write adds bytes to the piece.
func (p *Piece) Write(data []byte) {
	if p == nil || p.bad || len(data) == 0 {
		return
	}
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	switch f := p.to; {
	case f.file == nil:
	case len(p.wait.data) > 0 || p.at > f.file.Size:
		if p.of.held+len(data) > maxHeld {
			p.of.drop(f)
			break
		}
		if len(p.wait.data) == 0 {
			p.wait.start = p.at
		}
		p.of.held += len(data)
		p.wait.data = append(p.wait.data, data...)
	default:
		f.add(p.at, data)
	}
	p.at += uint64(len(data))
}

// add appends those bytes at an offset that are new.
func (f *ranged) add(at uint64, data []byte) {
	known := min(f.file.Size-at, uint64(len(data)))
	data = data[known:]
	f.file.Append(data[:min(uint64(len(data)), f.total-f.file.Size)], false)
}

// Gap ends the piece: what follows the lost bytes does not count.
func (p *Piece) Gap() {
	if p != nil {
		p.bad = true
	}
}

// Close ends the piece. When the file has come together, the transaction has it from now on.
func (p *Piece) Close(tx *TxBase) {
	if p == nil {
		return
	}
	r, f := p.of, p.to
	r.mu.Lock()
	defer r.mu.Unlock()
	if f.file == nil || len(f.waiting) >= maxWaiting {
		r.held -= len(p.wait.data)
		r.drop(f)
		return
	}
	if len(p.wait.data) > 0 {
		f.waiting = append(f.waiting, p.wait)
		slices.SortStableFunc(f.waiting, func(a, b held) int { return int(int64(a.start) - int64(b.start)) })
	}
	for len(f.waiting) > 0 && f.waiting[0].start <= f.file.Size {
		f.add(f.waiting[0].start, f.waiting[0].data)
		r.held -= len(f.waiting[0].data)
		f.waiting = slices.Delete(f.waiting, 0, 1)
	}
	if f.file.Size < f.total {
		return
	}
	f.file.Close()
	f.file.ID = uint64(len(tx.Files))
	tx.Files = append(tx.Files, f.file)
	tx.Touched[f.file.Dir] = true
	r.Joined++
	delete(r.files, f.key)
	f.file = nil
}
