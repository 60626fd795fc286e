package enforce

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"

	"github.com/weir-ips/weir/bpf"
)

// Samples reads the heads of dropped packets. It is used by one goroutine.
type Samples = records[bpf.Sample]

// Sightings reads packets to destinations for which bpf.StepSight is in force, those of fingerprints and other drops included:
// at most bpf.SightsPerTick a destination and tick of about 64 ms. It is used by one goroutine.
type Sightings = records[bpf.Sighting]

// OpenSamples opens the ring of samples; only one reader may.
func (e *Enforcer) OpenSamples() (*Samples, error) {
	return open[bpf.Sample]("samples", e.sensor.Samples())
}

// OpenSightings opens the ring of sightings; only one reader may.
func (e *Enforcer) OpenSightings() (*Sightings, error) {
	return open[bpf.Sighting]("sightings", e.sensor.Sightings())
}

// records reads a ring of fixed records.
type records[T any] struct {
	name   string
	r      *ringbuf.Reader
	record ringbuf.Record
}

func open[T any](name string, ring *ebpf.Map) (*records[T], error) {
	r, err := ringbuf.NewReader(ring)
	if err != nil {
		return nil, fmt.Errorf("enforce: %s: %w", name, err)
	}
	return &records[T]{name: name, r: r}, nil
}

// Next waits for a record; ok is false when none came. After Close it returns os.ErrClosed.
func (s *records[T]) Next(wait time.Duration) (record T, ok bool, err error) {
	s.r.SetDeadline(time.Now().Add(wait))
	err = s.r.ReadInto(&s.record)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return record, false, nil
	case err != nil:
		return record, false, fmt.Errorf("enforce: %s: %w", s.name, err)
	}
	if _, err := binary.Decode(s.record.RawSample, binary.LittleEndian, &record); err != nil {
		return record, false, fmt.Errorf("enforce: %s: %w", s.name, err)
	}
	return record, true, nil
}

// Close ends a waiting Next.
func (s *records[T]) Close() error { return s.r.Close() }
