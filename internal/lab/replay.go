package lab

import (
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"

	"github.com/weir-ips/weir/pkg/capture"
	"github.com/weir-ips/weir/pkg/decode"
)

// ReplayResult counts what became of a capture's frames.
type ReplayResult struct {
	Sent    uint64
	Skipped uint64 // cut by the capture, too long for the interface, no IP, or of a link type other than Ethernet and raw IP
}

// Replay sends the frames of the capture file at path out of the host's eth0 to its router, rate a second, 0: as fast as it can.
// The MACs are rewritten; the addresses within are sent as they are.
func Replay(ctx context.Context, from *Host, path string, rate int) (result ReplayResult, err error) {
	file, err := capture.Open(path)
	if err != nil {
		return result, fmt.Errorf("lab: replay: %w", err)
	}
	defer file.Close()
	s, err := openFrames(from.Namespace, "eth0", 0)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	pace := newPacer(rate)
	frames := make([]capture.Frame, batchFrames)
	for {
		due := pace.wait(ctx)
		if due == 0 {
			return result, fmt.Errorf("lab: replay of %s: %w", path, ctx.Err())
		}
		n, err := file.Recv(frames[:due], 0)
		if errors.Is(err, io.EOF) {
			return result, nil
		}
		if err != nil {
			return result, fmt.Errorf("lab: replay: %w", err)
		}
		if err := result.send(s, from, frames[:n]); err != nil {
			return result, err
		}
	}
}

func (r *ReplayResult) send(s *frameSocket, from *Host, frames []capture.Frame) error {
	queued := uint64(0)
	sent := 0
	for i := range frames {
		size := putReplayed(s.next(), from, &frames[i].Frame)
		if size == 0 {
			r.Skipped++
			continue
		}
		queued++
		n, err := s.add(size)
		sent += n
		if err != nil {
			return err
		}
	}
	n, err := s.flush()
	sent += n
	r.Sent += uint64(sent)
	r.Skipped += queued - uint64(sent)
	return err
}

// putReplayed writes the frame with new MACs and returns its length, 0 when it cannot be sent.
func putReplayed(b []byte, from *Host, f *decode.Frame) int {
	data := f.Data
	if f.WireLen > len(data) || len(data)+ethLen > len(b) {
		return 0
	}
	switch f.Link {
	case decode.LinkEthernet:
		if len(data) < ethLen {
			return 0
		}
		n := copy(b, data)
		copy(b, from.RouterMAC[:])
		copy(b[6:], from.MAC[:])
		return n
	case decode.LinkRaw, decode.LinkIPv4, decode.LinkIPv6:
		if len(data) == 0 {
			return 0
		}
		etherType := uint16(unix.ETH_P_IP)
		if data[0]>>4 == 6 {
			etherType = unix.ETH_P_IPV6
		}
		return ethLen + copy(putEthernet(b, from.RouterMAC, from.MAC, etherType), data)
	}
	return 0
}
