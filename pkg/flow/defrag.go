package flow

import "github.com/weir-ips/weir/pkg/decode"

type defragmenter struct{}

func (d *defragmenter) init(c *DefragConfig, os []OSPolicy) {}
func (d *defragmenter) expire(now int64, s *DefragStats)    {}
func (d *defragmenter) reset()                              {}

const maxPackets = 16

// Unpack decodes a frame, opens its tunnels, and puts fragments together. It returns the packets in order of inspection:
// innermost first. They are valid until the next call.
func (t *Tracker) Unpack(f decode.Frame) []*decode.Packet {
	n := 0
	t.dec.Decode(&t.layers[0], f)
	for n < decode.MaxDepth && t.dec.Inner(&t.layers[n], &t.layers[n+1]) {
		n++
	}
	t.order = t.order[:0]
	for ; n >= 0; n-- {
		t.order = append(t.order, &t.layers[n])
	}
	return t.order
}
