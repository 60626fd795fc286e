package smb

import "github.com/weir-ips/weir/pkg/flow/app"

// fileKey names a file in transit: its handle and the way it goes.
type fileKey struct {
	handle string
	dir    app.Direction
}

// transfer is a file in transit. Pieces may come out of order; those ahead wait, within limits.
type transfer struct {
	tx   *Tx
	file *app.File
	next uint64
	wait map[uint64][]byte
	held int
}

// Limits of what waits for an earlier piece of a file.
const (
	maxPieces = 64
	maxHeld   = 1 << 20
)

// transferOf returns the transfer of a handle, starting it when there is none.
func (p *Parser) transferOf(version uint8, handle string, dir app.Direction, command string, like *Tx) *transfer {
	k := fileKey{handle, dir}
	if f := p.files[k]; f != nil {
		return f
	}
	if len(p.files) >= maxHandles {
		return nil
	}
	t := p.begin(version, command)
	if t == nil {
		return nil
	}
	t.IsFile, t.FileName, t.FUID = true, p.names[handle], []byte(handle)
	t.SessionID, t.TreeID = like.SessionID, like.TreeID
	t.Status, t.StatusCode = "STATUS_SUCCESS", 0
	f := &transfer{tx: t, file: t.NewFile(&p.cfg.Files, t.FileName, dir)}
	t.OneWay, t.Dir = true, dir
	p.files[k] = f
	return f
}

// write takes a piece of the file.
func (f *transfer) write(offset uint64, data []byte) {
	if len(data) == 0 {
		return
	}
	dir := f.tx.Dir
	switch {
	case offset > f.next:
		f.keep(offset, data)
		return
	case offset+uint64(len(data)) <= f.next:
		f.tx.Event("smb.file_overlap")
		return
	}
	data = data[f.next-offset:]
	f.file.Append(data, !f.tx.Touched[dir])
	f.next += uint64(len(data))
	f.tx.Touch(dir)
	f.drain()
}

// keep holds a piece that is ahead; when too much waits the hole before it is given up.
func (f *transfer) keep(offset uint64, data []byte) {
	if f.wait == nil {
		f.wait = map[uint64][]byte{}
	}
	if f.held+len(data) <= maxHeld {
		for start, old := range f.wait {
			if start+uint64(len(old)) == offset { // a message that comes in pieces
				f.wait[start] = append(old, data...)
				f.held += len(data)
				return
			}
		}
	}
	if len(f.wait) >= maxPieces || f.held+len(data) > maxHeld {
		if f.skipHole(); len(f.wait) == 0 && f.next < offset {
			f.file.Gap(int(min(offset-f.next, 1<<30)))
			f.next = offset
		}
		f.write(offset, data)
		return
	}
	f.held += len(data) - len(f.wait[offset])
	f.wait[offset] = append([]byte{}, data...)
}

// drain writes what has been waiting for the place that is reached.
func (f *transfer) drain() {
	for len(f.wait) > 0 {
		data, ok := f.wait[f.next]
		if !ok {
			return
		}
		delete(f.wait, f.next)
		f.held -= len(data)
		f.file.Append(data, false)
		f.next += uint64(len(data))
	}
}

// skipHole gives up the bytes before the first waiting piece; without one that is close, all that waits.
func (f *transfer) skipHole() {
	first, ok := uint64(0), false
	for off := range f.wait {
		if off >= f.next && (!ok || off < first) {
			first, ok = off, true
		}
	}
	if !ok {
		f.wait, f.held = nil, 0
		return
	}
	f.file.Gap(int(min(first-f.next, 1<<30)))
	f.next = first
	f.drain()
}

// gap notes n bytes lost at offset.
func (f *transfer) gap(offset uint64, n int) {
	if offset == f.next {
		f.file.Gap(n)
		f.next += uint64(n)
		f.drain()
	}
}

// end closes the file: whole when its handle was closed.
func (f *transfer) end(whole bool) {
	for len(f.wait) > 0 {
		before := len(f.wait)
		f.skipHole()
		if len(f.wait) >= before {
			break
		}
	}
	if whole {
		f.file.Close()
	} else {
		f.file.Truncate()
	}
	for dir := range f.tx.Complete {
		done(f.tx, app.Direction(dir))
	}
}

// closeHandle ends what was open under a handle.
func (p *Parser) closeHandle(handle string) {
	for _, dir := range [...]app.Direction{app.ToServer, app.ToClient} {
		k := fileKey{handle, dir}
		if f := p.files[k]; f != nil {
			f.end(true)
			delete(p.files, k)
		}
	}
	delete(p.names, handle)
	delete(p.pipes, handle)
}
