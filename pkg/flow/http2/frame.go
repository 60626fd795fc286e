package http2

import (
	"encoding/binary"

	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/app/coding"
)

// dispatch reads a whole frame.
func (p *Parser) dispatch(s *side, f *frameHeader, b []byte) {
	if f.Type == frameContinuation {
		p.continuation(s, f, b)
		return
	}
	if f.Type > frameContinuation {
		return // unknown types are to be ignored
	}
	t := p.txOf(s.dir, f.stream)
	if t == nil {
		return
	}
	m := t.Of(s.dir)
	if len(m.Frames) >= maxFrames {
		t.Event("http2.too_many_frames")
	} else {
		m.Frames = append(m.Frames, f.Frame)
	}
	t.Touch(s.dir)
	switch f.Type {
	case frameHeaders:
		p.headersFrame(s, f, b, t)
	case framePriority:
		p.priority(t, b)
	case frameReset:
		p.errorCode(t, m, b)
		if st := p.streams[f.stream]; st != nil {
			p.resetStream(st, s.dir)
		}
	case frameSettings:
		p.settings(s, f, t, m, b)
	case framePush:
		if b = unpad(f, b); len(b) >= 4 {
			p.startBlock(s, f, binary.BigEndian.Uint32(b)&0x7fffffff, b[4:])
		}
	case frameGoAway:
		if len(b) >= 8 {
			p.errorCode(t, m, b[4:])
		} else {
			t.Event("http2.invalid_frame_length")
		}
	case frameWindow:
		if len(b) != 4 {
			t.Event("http2.invalid_frame_length")
		} else if len(m.WindowUpdates) < maxList16 {
			m.WindowUpdates = append(m.WindowUpdates, binary.BigEndian.Uint32(b)&0x7fffffff)
		}
	}
}

// unpad drops the padding of a frame (RFC 9113 §6.1).
func unpad(f *frameHeader, b []byte) []byte {
	if f.Flags&flagPadded == 0 || len(b) == 0 {
		return b
	}
	n := int(b[0])
	b = b[1:]
	return b[:max(0, len(b)-n)]
}

func (p *Parser) priority(t *Tx, b []byte) {
	if len(b) != 5 {
		t.Event("http2.invalid_frame_length")
		return
	}
	t.Priority, t.HasPriority = b[4], true
}

func (p *Parser) errorCode(t *Tx, m *Message, b []byte) {
	if len(b) < 4 {
		t.Event("http2.invalid_frame_length")
		return
	}
	m.ErrorCode, m.HasError = binary.BigEndian.Uint32(b), true
}

// settings reads SETTINGS (RFC 9113 §6.5). A table size is what the other side's encoder may use.
func (p *Parser) settings(s *side, f *frameHeader, t *Tx, m *Message, b []byte) {
	if len(b)%6 != 0 {
		t.Event("http2.invalid_frame_length")
		return
	}
	for ; len(b) >= 6; b = b[6:] {
		set := Setting{ID: binary.BigEndian.Uint16(b), Value: binary.BigEndian.Uint32(b[2:])}
		if len(m.Settings) < maxList16 {
			m.Settings = append(m.Settings, set)
		}
		if set.ID == 1 {
			other := &p.sides[s.dir.Opposite()].headers
			other.limit = int(min(set.Value, maxTable))
		}
	}
}

// headersFrame starts a header block (RFC 9113 §6.2).
func (p *Parser) headersFrame(s *side, f *frameHeader, b []byte, t *Tx) {
	if f.stream == 0 {
		t.Event("http2.invalid_header")
		return
	}
	b = unpad(f, b)
	if f.Flags&flagPriority != 0 {
		if len(b) < 5 {
			t.Event("http2.invalid_frame_length")
			return
		}
		t.Priority, t.HasPriority = b[4], true
		b = b[5:]
	}
	p.startBlock(s, f, f.stream, b)
}

// startBlock begins a header block; without END_HEADERS it goes on in CONTINUATION frames.
func (p *Parser) startBlock(s *side, f *frameHeader, id uint32, b []byte) {
	s.of, s.ends = id, f.Type == frameHeaders && f.Flags&flagEndStream != 0
	if f.Flags&flagEndHeaders != 0 {
		p.endBlock(s, b)
		return
	}
	s.of = f.stream
	s.blockIn = true
	s.block = append(s.block[:0], b...)
}

