package decode

// IPv6 extension headers (IANA).
const (
	extHopByHop = 0
	extRouting  = 43
	extFragment = 44
	extAH       = 51
	extNone     = 59
	extDestOpts = 60
)

func (d *Decoder) ipv6(p *Packet, b []byte) {
	if len(b) < 40 {
		p.fail(IPv6PacketTooSmall)
		return
	}
	if b[0]>>4 != 6 {
		p.fail(IPv6WrongIPVersion)
		return
	}
	end := 40 + int(be16(b[4:]))
	if end > len(b) {
		p.Events.Add(IPv6TruncatedPacket)
		if !p.readCut(d) {
			p.Invalid = true
			return
		}
		end = len(b)
		p.cut = true
	}
	p.IPVersion, p.IPOffset = 6, cap(p.Data)-cap(b)
	p.TOS = b[0]<<4 | b[1]>>4
	p.TTL = b[7]
	copy(p.Src[:], b[8:24])
	copy(p.Dst[:], b[24:40])
	w := extWalk{p: p, b: b[:end:end], at: 40, next: b[6], link: 6}
	more := w.walk()
	p.Proto = w.next
	p.IPHeader, p.IPPayload = b[:w.at:w.at], b[w.at:end:end]
	if more && !p.Fragment {
		d.transport(p, p.IPPayload)
	}
}

// extWalk walks the extension headers of one packet (RFC 8200 §4).
type extWalk struct {
	p    *Packet
	b    []byte // the packet
	at   int    // offset of the header that next describes
	next uint8
	link int // offset of the field that next stands in
	seen extSet
}

type extSet struct{ hop, routing, fragment, ah, dest uint8 }

// walk stops at the transport header and returns true; false means that there is nothing to read behind at.
func (w *extWalk) walk() bool {
	for w.p.deeper() {
		if w.at > 40 && len(w.b)-w.at < 2 && w.next != extNone {
			w.p.fail(IPv6TruncatedExt)
			return false
		}
		switch w.next {
		case extHopByHop:
			if !w.options(&w.seen.hop, 1, IPv6ExtDuplicateHopByHop, IPv6HopOptsUnknownOption, IPv6HopOptsOnlyPadding) {
				return false
			}
		case extDestOpts: // may stand before a routing header and again before the transport
			if !w.options(&w.seen.dest, 2, IPv6ExtDuplicateDestOpts, IPv6DestOptsUnknownOption, IPv6DestOptsOnlyPadding) {
				return false
			}
		case extRouting:
			h, ok := w.take(&w.seen.routing, 1, IPv6ExtDuplicateRouting, 8)
			if !ok {
				return false
			}
			if h[2] == 0 {
				w.p.Events.Add(IPv6RoutingType0)
			}
		case extFragment:
			if !w.fragment() {
				return false
			}
		case extAH:
			h, ok := w.take(&w.seen.ah, 1, IPv6ExtDuplicateAH, 4)
			if !ok {
				return false
			}
			if be16(h[2:]) != 0 {
				w.p.Events.Add(IPv6ExtAHReservedNotNull)
			}
		case extNone:
			if w.at < len(w.b) {
				w.p.Events.Add(IPv6DataAfterNoneHeader)
			}
			return false
		default:
			return true
		}
	}
	return false
}

// take steps over one header of (length field × unit + fixed part) bytes; max is how many there may be of its kind.
func (w *extWalk) take(count *uint8, max uint8, duplicate Event, unit int) ([]byte, bool) {
	rest := w.b[w.at:]
	if len(rest) < 8 {
		w.p.fail(IPv6TruncatedExt)
		return nil, false
	}
	n := 8 + int(rest[1])*unit
	if n > len(rest) {
		w.p.fail(IPv6TruncatedExt)
		return nil, false
	}
	if *count++; *count > max {
		w.p.Events.Add(duplicate)
	}
	w.next, w.link = rest[0], w.at
	w.at += n
	return rest[:n], true
}

func (w *extWalk) fragment() bool {
	rest := w.b[w.at:]
	if len(rest) < 8 {
		w.p.fail(IPv6TruncatedExt)
		return false
	}
	p := w.p
	if w.seen.fragment++; w.seen.fragment > 1 {
		p.fail(IPv6ExtDuplicateFrag)
		return false
	}
	if rest[1] != 0 {
		p.Events.Add(IPv6FragNonZeroReservedField)
	}
	field := be16(rest[2:])
	p.FragOff, p.IPFlags = field&^7, uint8(field&1)
	p.IPID = be32(rest[4:])
	p.fragHeader, p.fragLink = uint16(w.at), uint16(w.link)
	w.next, w.link = rest[0], w.at
	w.at += 8
	switch {
	case field&0xfff9 == 0: // an atomic fragment (RFC 6946)
		p.Events.Add(IPv6ExtUselessFrag)
		return true
	case field&1 != 0 && (len(w.b)-w.at)%8 != 0:
		p.Events.Add(IPv6FragmentInvalidLength)
	}
	p.Fragment = true
	return false
}

// IPv6 options (IANA).
const (
	opt6Pad1  = 0
	opt6PadN  = 1
	opt6RA    = 5
	opt6Jumbo = 0xc2
	opt6HAO   = 0xc9
)

func (w *extWalk) options(count *uint8, max uint8, duplicate, unknown, onlyPadding Event) bool {
	h, ok := w.take(count, max, duplicate, 8)
	if !ok {
		return false
	}
	padding := true
	for o := h[2:]; len(o) > 0; {
		if o[0] == opt6Pad1 {
			o = o[1:]
			continue
		}
		if len(o) < 2 || int(o[1]) > len(o)-2 {
			w.p.Events.Add(IPv6ExtInvalidOptionLength)
			break
		}
		n := int(o[1])
		padding = padding && o[0] == opt6PadN
		switch o[0] {
		case opt6PadN:
			if n == 0 {
				w.p.Events.Add(IPv6ZeroLengthPadN)
			}
		case opt6RA:
			w.optionLength(n, 2)
		case opt6Jumbo:
			w.optionLength(n, 4)
		case opt6HAO:
			w.optionLength(n, 16)
		default:
			w.p.Events.Add(unknown)
		}
		o = o[2+n:]
	}
	if padding {
		w.p.Events.Add(onlyPadding)
	}
	return true
}

func (w *extWalk) optionLength(n, want int) {
	if n != want {
		w.p.Events.Add(IPv6ExtInvalidOptionLength)
	}
}
