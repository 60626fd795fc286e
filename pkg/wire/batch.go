package wire

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"time"
)

// Limits of a batch: a sensor sends when one of the first three is reached.
const (
	MaxBatchEvents = 200
	MaxBatchBytes  = 64 << 10               // uncompressed; the event that crosses it still belongs to the batch
	MaxBatchDelay  = 100 * time.Millisecond // from the first event in it
	MaxEVE         = 256 << 10              // one record
	maxBatchRaw    = MaxBatchBytes + MaxEVE + 4096
	maxCategory    = 256
)

// Event is one alert as it crosses to the collector: the EVE record, and beside it what the collector decides by, so that
// it need not parse the record.
type Event struct {
	ID        string         // EventID(sensor, boot, n, i); not encoded: it follows from the event's place
	Sensor    string         // who saw it; not encoded: the batch's
	Time      time.Time      // of the packet
	SID       uint32         // signature id
	Severity  uint8          // 1 highest; Suricata's priority
	Proto     uint8          // IP protocol number
	Src       netip.AddrPort // the endpoint a source verdict would stop: EVE's src_ip unless the rule targets it
	Dst       netip.AddrPort
	Handshake bool   // Src completed a TCP handshake in this flow: its address is not forged
	Category  string // EVE alert.category
	EVE       []byte // one JSON object, no newline
	Stages    Stages // when it passed what on its way; of them only Inspected is encoded
}

// Batch is up to MaxBatchEvents events of one sensor.
//
// Encoded: a frame of stamps (see appendStamps), which may be missing, and zstd of version 1, then sensor, boot (strings), n, count (uvarints), then each event: time (varint, Unix ns),
// sid (uvarint), severity, proto, flags (bytes; bit 0 handshake), src, dst (strings in netip's binary form), category,
// EVE (strings). A string is its length as uvarint and its bytes.
type Batch struct {
	Sensor string
	Boot   string // one run of the sensor: random, so that n never repeats under it
	N      uint64 // grows by 1 for each batch of a boot
	Events []Event
}

const batchVersion = 1

// MessageID is the batch's Nats-Msg-Id: the stream drops a second copy.
func (b *Batch) MessageID() string {
	return b.Sensor + ":" + b.Boot + ":" + strconv.FormatUint(b.N, 10)
}

// EventID names event i of batch n; the store keeps only one of each.
func EventID(sensor, boot string, n uint64, i int) string {
	return sensor + ":" + boot + ":" + strconv.FormatUint(n, 10) + ":" + strconv.Itoa(i)
}

// CheckEvent says whether e may enter a batch.
func CheckEvent(e *Event) error {
	switch {
	case len(e.EVE) > MaxEVE:
		return fmt.Errorf("event of sid %d: EVE record of %d bytes, at most %d", e.SID, len(e.EVE), MaxEVE)
	case len(e.Category) > maxCategory:
		return fmt.Errorf("event of sid %d: category of %d bytes, at most %d", e.SID, len(e.Category), maxCategory)
	case e.Src.Addr().Zone() != "" || e.Dst.Addr().Zone() != "":
		return fmt.Errorf("event of sid %d: address with a zone", e.SID)
	}
	return nil
}

// Encode appends the compressed batch to dst.
func (b *Batch) Encode(dst []byte) ([]byte, error) {
	if err := b.check(); err != nil {
		return nil, fmt.Errorf("encode batch: %w", err)
	}
	raw := make([]byte, 0, MaxBatchBytes)
	raw = append(raw, batchVersion)
	raw = appendString(raw, b.Sensor)
	raw = appendString(raw, b.Boot)
	raw = binary.AppendUvarint(raw, b.N)
	raw = binary.AppendUvarint(raw, uint64(len(b.Events)))
	for i := range b.Events {
		if err := CheckEvent(&b.Events[i]); err != nil {
			return nil, fmt.Errorf("encode batch: %w", err)
		}
		raw = appendEvent(raw, &b.Events[i])
	}
	if len(raw) > maxBatchRaw {
		return nil, fmt.Errorf("encode batch: %d bytes, at most %d", len(raw), maxBatchRaw)
	}
	return deflate(appendStamps(dst, b.Events), raw), nil
}

func (b *Batch) check() error {
	if err := CheckName(b.Sensor); err != nil {
		return fmt.Errorf("sensor: %w", err)
	}
	if err := CheckName(b.Boot); err != nil {
		return fmt.Errorf("boot: %w", err)
	}
	if len(b.Events) == 0 || len(b.Events) > MaxBatchEvents {
		return fmt.Errorf("%d events in a batch, want 1-%d", len(b.Events), MaxBatchEvents)
	}
	return nil
}

func appendEvent(raw []byte, e *Event) []byte {
	raw = binary.AppendVarint(raw, e.Time.UnixNano())
	raw = binary.AppendUvarint(raw, uint64(e.SID))
	var flags byte
	if e.Handshake {
		flags |= 1
	}
	raw = append(raw, e.Severity, e.Proto, flags)
	raw = appendAddrPort(raw, e.Src)
	raw = appendAddrPort(raw, e.Dst)
	raw = appendString(raw, e.Category)
	return appendString(raw, string(e.EVE))
}

// DecodeBatch undoes Encode. The events' EVE slices share one buffer. The result holds less than 512 KB.
func DecodeBatch(msg []byte) (*Batch, error) {
	raw, err := inflate(msg, maxBatchRaw)
	if err != nil {
		return nil, fmt.Errorf("decode batch: %w", err)
	}
	r := reader{b: raw}
	if v := r.byte(); v != batchVersion && r.err == nil {
		return nil, fmt.Errorf("decode batch: %w: version %d, want %d", ErrMalformed, v, batchVersion)
	}
	b := &Batch{Sensor: string(r.bytes(maxName)), Boot: string(r.bytes(maxName)), N: r.uvarint()}
	count := r.uvarint()
	if r.err == nil && count > MaxBatchEvents {
		return nil, fmt.Errorf("decode batch: %w: %d events, at most %d", ErrMalformed, count, MaxBatchEvents)
	}
	for i := 0; i < int(count) && r.err == nil; i++ {
		e := r.event()
		e.ID, e.Sensor = EventID(b.Sensor, b.Boot, b.N, i), b.Sensor
		b.Events = append(b.Events, e)
	}
	if r.err == nil && len(r.b) > 0 {
		r.fail("%d bytes after the last event", len(r.b))
	}
	if r.err == nil {
		r.err = b.check()
	}
	if r.err != nil {
		return nil, fmt.Errorf("decode batch: %w", r.err)
	}
	takeStamps(msg, b.Events)
	return b, nil
}
