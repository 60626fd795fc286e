package wire

import (
	"encoding/binary"
	"strconv"
	"time"
)

// Stages are when an alert passed what lies between its packet's capture and the store. The zero time says that nobody noted it. Inspected
// and Sent are by the sensor's clock, Bus by that of the bus's server, the others by the collector's.
type Stages struct {
	Inspected time.Time `json:"inspected,omitzero"` // inspection handed it to the uplink
	Sent      time.Time `json:"sent,omitzero"`      // its batch left the sensor's spool, the time that it arrived
	Bus       time.Time `json:"bus,omitzero"`       // the bus had its batch
	Received  time.Time `json:"received,omitzero"`  // the collector took the batch from the bus
	Stored    time.Time `json:"stored,omitzero"`    // the store wrote it; the disk has it a moment later
}

// HeaderSent is a batch's header that says when it left the sensor, in Unix nanoseconds: a batch is encoded before it is spooled, and may
// be sent more than once.
const HeaderSent = "Weir-Sent"

// FormatSent is the value of HeaderSent for a batch that leaves at t.
func FormatSent(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }

// ParseSent undoes FormatSent; what it does not understand is the zero time.
func ParseSent(value string) time.Time {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// Before a batch's data goes a frame that decompressors pass over (RFC 8878, section 3.1.2), so that a collector that does not know it takes
// the batch all the same: number and length (32 bits each, little endian), then for each event Stages.Inspected after its Time (varint, ns;
// 0 when it was not noted).
const (
	stampsMagic  = 0x184D2A57
	stampsHeader = 8
)

// appendStamps appends the frame, or nothing when no event has a stamp.
func appendStamps(dst []byte, events []Event) []byte {
	at, noted := len(dst), false
	dst = binary.LittleEndian.AppendUint32(dst, stampsMagic)
	dst = append(dst, 0, 0, 0, 0)
	for i := range events {
		after := int64(0)
		if s := events[i].Stages.Inspected; !s.IsZero() {
			after, noted = s.UnixNano()-events[i].Time.UnixNano(), true
		}
		dst = binary.AppendVarint(dst, after)
	}
	if !noted {
		return dst[:at]
	}
	binary.LittleEndian.PutUint32(dst[at+4:], uint32(len(dst)-at-stampsHeader))
	return dst
}

// takeStamps gives the events of msg their stamps. A frame that is damaged or of another form costs them, not the batch.
func takeStamps(msg []byte, events []Event) {
	if len(msg) < stampsHeader || binary.LittleEndian.Uint32(msg) != stampsMagic {
		return
	}
	size := binary.LittleEndian.Uint32(msg[4:])
	msg = msg[stampsHeader:]
	if uint64(size) > uint64(len(msg)) {
		return
	}
	r := reader{b: msg[:size]}
	for i := range events {
		after := r.varint()
		if r.err != nil {
			return
		}
		if after != 0 {
			events[i].Stages.Inspected = time.Unix(0, events[i].Time.UnixNano()+after).UTC()
		}
	}
}
