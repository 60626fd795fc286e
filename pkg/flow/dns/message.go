package dns

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

const headerLen = 12

var (
	errHeader = errors.New("dns: message shorter than its header")
	errRecord = errors.New("dns: question or answer runs out of the message")
)

// Read reads a message that another protocol carries. It also returns the events that the message gives rise to; the message
// is nil when it is not readable.
func Read(msg []byte) (m *Message, events []string) {
	m = &Message{}
	if err := m.parse(msg); err != nil {
		return nil, []string{"dns.malformed_data"}
	}
	events, m.events = m.events, nil
	return m, events
}

// parse reads a whole message. A fault in questions or answers is an error, one in the later sections an event.
func (m *Message) parse(msg []byte) error {
	if len(msg) < headerLen {
		return errHeader
	}
	m.ID, m.Flags = binary.BigEndian.Uint16(msg), binary.BigEndian.Uint16(msg[2:])
	kept := make([]byte, len(msg), 3*len(msg)) // the message, then its names, which pointers make longer
	copy(kept, msg)
	r := reader{msg: kept[:len(msg):len(msg)], names: kept[len(msg):], off: headerLen, m: m}
	for n := binary.BigEndian.Uint16(msg[4:]); n > 0; n-- {
		name, ok := r.name()
		typ, ok1 := r.uint16()
		class, ok2 := r.uint16()
		if !ok || !ok1 || !ok2 {
			return errRecord
		}
		m.Queries = append(m.Queries, Query{Name: name, Type: typ, Class: class})
	}
	var ok bool
	if m.Answers, ok = r.records(binary.BigEndian.Uint16(msg[6:])); !ok {
		return errRecord
	}
	if m.Authorities, ok = r.records(binary.BigEndian.Uint16(msg[8:])); !ok {
		m.events = append(m.events, "dns.invalid_authorities")
		return nil
	}
	if m.Additionals, ok = r.records(binary.BigEndian.Uint16(msg[10:])); !ok {
		m.events = append(m.events, "dns.invalid_additionals")
	}
	return nil
}

// reader walks through a message.
type reader struct {
	msg   []byte // the Message's own: records point into it
	off   int
	names []byte   // read so far
	m     *Message // takes events
}

func (r *reader) event(name string) {
	for _, e := range r.m.events {
		if e == name {
			return
		}
	}
	r.m.events = append(r.m.events, name)
}

func (r *reader) uint16() (uint16, bool) {
	if r.off+2 > len(r.msg) {
		return 0, false
	}
	v := binary.BigEndian.Uint16(r.msg[r.off:])
	r.off += 2
	return v, true
}

func (r *reader) uint32() (uint32, bool) {
	if r.off+4 > len(r.msg) {
		return 0, false
	}
	v := binary.BigEndian.Uint32(r.msg[r.off:])
	r.off += 4
	return v, true
}

// records reads n resource records; what was read before a fault is kept.
func (r *reader) records(n uint16) (list []Record, ok bool) {
	const least = 11 // bytes of a record with an empty name
	if most := (len(r.msg) - r.off) / least; n > 0 && most > 0 {
		list = make([]Record, 0, min(int(n), most))
	}
	for ; n > 0; n-- {
		list = append(list, Record{})
		if !r.record(&list[len(list)-1]) {
			return list[:len(list)-1], false
		}
	}
	return list, true
}

// record reads one resource record (RFC 1035 §3.2.1).
func (r *reader) record(rec *Record) bool {
	var ok [5]bool
	var size uint16
	rec.Name, ok[0] = r.name()
	rec.Type, ok[1] = r.uint16()
	rec.Class, ok[2] = r.uint16()
	rec.TTL, ok[3] = r.uint32()
	size, ok[4] = r.uint16()
	if ok != [5]bool{true, true, true, true, true} || r.off+int(size) > len(r.msg) {
		return false
	}
	end := r.off + int(size)
	rec.Data = r.msg[r.off:end:end]
	if size > 0 && !r.data(rec, end) {
		return false
	}
	r.off = end
	return true
}

// Types of records whose data is read.
const (
	typeA     = 1
	typeNS    = 2
	typeCNAME = 5
	typeSOA   = 6
	typePTR   = 12
	typeMX    = 15
	typeTXT   = 16
	typeAAAA  = 28
	typeSRV   = 33
	typeSSHFP = 44
)

// data fills the typed field of a record whose data ends at end.
func (r *reader) data(rec *Record, end int) bool {
	d := reader{msg: r.msg[:end], off: r.off, names: r.names, m: r.m}
	defer func() { r.names = d.names }()
	ok := true
	switch rec.Type {
	case typeA, typeAAAA:
		rec.Addr, _ = netip.AddrFromSlice(rec.Data)
	case typeMX:
		_, ok = d.uint16()
		rec.Target = new(Name)
		if ok {
			*rec.Target, ok = d.name()
		}
	case typeNS, typeCNAME, typePTR:
		rec.Target = new(Name)
		*rec.Target, ok = d.name()
	case typeTXT:
		rec.Text = texts(rec.Data)
	case typeSOA:
		rec.SOA, ok = d.soa()
	case typeSRV:
		rec.SRV, ok = d.srv()
	case typeSSHFP:
		if len(rec.Data) >= 2 {
			rec.SSHFP = &SSHFP{Algorithm: rec.Data[0], Type: rec.Data[1], Fingerprint: rec.Data[2:]}
		}
	}
	return ok
}

// texts parts character strings (RFC 1035 §3.3.14); a cut last one is kept as far as it goes.
func texts(data []byte) [][]byte {
	var list [][]byte
	for len(data) > 0 {
		n := min(int(data[0]), len(data)-1)
		list = append(list, data[1:1+n])
		data = data[1+n:]
	}
	return list
}

func (r *reader) soa() (*SOA, bool) {
	s := new(SOA)
	var ok bool
	if s.MName, ok = r.name(); !ok {
		return nil, false
	}
	if s.RName, ok = r.name(); !ok {
		return nil, false
	}
	for _, v := range [...]*uint32{&s.Serial, &s.Refresh, &s.Retry, &s.Expire, &s.Minimum} {
		if *v, ok = r.uint32(); !ok {
			return nil, false
		}
	}
	return s, true
}

func (r *reader) srv() (*SRV, bool) {
	s := new(SRV)
	var ok bool
	for _, v := range [...]*uint16{&s.Priority, &s.Weight, &s.Port} {
		if *v, ok = r.uint16(); !ok {
			return nil, false
		}
	}
	s.Target, ok = r.name()
	return s, ok
}
