package coding

import (
	"errors"
	"io"

	"github.com/andybalholm/brotli"

	"github.com/weir-ips/weir/pkg/flow/app/inflate"
)

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

func (f format) decoder() decoder {
	switch f {
	case gzipFormat:
		return inflate.New(inflate.Gzip)
	case zlibFormat:
		return inflate.New(inflate.Zlib)
	case rawFormat:
		return inflate.New(inflate.Raw)
	}
	d := &brotliDecoder{}
	d.r = brotli.NewReader(&d.src)
	return d
}

var errBrotli = errors.New("coding: corrupt brotli stream")

// brotliDecoder feeds a brotli.Reader piece by piece: its source fails when a piece is used up, and reading goes on
// with the next one.
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
