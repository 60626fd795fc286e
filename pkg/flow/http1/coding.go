package http1

import (
	"bytes"
	"errors"
	"io"

	"github.com/andybalholm/brotli"

	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/app/inflate"
)

// layer undoes one content coding. Servers name codings wrongly, so while nothing has been decoded a failure tries the
// next format with the same bytes, and at last passes them on as they are.
type layer struct {
	formats []format
	dec     decoder
	head    []byte // what the current format was fed before it gave anything
	out     int64
	in      int64
	pass    bool
}

// maxHead bounds what is kept to try another format.
const maxHead = 64 << 10

type format uint8

const (
	gzipFormat format = iota
	zlibFormat
	rawFormat
	brotliFormat
)

type decoder interface {
	Write(data []byte, out func([]byte) bool) error
}

func newDecoder(f format) decoder {
	switch f {
	case gzipFormat:
		return inflate.New(inflate.Gzip)
	case zlibFormat:
		return inflate.New(inflate.Zlib)
	case rawFormat:
		return inflate.New(inflate.Raw)
	}
	return newBrotli()
}

// layers makes the chain that undoes the Content-Encoding fields, outermost first.
func (p *Parser) layers(s *side, m *Message) []*layer {
	value := lowerNoNul(m.Joined("content-encoding"))
	if len(value) == 0 || p.cfg.DecompressLayers == 0 {
		return nil
	}
	var chain []*layer
	for _, token := range bytes.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' }) {
		formats, known := codingFormats(token)
		if !known {
			s.tx.Event("http.abnormal_ce_header")
		}
		if formats == nil {
			continue
		}
		if len(chain) >= p.cfg.DecompressLayers {
			s.tx.Event("http.too_many_encoding_layers")
			break
		}
		chain = append(chain, &layer{formats: formats})
	}
	// Codings are listed in the order they were applied: the last one is undone first.
	for i, j := 0, len(chain)-1; i < j; i, j = i+1, j-1 {
		chain[i], chain[j] = chain[j], chain[i]
	}
	return chain
}

// codingFormats returns what to try for a coding's name, nothing for identity, and whether the name is a known one.
func codingFormats(token []byte) ([]format, bool) {
	switch string(token) {
	case "gzip", "x-gzip":
		return []format{gzipFormat, zlibFormat}, true
	case "deflate", "x-deflate":
		return []format{zlibFormat, rawFormat, gzipFormat}, true
	case "br":
		return []format{brotliFormat}, true
	case "identity", "inflate", "none", "lzma":
		return nil, true
	}
	switch {
	case bytes.Contains(token, []byte("gzip")):
		return []format{gzipFormat, zlibFormat}, false
	case bytes.Contains(token, []byte("deflate")):
		return []format{zlibFormat, rawFormat, gzipFormat}, false
	}
	return nil, false
}

// decode passes data through the chain to sink.
func (p *Parser) decode(s *side, chain []*layer, data []byte, sink func([]byte) bool) bool {
	if len(chain) == 0 {
		return sink(data)
	}
	ok := true
	chain[0].write(p, s, data, func(d []byte) bool {
		ok = p.decode(s, chain[1:], d, sink)
		return ok
	})
	return ok
}

// flush passes on what layers still hold back at the end of the body.
func (p *Parser) flush(s *side, b *bodyReader) {
	for i, l := range b.layers {
		if l.out == 0 && !l.pass && len(l.head) > 0 && !b.stopped {
			head := l.head
			l.head = nil
			p.decode(s, b.layers[i+1:], head, func(d []byte) bool { return b.sink(p, s, d) })
		}
	}
	b.layers = nil
}

func (l *layer) write(p *Parser, s *side, data []byte, out func([]byte) bool) {
	l.in += int64(len(data))
	if l.pass {
		out(data)
		return
	}
	if l.dec == nil {
		l.dec = newDecoder(l.formats[0])
	}
	if l.out == 0 && len(l.head)+len(data) <= maxHead {
		l.head = append(l.head, data...)
	}
	err := l.dec.Write(data, l.counted(p, s, out))
	for err != nil && l.out == 0 && !l.pass {
		if l.formats = l.formats[1:]; len(l.formats) == 0 {
			s.tx.Event("http.gzip_decompression_failed")
			l.pass = true
			out(l.head)
			l.head = nil
			return
		}
		l.dec = newDecoder(l.formats[0])
		err = l.dec.Write(l.head, l.counted(p, s, out))
	}
	if errors.Is(err, inflate.ErrCorrupt) || errors.Is(err, errBrotli) {
		s.tx.Event("http.gzip_decompression_failed")
		l.pass = true
	}
}

// counted watches how much comes out, to end compression bombs.
func (l *layer) counted(p *Parser, s *side, out func([]byte) bool) func([]byte) bool {
	return func(d []byte) bool {
		l.out += int64(len(d))
		l.head = nil
		if p.cfg.BombLimit > 0 && l.out > int64(p.cfg.BombLimit) && l.out/bombRatio > l.in {
			s.tx.Event("http.compression_bomb")
			return false
		}
		return out(d)
	}
}

// bombRatio is the compression above which a large body is a bomb, as in libhtp.
const bombRatio = 2048

var errBrotli = errors.New("http1: corrupt brotli stream")

// brotliDecoder feeds a brotli.Reader piece by piece: its source returns nothing when a piece is used up, and reading
// goes on with the next one.
type brotliDecoder struct {
	r   *brotli.Reader
	src pieces
	buf [4096]byte
}

type pieces struct{ data []byte }

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.data) == 0 {
		return 0, io.ErrNoProgress
	}
	n := copy(b, p.data)
	p.data = p.data[n:]
	return n, nil
}

func newBrotli() *brotliDecoder {
	d := &brotliDecoder{}
	d.r = brotli.NewReader(&d.src)
	return d
}

func (d *brotliDecoder) Write(data []byte, out func([]byte) bool) error {
	d.src.data = data
	for {
		n, err := d.r.Read(d.buf[:])
		if n > 0 && !out(d.buf[:n]) {
			return io.ErrShortWrite
		}
		switch {
		case err == io.EOF || err == io.ErrNoProgress:
			return nil
		case err != nil:
			return errBrotli
		}
	}
}

var _ app.Parser = (*Parser)(nil)
