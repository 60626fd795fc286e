package http2

import (
	"bytes"

	"github.com/weir-ips/weir/pkg/flow/app"
)

// data begins a DATA frame; its payload is passed on piece by piece.
func (p *Parser) data(s *side, f *frameHeader, b []byte) int {
	if f.stream == 0 {
		p.fail(s, "http2.data_stream_zero")
		return 0
	}
	used, n := headerLen, int(f.Length)
	s.padding = 0
	if f.Flags&flagPadded != 0 && n > 0 {
		if len(b) < headerLen+1 {
			return 0
		}
		s.padding = min(int(b[headerLen]), n-1)
		used, n = used+1, n-1
	}
	st := p.streams[f.stream]
	if st == nil || st.tx.Complete[s.dir] {
		if t := p.global(s.dir); t != nil && st == nil {
			t.Event("http2.stream_id_reuse")
		}
		s.data, s.skip = nil, n
		return used
	}
	if m := st.tx.Of(s.dir); len(m.Frames) < maxFrames {
		m.Frames = append(m.Frames, f.Frame)
	}
	s.data, s.skip, s.end = st, n, f.Flags&flagEndStream != 0
	if n == 0 {
		p.dataEnd(s)
	}
	return used
}

// dataPiece handles bytes of the frame being read.
func (p *Parser) dataPiece(s *side, b []byte) {
	st := s.data
	if st == nil {
		return
	}
	if over := s.padding - s.skip; over > 0 { // the end of b is padding already
		b = b[:max(0, len(b)-over)]
	}
	if len(b) > 0 {
		m := st.tx.Of(s.dir)
		m.Wire += uint64(len(b))
		st.chain[s.dir].Write(b, func(d []byte) bool { return p.sink(st, s.dir, d) })
		st.tx.Advance(s.dir, Body)
	}
	if s.skip == 0 {
		p.dataEnd(s)
	}
}

func (p *Parser) dataEnd(s *side) {
	if s.data != nil && s.end {
		p.endStream(s.data, s.dir, true)
	}
	s.data = nil
}

// sink takes decoded bytes of a body: all for the file, up to the limit for rules.
func (p *Parser) sink(st *stream, dir app.Direction, data []byte) bool {
	m := st.tx.Of(dir)
	limit := p.cfg.RequestBodyLimit
	if dir == app.ToClient {
		limit = p.cfg.ResponseBodyLimit
	}
	if st.file[dir] == nil && m.BodySize == 0 {
		st.file[dir] = st.tx.NewFile(&p.cfg.Files, p.fileName(st.tx, m), dir)
		p.fileRange(st, dir, m)
	}
	if dir == app.ToClient {
		st.piece.Write(data)
	}
	m.BodySize += uint64(len(data))
	st.file[dir].Append(data, !st.tx.Touched[dir])
	if p.cfg.Files.Unread && !st.doh[dir] {
		return true
	}
	if limit > 0 {
		data = data[:min(len(data), limit-len(m.Body))]
	}
	m.Body = append(m.Body, data...)
	return true
}

// fileRange notes which part of a file a 206 response holds.
func (p *Parser) fileRange(st *stream, dir app.Direction, m *Message) {
	f := st.file[dir]
	v, ok := m.Get("content-range")
	if f == nil || !ok || dir == app.ToServer || string(st.tx.Status) != "206" {
		return
	}
	if !f.SetRange(v) {
		st.tx.Event("http2.range_invalid")
		return
	}
	if _, coded := m.Get("content-encoding"); !coded { // else the range counts bytes of the coded file
		st.piece = p.cfg.Files.Ranges.Open(&p.cfg.Files, app.RangeKey(st.tx.Host, f.Name), f.Name, dir, f.Start, f.Total, p.now)
	}
}

// gap ends the piece of a file that a body is.
func (st *stream) gap(dir app.Direction) {
	if dir == app.ToClient {
		st.piece.Gap()
	}
}

// fileName is the name in Content-Disposition, else the path.
func (p *Parser) fileName(t *Tx, m *Message) []byte {
	if cd, ok := m.Get("content-disposition"); ok {
		if i := indexFold(cd, "filename="); i >= 0 {
			name, _, _ := bytes.Cut(cd[i+len("filename="):], []byte(";"))
			if name = bytes.Trim(name, " \t\""); len(name) > 0 {
				return name
			}
		}
	}
	path, _, _ := bytes.Cut(t.RawURI, []byte("?"))
	return path
}

// indexFold is bytes.Index without regard to ASCII case.
func indexFold(b []byte, s string) int {
	for i := 0; i+len(s) <= len(b); i++ {
		if bytes.EqualFold(b[i:i+len(s)], []byte(s)) {
			return i
		}
	}
	return -1
}

// host reads :authority, or else the host field; they should agree.
func (p *Parser) host(t *Tx, m *Message) {
	authority, ok := m.Get(":authority")
	host, hasHost := m.Get("host")
	if !ok {
		authority = host
	} else if hasHost && !bytes.EqualFold(authority, host) {
		t.Event("http2.authority_host_mismatch")
	}
	if authority == nil {
		return
	}
	t.RawHost = authority
	if i := bytes.LastIndexByte(authority, '@'); i >= 0 {
		t.Event("http2.userinfo_in_uri")
		authority = authority[i+1:]
	}
	if i := bytes.LastIndexByte(authority, ':'); i >= 0 && bytes.IndexByte(authority[i:], ']') < 0 {
		authority = authority[:i]
	}
	t.Host = bytes.ToLower(authority)
}