func (p *Parser) continuation(s *side, f *frameHeader, b []byte) {
	if !s.blockIn {
		p.fail(s, "http2.invalid_frame_data")
		return
	}
	if len(s.block)+len(b) > maxBlock {
		p.fail(s, "http2.reassembly_limit_reached")
		return
	}
	s.block = append(s.block, b...)
	if f.Flags&flagEndHeaders != 0 {
		s.blockIn = false
		p.endBlock(s, s.block)
		s.block = s.block[:0]
	}
}

// endBlock decodes a header block. Decoding must go on even for a stream that is not kept: the table depends on it.
func (p *Parser) endBlock(s *side, b []byte) {
	blk, err := s.headers.decode(b)
	st := p.open(s.of)
	if st == nil {
		return
	}
	t, m := st.tx, st.tx.Of(s.dir)
	if err != nil {
		t.Event(map[error]string{errHeader: "http2.invalid_header", errOverflow: "http2.header_integer_overflow", errBomb: "http2.compression_bomb"}[err])
	}
	m.SizeUpdates = append(m.SizeUpdates, blk.updates[:min(len(blk.updates), maxList16-min(maxList16, len(m.SizeUpdates)))]...)
	interim := s.dir == app.ToClient && isInterim(blk.fields)
	if st.seen[s.dir] {
		m.Trailers = append(m.Trailers, blk.fields[:min(len(blk.fields), maxFields-min(maxFields, len(m.Trailers)))]...)
		t.Advance(s.dir, Trailer)
	} else if !interim {
		st.seen[s.dir] = true
		m.Headers = blk.fields
		p.fields(st, s.dir, m)
		t.Advance(s.dir, Headers)
	}
	t.Touch(s.dir)
	if s.ends {
		p.endStream(st, s.dir, true)
	}
}

// isInterim tells a 1xx response, which another one follows.
func isInterim(fields []Header) bool {
	for i := range fields {
		if string(fields[i].Name) == ":status" {
			return len(fields[i].Value) == 3 && fields[i].Value[0] == '1'
		}
	}
	return false
}

// fields picks out what rules ask for by name, and prepares the body.
func (p *Parser) fields(st *stream, dir app.Direction, m *Message) {
	t := st.tx
	for i := range m.Headers {
		h := &m.Headers[i]
		switch string(h.Name) {
		case ":method":
			t.Method = h.Value
		case ":path":
			t.RawURI, t.URI = h.Value, h.Value
		case ":status":
			t.Status = h.Value
		}
	}
	if dir == app.ToServer {
		p.host(t, m)
	}
	p.dnsFields(st, dir, m)
	st.chain[dir] = coding.New(m.Joined("content-encoding"), coding.Config{Layers: p.cfg.DecompressLayers, Bomb: p.cfg.BombLimit},
		func(name string) {
			if name == coding.Bomb {
				t.Event("http2.compression_bomb")
			} else if name == coding.Failed {
				t.Event("http2.failed_decompression")
			}
		})
}

// maxReset bounds the streams that are open only because their client gave them up: it must expect what is under way (RFC 9113
// §5.1).
const maxReset = 16

// resetStream ends a stream that one side gives up. What the server has sent before it hears of that still belongs to it.
func (p *Parser) resetStream(st *stream, by app.Direction) {
	p.endStream(st, app.ToServer, false)
	if by == app.ToClient {
		p.endStream(st, app.ToClient, false)
	}
	if st.tx.Complete[app.ToClient] {
		return
	}
	if len(p.reset) >= maxReset {
		if old := p.streams[p.reset[0]]; old != nil {
			p.endStream(old, app.ToClient, false)
		}
		p.reset = append(p.reset[:0], p.reset[1:]...)
	}
	p.reset = append(p.reset, st.tx.StreamID)
}

// endStream completes one direction of a stream.
func (p *Parser) endStream(st *stream, dir app.Direction, whole bool) {
	if st.tx.Complete[dir] {
		return
	}
	st.chain[dir].Flush(func(d []byte) bool { return p.sink(st, dir, d) })
	if whole {
		st.file[dir].Close()
	} else {
		st.file[dir].Truncate()
	}
	if dir == app.ToClient {
		st.piece.Close(st.tx.Base())
	}
	p.message(st, dir)
	st.tx.Of(dir).Done = true
	st.tx.Advance(dir, Complete)
	st.tx.Complete[dir] = true
	if st.tx.Complete[dir.Opposite()] {
		delete(p.streams, st.tx.StreamID)
	}
}
