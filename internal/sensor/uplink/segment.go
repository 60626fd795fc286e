package uplink

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"

	"github.com/weir-ips/weir/pkg/wire"
)

// A segment file <lane>-<number, 16 hex digits>.seg is a row of records:
//
//	u32 length of the body    big-endian
//	u32 CRC-32C of the body
//	body: u16 length of the message id, message id, u16 number of events, the encoded batch
//
// A record that the file ends within was being written when the process died; it and what follows it is ignored.
const (
	recordHeader = 8
	bodyHeader   = 4
)

type recordState uint8

const (
	queued recordState = iota
	inFlight
	done
)

type record struct {
	offset int64 // of the header
	length int   // of the body
	events int
	state  recordState
}

type segment struct {
	path    string
	lane    int
	number  uint64
	size    int64
	file    *os.File // while it takes batches
	records []record
	left    int  // records not done
	first   int  // no record before it is queued
	damaged int  // records lost to a torn or changed file
	gone    bool // dropped
}

func castagnoli(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

func createSegment(dir string, lane int, number uint64) (*segment, error) {
	path := filepath.Join(dir, fmt.Sprintf("%d-%016x.seg", lane+1, number))
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	return &segment{path: path, lane: lane, number: number, file: f}, nil
}

// readSegment finds the records in the file at path.
func readSegment(path string) (*segment, error) {
	g := &segment{path: path}
	if _, err := fmt.Sscanf(filepath.Base(path), "%d-%x.seg", &g.lane, &g.number); err != nil || g.lane < 1 || g.lane > lanes {
		return nil, fmt.Errorf("%s is not named <severity 1-%d>-<number>.seg", path, lanes)
	}
	g.lane--
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	g.size = int64(len(data))
	g.scan(data)
	return g, nil
}

func (g *segment) scan(data []byte) {
	for at := 0; at < len(data); {
		body, err := bodyAt(data[at:])
		if err != nil {
			g.damaged++
			return
		}
		_, events, _, err := splitBody(body)
		if err != nil {
			g.damaged++
			return
		}
		g.records = append(g.records, record{offset: int64(at), length: len(body), events: events})
		g.left++
		at += recordHeader + len(body)
	}
}

var errDamaged = errors.New("damaged record")

// bodyAt checks the record that b begins with.
func bodyAt(b []byte) ([]byte, error) {
	if len(b) < recordHeader {
		return nil, errDamaged
	}
	n := binary.BigEndian.Uint32(b)
	if n > wire.MaxMessage || int(n) > len(b)-recordHeader {
		return nil, errDamaged
	}
	body := b[recordHeader : recordHeader+n]
	if castagnoli(body) != binary.BigEndian.Uint32(b[4:]) {
		return nil, errDamaged
	}
	return body, nil
}

func splitBody(body []byte) (id string, events int, payload []byte, err error) {
	if len(body) < bodyHeader {
		return "", 0, nil, errDamaged
	}
	n := int(binary.BigEndian.Uint16(body))
	if len(body) < bodyHeader+n {
		return "", 0, nil, errDamaged
	}
	return string(body[2 : 2+n]), int(binary.BigEndian.Uint16(body[2+n:])), body[bodyHeader+n:], nil
}

// append writes one record and returns its length.
func (g *segment) append(id string, events int, payload []byte) (int64, error) {
	b := make([]byte, recordHeader, recordHeader+bodyHeader+len(id)+len(payload))
	b = binary.BigEndian.AppendUint16(b, uint16(len(id)))
	b = append(b, id...)
	b = binary.BigEndian.AppendUint16(b, uint16(events))
	b = append(b, payload...)
	body := b[recordHeader:]
	binary.BigEndian.PutUint32(b, uint32(len(body)))
	binary.BigEndian.PutUint32(b[4:], castagnoli(body))
	if _, err := g.file.Write(b); err != nil {
		return 0, err
	}
	g.records = append(g.records, record{offset: g.size, length: len(body), events: events})
	g.left++
	g.size += int64(len(b))
	return int64(len(b)), nil
}

// queued is the index of the oldest record that waits, -1 if none.
func (g *segment) queued() int {
	for ; g.first < len(g.records); g.first++ {
		if g.records[g.first].state == queued {
			return g.first
		}
	}
	return -1
}

func (g *segment) requeue(i int) {
	g.records[i].state = queued
	g.first = min(g.first, i)
}

func (g *segment) finish(i int) {
	if g.records[i].state != done {
		g.records[i].state = done
		g.left--
	}
}

// rewind empties a segment whose records are all done.
func (g *segment) rewind() error {
	if err := g.file.Truncate(0); err != nil {
		return err
	}
	g.records, g.size, g.first = nil, 0, 0
	return nil
}

// waiting counts the events not delivered.
func (g *segment) waiting() int64 {
	var n int64
	for i := range g.records {
		if g.records[i].state != done {
			n += int64(g.records[i].events)
		}
	}
	return n
}

func (g *segment) read(i int) (*parcel, error) {
	f, err := os.Open(g.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := &g.records[i]
	b := make([]byte, recordHeader+r.length)
	if _, err := f.ReadAt(b, r.offset); err != nil {
		return nil, err
	}
	body, err := bodyAt(b)
	if err != nil {
		return nil, err
	}
	id, events, payload, err := splitBody(body)
	if err != nil {
		return nil, err
	}
	return &parcel{id: id, lane: g.lane, events: events, payload: payload, from: g, index: i}, nil
}

// close ends writing; the segment can still be read.
func (g *segment) close() error {
	if g.file == nil {
		return nil
	}
	err := g.file.Close()
	g.file = nil
	return err
}
