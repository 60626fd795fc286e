package dns

import "encoding/binary"

// Limits of names. A longer name is cut and raises an event; pointers are followed maxPointers times, so that a loop
// ends. All names of a message together keep maxNames bytes, for pointers would let a small message name a long name
// thousands of times.
const (
	maxNames    = 1 << 17
	MaxName     = 1025
	maxLabels   = 255
	maxPointers = 128
)

// name reads a possibly compressed domain name (RFC 1035 §4.1.4) at the reader's place.
func (r *reader) name() (Name, bool) {
	var n Name
	start := len(r.names)
	n.Bytes = r.names[start:start:start]
	off, jumped, labels := r.off, false, 0
	for pointers := 0; ; {
		if n.Truncated && jumped {
			return n, true
		}
		if off >= len(r.msg) {
			return n, false
		}
		c := int(r.msg[off])
		switch {
		case c == 0:
			if !jumped {
				r.off = off + 1
			}
			return n, true
		case c&0xc0 == 0xc0:
			if off+2 > len(r.msg) {
				return n, false
			}
			target := int(binary.BigEndian.Uint16(r.msg[off:]) & 0x3fff)
			if !jumped {
				r.off = off + 2
				jumped = true
			}
			if pointers++; target == off || pointers > maxPointers {
				r.event("dns.infinite_loop")
				n.Truncated = true
				return n, true
			}
			off = target
		case c&0xc0 != 0:
			return n, false
		default:
			if off+1+c > len(r.msg) {
				return n, false
			}
			labels++
			r.label(&n, r.msg[off+1:off+1+c], labels)
			n.Bytes = r.names[start:len(r.names):len(r.names)]
			off += 1 + c
		}
	}
}

// label appends a label, up to the limits.
func (r *reader) label(n *Name, label []byte, count int) {
	if n.Truncated {
		return
	}
	if count > maxLabels {
		r.event("dns.too_many_labels")
		n.Truncated = true
		return
	}
	if len(n.Bytes) > 0 {
		r.names = append(r.names, '.')
	}
	if room := min(MaxName-len(n.Bytes)-min(1, len(n.Bytes)), maxNames-r.m.names); len(label) > room {
		label = label[:max(0, room)]
		r.event("dns.name_too_long")
		n.Truncated = true
	}
	r.names = append(r.names, label...)
	r.m.names += len(label)
}
