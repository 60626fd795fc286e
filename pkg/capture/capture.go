// Package capture brings frames in, says what was lost, and carries out what was decided about each.
package capture

import (
	"time"

	"github.com/weir-ips/weir/pkg/decode"
)

// Fate is what becomes of a frame once it is given back. The zero value forwards: a frame that nobody judged moves on.
type Fate uint8

// Fates. A passive source ignores them: its frames were copies.
const (
	Forward Fate = iota // send it on (gwlb: hairpin to the load balancer; bridge: the other port)
	Discard             // drop it
)

// Frame is one frame on loan from a Source until the batch is given back with Done.
type Frame struct {
	decode.Frame
	Fate  Fate
	Queue uint16 // receive queue or ring
	slot  uint64 // the source's own handle (UMEM address, ring position)

	member  uint16 // of the sockets dealt out, the one that it came by
	chained bool   // it lies in several buffers, the first of which is slot
}

// Source is one stream of frames: an AF_XDP socket, a kernel ring buffer, a capture file. It is used by one goroutine.
type Source interface {
	// Recv fills frames from the front and returns how many; 0 after wait without traffic. io.EOF: no more will come.
	Recv(frames []Frame, wait time.Duration) (int, error)
	// Done gives the frames of the last Recv back; an inline source now forwards or drops each by its Fate.
	Done(frames []Frame) error
	// Inline reports whether Fate is obeyed.
	Inline() bool
	Stats() Stats
	Close() error
}

// Sender is an inline Source that can send frames of one's own, the way forwarded ones go.
type Sender interface {
	// Send copies the answer to a frame on loan and sends it with the next Done: onward, the way that the frame is forwarded, or back
	// to where it came from; to a load balancer that is the same. False if there is no room, or it is longer than a buffer. To be
	// called between Recv and Done, by their goroutine.
	Send(to *Frame, answer []byte, onward bool) bool
}

// Stats are a source's counters since it was opened. They may be read from another goroutine.
type Stats struct {
	Frames    uint64 // handed to the reader
	Chained   uint64 // of those, in several buffers (AF_XDP)
	Bytes     uint64
	Forwarded uint64
	Dropped   uint64 // discarded by Fate
	Lost      uint64 // lost before the reader saw them: ring full
	Abandoned uint64 // lost with the process before, which was killed: they waited for it, or it had them
	TxFull    uint64 // forwarded frames that found no room to send and were lost
	TxRefused uint64 // buffers of forwarded frames that the kernel would not send
	Sent      uint64 // frames of our own

	HandedOver    uint64 // frames that another worker inspects, because it has their conversation
	BehindPassed  uint64 // frames that moved on uninspected, because the worker that has their conversation was behind
	BehindDropped uint64 // frames that were dropped for that

	Truncated uint64 // capture files: records that the end of the file cut short (0 or 1)
}
