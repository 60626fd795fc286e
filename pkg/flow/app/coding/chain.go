// Package coding undoes HTTP content codings (RFC 9110 §8.4) piece by piece: gzip, deflate and br, several in a row.
package coding

import (
	"bytes"
	"errors"

	"github.com/weir-ips/weir/pkg/flow/app/inflate"
)

// Config bounds a Chain.
type Config struct {
	Layers int // codings that are undone; what is coded more often stays coded
	Bomb   int // decoded bytes beyond which a ratio above 2048 ends decoding; 0: no limit
}

// What a Chain reports.
const (
	AbnormalName  = "abnormal_ce_header"        // the name of a coding is not a known one
	TooManyLayers = "too_many_encoding_layers"  // more codings than Config.Layers
	Failed        = "gzip_decompression_failed" // the bytes are not what the name says
	Bomb          = "compression_bomb"
)

// bombRatio is the compression above which a large body is a bomb, as in libhtp.
const bombRatio = 2048

// Chain undoes the codings of one body, outermost first. A nil Chain passes everything on.
type Chain struct {
	layers []*layer
	bomb   int64
	in     int64 // bytes written so far
	event  func(string)
}

// New makes the chain for a Content-Encoding value. event is told what is wrong, with the constants above.
func New(value []byte, c Config, event func(string)) *Chain {
	ch := &Chain{bomb: int64(c.Bomb), event: event}
	if c.Layers == 0 || len(value) == 0 {
		return ch
	}
	for _, token := range bytes.FieldsFunc(clean(value), func(r rune) bool { return r == ',' || r == ' ' || r == '\t' }) {
		formats, known := formatsOf(token)
		if !known {
			event(AbnormalName)
		}
		if formats == nil {
			continue
		}
		if len(ch.layers) >= c.Layers {
			event(TooManyLayers)
			break
		}
		// Codings are listed in the order they were applied: the last one is undone first.
		ch.layers = append([]*layer{{formats: formats}}, ch.layers...)
	}
	return ch
}

// clean lowers letters and drops zero bytes, as browsers do.
func clean(b []byte) []byte {
	return bytes.ToLower(bytes.ReplaceAll(b, []byte{0}, nil))
}

// formatsOf returns what to try for a coding's name, nothing for identity, and whether the name is a known one.
func formatsOf(token []byte) ([]format, bool) {
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

// Write decodes data and hands the result to sink in pieces, which are lent, until sink returns false.
func (c *Chain) Write(data []byte, sink func([]byte) bool) {
	if c == nil {
		sink(data)
		return
	}
	c.in += int64(len(data))
	c.write(0, data, sink)
}

func (c *Chain) write(i int, data []byte, sink func([]byte) bool) bool {
	if i >= len(c.layers) {
		return sink(data)
	}
	ok := true
	c.layers[i].write(c, data, func(d []byte) bool {
		ok = c.write(i+1, d, sink)
		return ok
	})
	return ok
}

// Flush hands over what layers still hold back at the end of the body.
func (c *Chain) Flush(sink func([]byte) bool) {
	if c == nil {
		return
	}
	for i, l := range c.layers {
		if l.out == 0 && !l.pass && len(l.head) > 0 {
			head := l.head
			l.head, l.pass = nil, true
			c.write(i+1, head, sink)
		}
	}
}

// Drop forgets the codings: bytes were lost, the rest cannot be decoded.
func (c *Chain) Drop() {
	if c != nil {
		c.layers = nil
	}
}

// layer undoes one coding. Servers name codings wrongly, so while nothing has been decoded a failure tries the next
// format with the same bytes, and at last passes them on as they are.
type layer struct {
	formats []format
	dec     decoder
	head    []byte // what was fed before anything came out
	out     int64
	pass    bool
}

// maxHead bounds what is kept to try another format.
const maxHead = 64 << 10

func (l *layer) write(c *Chain, data []byte, out func([]byte) bool) {
	if l.pass {
		out(data)
		return
	}
	if l.dec == nil {
		l.dec = l.formats[0].decoder()
	}
	if l.out == 0 && len(l.head)+len(data) <= maxHead {
		l.head = append(l.head, data...)
	}
	err := l.dec.Write(data, l.counted(c, out))
	for err != nil && l.out == 0 && !l.pass {
		if l.formats = l.formats[1:]; len(l.formats) == 0 {
			c.event(Failed)
			l.pass = true
			out(l.head)
			l.head = nil
			return
		}
		l.dec = l.formats[0].decoder()
		err = l.dec.Write(l.head, l.counted(c, out))
	}
	if errors.Is(err, inflate.ErrCorrupt) || errors.Is(err, errBrotli) {
		c.event(Failed)
		l.pass = true
	}
}

// counted watches how much comes out of what the chain was given, to end compression bombs.
func (l *layer) counted(c *Chain, out func([]byte) bool) func([]byte) bool {
	return func(d []byte) bool {
		l.out += int64(len(d))
		l.head = nil
		if c.bomb > 0 && l.out > c.bomb && l.out/bombRatio > c.in {
			c.event(Bomb)
			return false
		}
		return out(d)
	}
}
