package store

import (
	_ "embed"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// dictionary is text that EVE records share, given to the compressor beforehand. Files outlive the program: never change it,
// add another with the next id.
//
//go:embed dictionary1.txt
var dictionary []byte

const (
	dictionaryID = 1
	frameEvents  = 64
	frameBytes   = 64 << 10
)

// codec packs EVE records into frames: what records of one moment have in common is stored once.
//
// A frame is zstd over, for each record: length (uvarint), bytes.
type codec struct {
	enc *zstd.Encoder // belongs to the writer goroutine
	dec *zstd.Decoder
	buf []byte
}

func newCodec() (*codec, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderDictRaw(dictionaryID, dictionary),
		zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(256<<10))
	if err != nil {
		return nil, fmt.Errorf("EVE compressor: %w", err)
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderDictRaw(dictionaryID, dictionary),
		zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(frameBytes+maxEVE+frameEvents*binary.MaxVarintLen64))
	if err != nil {
		return nil, fmt.Errorf("EVE decompressor: %w", err)
	}
	return &codec{enc: enc, dec: dec}, nil
}

// encode packs the first n of items.
func (c *codec) encode(items []item) (frame []byte, n int) {
	c.buf = c.buf[:0]
	for n < len(items) && n < frameEvents && len(c.buf) < frameBytes {
		c.buf = binary.AppendUvarint(c.buf, uint64(len(items[n].EVE)))
		c.buf = append(c.buf, items[n].EVE...)
		n++
	}
	return c.enc.EncodeAll(c.buf, nil), n
}

var errFrame = errors.New("EVE frame is damaged")

// decode unpacks record i of a frame.
func (c *codec) decode(frame []byte, i uint64) (json.RawMessage, error) {
	data, err := c.dec.DecodeAll(frame, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errFrame, err)
	}
	for {
		size, k := binary.Uvarint(data)
		if k <= 0 || size > uint64(len(data)-k) {
			return nil, errFrame
		}
		data = data[k:]
		if i == 0 {
			return json.RawMessage(data[:size:size]), nil
		}
		data, i = data[size:], i-1
	}
}
