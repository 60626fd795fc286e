package lab

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// Wire sends and receives whole frames on an interface: the load balancer's or a stranger's hand on the cable.
type Wire struct {
	s       *frameSocket
	waiting [][]byte
}

// OpenWire opens an interface of a namespace. It sees what arrives, not what the namespace sends.
func OpenWire(n *Namespace, dev string) (*Wire, error) {
	s, err := openFrames(n, dev, unix.ETH_P_ALL)
	if err != nil {
		return nil, err
	}
	if err := s.incomingOnly(); err != nil {
		s.close()
		return nil, fmt.Errorf("lab: wire on %s/%s: %w", n.Host, dev, err)
	}
	return &Wire{s: s}, nil
}

// Send sends the frames and returns how many the interface took.
func (w *Wire) Send(frames ...[]byte) (sent int, err error) {
	for _, f := range frames {
		if len(f) > maxFrame {
			return sent, fmt.Errorf("lab: a frame of %d bytes; at most %d expected", len(f), maxFrame)
		}
		n, err := w.s.add(copy(w.s.next(), f))
		sent += n
		if err != nil {
			return sent, err
		}
	}
	n, err := w.s.flush()
	return sent + n, err
}

// Recv returns a copy of the next frame, nil when none came within 100 ms.
func (w *Wire) Recv() ([]byte, error) {
	if len(w.waiting) == 0 {
		n, err := w.s.recv()
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		for i := range n {
			w.waiting = append(w.waiting, bytes.Clone(w.s.frame(i)))
		}
	}
	if len(w.waiting) == 0 {
		return nil, nil
	}
	f := w.waiting[0]
	w.waiting = w.waiting[1:]
	return f, nil
}

// Close closes the wire; the interface stays.
func (w *Wire) Close() error { return w.s.close() }
