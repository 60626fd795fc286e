// Package handshake reads the hello messages of TLS (RFC 8446 §4.1), which QUIC carries too, and computes the
// fingerprints JA3, JA3S and JA4 of them.
package handshake

import "encoding/binary"

// Hello is what one side offered or chose. Byte slices are copies.
type Hello struct {
	Seen       bool
	Version    uint16 // the hello's version field, not the supported_versions extension
	Random     []byte // 32 bytes; the first 4 are a time in old clients
	SessionID  []byte
	Ciphers    []uint16 // offered; the server's one choice
	Extensions []uint16 // in order, GREASE included
	Versions   []uint16 // supported_versions
	Groups     []uint16 // supported_groups
	Points     []byte   // ec_point_formats
	Signatures []uint16 // signature_algorithms
	SNI        []byte   // nil when absent (client only)
	ALPN       [][]byte
	Ticket     []byte   // session_ticket, nil when absent
	Bodies     [][]byte // the extensions' data, parallel to Extensions
}

// Agreed is the version that a server hello chooses.
func (h *Hello) Agreed() uint16 {
	if len(h.Versions) == 1 {
		return h.Versions[0]
	}
	return h.Version
}

// Offered returns the highest version that a client offers, drafts and reserved values (RFC 8701) left out.
func (h *Hello) Offered() uint16 {
	best := uint16(0)
	for _, v := range h.Versions {
		if v>>8 == 3 {
			best = max(best, v)
		}
	}
	if best == 0 {
		return h.Version
	}
	return best
}

// Extension types (IANA).
const (
	ExtServerName        = 0
	ExtSupportedGroups   = 10
	ExtPointFormats      = 11
	ExtSignatures        = 13
	ExtALPN              = 16
	ExtSessionTicket     = 35
	ExtSupportedVersions = 43
)

// maxExtensions bounds the extensions kept of a hello; no client sends a tenth of that.
const maxExtensions = 1024

// reader takes fields off a message; a short one sets bad and gives zeros.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if n > len(r.b) {
		r.bad = true
		return nil
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) uint8() int {
	if v := r.take(1); v != nil {
		return int(v[0])
	}
	return 0
}

func (r *reader) uint16() uint16 {
	if v := r.take(2); v != nil {
		return binary.BigEndian.Uint16(v)
	}
	return 0
}

// list16 reads the rest as 16-bit numbers.
func list16(b []byte) []uint16 {
	list := make([]uint16, 0, len(b)/2)
	for ; len(b) >= 2; b = b[2:] {
		list = append(list, binary.BigEndian.Uint16(b))
	}
	return list
}

func clone(b []byte) []byte { return append([]byte{}, b...) }

// Client reads the body of a ClientHello, with its events to report (names without protocol). ok is false when the
// message is cut short; what could be read is kept.
func Client(body []byte, event func(string)) (h Hello, ok bool) {
	r := reader{b: body}
	h.Seen = true
	h.Version = r.uint16()
	h.Random = clone(r.take(32))
	h.SessionID = clone(r.take(r.uint8()))
	ciphers := r.take(int(r.uint16()))
	h.Ciphers = list16(ciphers)
	r.take(r.uint8())
	if r.bad {
		return h, false
	}
	return h, h.extensions(&r, true, event) && len(ciphers)%2 == 0
}

// Server reads the body of a ServerHello.
func Server(body []byte, event func(string)) (h Hello, ok bool) {
	r := reader{b: body}
	h.Seen = true
	h.Version = r.uint16()
	h.Random = clone(r.take(32))
	early := h.Version >= 0x7f00 && h.Version < 0x7f16 // drafts of TLS 1.3 before 22 have a shorter message
	if !early {
		h.SessionID = clone(r.take(r.uint8()))
	}
	h.Ciphers = list16(r.take(2))
	if !early {
		r.take(1)
	}
	if r.bad {
		return h, false
	}
	return h, h.extensions(&r, false, event)
}

// extensions reads the extension block, which may be absent.
func (h *Hello) extensions(r *reader, client bool, event func(string)) bool {
	if len(r.b) == 0 {
		return true
	}
	block := reader{b: r.take(int(r.uint16()))}
	for len(block.b) > 0 && len(h.Extensions) < maxExtensions {
		typ := block.uint16()
		data := block.take(int(block.uint16()))
		if block.bad {
			return false
		}
		h.Extensions = append(h.Extensions, typ)
		h.Bodies = append(h.Bodies, clone(data))
		h.extension(typ, data, client, event)
	}
	return !r.bad
}

func (h *Hello) extension(typ uint16, data []byte, client bool, event func(string)) {
	r := reader{b: data}
	switch typ {
	case ExtServerName:
		if client {
			h.serverName(&r, event)
		}
	case ExtSupportedGroups:
		h.Groups = list16(r.take(int(r.uint16())))
	case ExtPointFormats:
		h.Points = clone(r.take(r.uint8()))
	case ExtSignatures:
		h.Signatures = list16(r.take(int(r.uint16())))
	case ExtALPN:
		h.alpn(&r)
	case ExtSessionTicket:
		h.Ticket = clone(data)
	case ExtSupportedVersions:
		if client {
			h.Versions = list16(r.take(r.uint8()))
		} else {
			h.Versions = list16(r.take(2))
		}
	}
}

// serverName reads the first host name of the extension (RFC 6066 §3).
func (h *Hello) serverName(r *reader, event func(string)) {
	if h.SNI != nil {
		event("multiple_sni_extensions")
		return
	}
	list := reader{b: r.take(int(r.uint16()))}
	if len(list.b) == 0 {
		return
	}
	if list.uint8() != 0 {
		event("invalid_sni_type")
		return
	}
	name := list.take(int(list.uint16()))
	if list.bad || len(name) == 0 || len(name) > 255 {
		event("invalid_sni_length")
		return
	}
	h.SNI = clone(name)
}

func (h *Hello) alpn(r *reader) {
	list := reader{b: r.take(int(r.uint16()))}
	for len(list.b) > 0 {
		if p := list.take(list.uint8()); !list.bad {
			h.ALPN = append(h.ALPN, clone(p))
		}
	}
}
