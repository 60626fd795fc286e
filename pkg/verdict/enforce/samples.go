package enforce

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cilium/ebpf/ringbuf"

	"github.com/weir-ips/weir/bpf"
)

// Samples reads the heads of dropped packets. It is used by one goroutine.
type Samples struct {
	r      *ringbuf.Reader
	record ringbuf.Record
}

// OpenSamples opens the ring of samples; only one reader may.
func (e *Enforcer) OpenSamples() (*Samples, error) {
	r, err := ringbuf.NewReader(e.sensor.Samples())
	if err != nil {
		return nil, fmt.Errorf("enforce: samples: %w", err)
	}
	return &Samples{r: r}, nil
}

// Next waits for a sample; ok is false when none came. After Close it returns os.ErrClosed.
func (s *Samples) Next(wait time.Duration) (sample bpf.Sample, ok bool, err error) {
	s.r.SetDeadline(time.Now().Add(wait))
	err = s.r.ReadInto(&s.record)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return sample, false, nil
	case err != nil:
		return sample, false, fmt.Errorf("enforce: samples: %w", err)
	}
	if _, err := binary.Decode(s.record.RawSample, binary.LittleEndian, &sample); err != nil {
		return sample, false, fmt.Errorf("enforce: samples: %w", err)
	}
	return sample, true, nil
}

// Close ends a waiting Next.
func (s *Samples) Close() error { return s.r.Close() }
