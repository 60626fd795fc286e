package wire

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// maxInflated bounds what any compressed message may grow to, in bytes: a snapshot part is the largest.
const maxInflated = 4 << 20

// Both are safe for concurrent EncodeAll and DecodeAll, and costly to build, so each program builds one.
var (
	encoder = sync.OnceValue(func() *zstd.Encoder {
		e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2), zstd.WithWindowSize(1<<20))
		if err != nil {
			panic("wire: zstd encoder options: " + err.Error()) // constant options
		}
		return e
	})
	decoder = sync.OnceValue(func() *zstd.Decoder {
		d, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxInflated), zstd.WithDecoderConcurrency(2))
		if err != nil {
			panic("wire: zstd decoder options: " + err.Error()) // constant options
		}
		return d
	})
)

func deflate(dst, b []byte) []byte { return encoder().EncodeAll(b, dst) }

// inflate undoes deflate; a result longer than limit (at most maxInflated) is an error.
func inflate(b []byte, limit int) ([]byte, error) {
	out, err := decoder().DecodeAll(b, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: zstd: %w", ErrMalformed, err)
	}
	if len(out) > limit {
		return nil, fmt.Errorf("%w: %d bytes uncompressed, at most %d", ErrMalformed, len(out), limit)
	}
	return out, nil
}
