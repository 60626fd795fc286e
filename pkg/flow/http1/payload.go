package http1

import (
	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/app/coding"
)

// bodyReader undoes content codings and fills the payload and the files of one message.
type bodyReader struct {
	started bool
	plain   bool // content codings are not undone
	chain   *coding.Chain
	file    *app.File
	opened  bool
	piece   *app.Piece // the body is a part of a file
	parts   *multipart
	held    int  // decoded bytes within the body limit
	stopped bool // the body limit is reached: what follows is not even decoded
}

// start is called once the headers are known.
func (b *bodyReader) start(p *Parser, s *side) {
	b.started = true
	m := s.tx.Of(s.dir)
	if !b.plain && (s.dir == app.ToClient || p.cfg.DecompressRequests) {
		tx := s.tx
		b.chain = coding.New(m.Joined("content-encoding"), coding.Config{Layers: p.cfg.DecompressLayers, Bomb: p.cfg.BombLimit},
			func(name string) { tx.Event("http." + name) })
	}
	if s.dir == app.ToServer {
		if boundary := multipartBoundary(m); boundary != nil {
			b.parts = newMultipart(boundary)
		}
	}
}

// write takes bytes of the body after transfer coding.
func (b *bodyReader) write(p *Parser, s *side, data []byte) {
	if len(data) == 0 {
		return
	}
	if b.stopped {
		s.tx.Of(s.dir).Body.Size += uint64(len(data))
		return
	}
	b.chain.Write(data, func(d []byte) bool { return b.sink(p, s, d) })
	s.tx.Advance(s.dir, Body)
}

// sink takes decoded bytes; false asks to stop.
func (b *bodyReader) sink(p *Parser, s *side, data []byte) bool {
	body, limit := &s.tx.Of(s.dir).Body, p.limit(s.dir)
	body.Size += uint64(len(data))
	if limit <= 0 || b.held+len(data) <= limit {
		b.hold(p, body, data)
		b.toFile(p, s, data, true)
		return true
	}
	full := b.held >= limit
	kept := data[:limit-b.held]
	body.Limited = true
	b.hold(p, body, kept)
	if b.stored() { // of a file that is to be kept all bytes are
		b.toFile(p, s, data, false)
		return true
	}
	b.toFile(p, s, kept, true)
	if full {
		b.stop(s)
	}
	return !full
}

// hold keeps bytes of a body for rules. Bodies become long: room doubles, and each byte is copied once or twice.
func (b *bodyReader) hold(p *Parser, body *Payload, data []byte) {
	b.held += len(data)
	if p.cfg.Files.Unread {
		return
	}
	if need := len(body.Data) + len(data); need > cap(body.Data) {
		body.Data = append(p.cfg.Bodies.Get(max(need, 2*cap(body.Data))), body.Data...) // files look into the old one until they get more
	}
	body.Data = append(body.Data, data...)
}

// stored reports whether a rule has asked to keep the file that the body is or holds at the moment.
func (b *bodyReader) stored() bool {
	return b.file != nil && b.file.Stored || b.parts != nil && b.parts.file != nil && b.parts.file.Stored
}

// stop ends decoding at the body limit.
func (b *bodyReader) stop(s *side) {
	b.stopped = true
	b.file.Truncate()
	if b.parts != nil {
		b.parts.end(s)
	}
}

func (p *Parser) limit(dir app.Direction) int {
	if dir == app.ToServer {
		return p.cfg.RequestBodyLimit
	}
	return p.cfg.ResponseBodyLimit
}

// open starts the file that the body is.
func (b *bodyReader) open(p *Parser, s *side) {
	b.opened = true
	b.file = p.openBody(s)
	if b.file == nil || b.file.Total == 0 {
		return
	}
	if _, coded := s.tx.Response.Get("content-encoding"); coded { // the range counts bytes of the coded file
		return
	}
	b.piece = p.cfg.Files.Ranges.Open(&p.cfg.Files, app.RangeKey(s.tx.Request.Host, b.file.Name), b.file.Name, s.dir, b.file.Start, b.file.Total, p.now)
}

// toFile feeds the file that the body is or holds; held says that the body ends with data.
func (b *bodyReader) toFile(p *Parser, s *side, data []byte, held bool) {
	if len(data) == 0 {
		return
	}
	if b.parts != nil {
		b.parts.write(p, s, data)
		return
	}
	if !b.opened {
		b.open(p, s)
	}
	b.piece.Write(data)
	if held && !p.cfg.Files.Unread {
		b.file.Extend(s.tx.Of(s.dir).Body.Data, len(data), !s.tx.Touched[s.dir])
	} else {
		b.file.Append(data, !s.tx.Touched[s.dir])
	}
}

// gap notes n bytes of the body lost.
func (b *bodyReader) gap(p *Parser, s *side, n int) {
	body := &s.tx.Of(s.dir).Body
	body.Wire += uint64(n)
	body.Size += uint64(n)
	if !b.opened && b.parts == nil {
		b.open(p, s)
	}
	b.file.Gap(n)
	b.piece.Gap()
	if b.parts != nil {
		b.parts.file.Gap(n)
	}
	b.chain.Drop()
}

// end closes the files of the message.
func (b *bodyReader) end(p *Parser, s *side, whole bool) {
	if !b.stopped {
		b.chain.Flush(func(d []byte) bool { return b.sink(p, s, d) })
	}
	if b.parts != nil {
		b.parts.end(s)
	}
	if whole {
		b.file.Close()
	} else {
		b.file.Truncate()
	}
	b.piece.Close(s.tx.Base())
	s.tx.Touch(s.dir)
}

// giveBack ends the use of the bodies that are complete.
func (t *Tx) giveBack(to *app.Buffers) {
	for dir, m := range [...]*Message{app.ToServer: &t.Request.Message, app.ToClient: &t.Response.Message} {
		if t.Complete[dir] {
			to.Put(m.Body.Data)
			m.Body.Data = nil
		}
	}
}
