package threshold

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/weir-ips/weir/pkg/decode"
)

// Of TLS records and messages (RFC 8446 §4 and §5.1).
const (
	tlsHandshake   = 22
	tlsData        = 23
	tlsClientHello = 1
)

// tlsFlight is how many packets a client may have sent when its handshake ends; a handshake message after that begins another.
const tlsFlight = 8

// tls counts what can be seen of TLS: handshakes of a client, renewed ones too, and how many handshakes with a server go on to data.
func (d *Detector) tls(p *decode.Packet, f *Facts) {
	b := p.Payload
	if d.limits.TLS == 0 || len(b) < 6 || b[1] != 3 || !f.Answered && f.Ours < 3 {
		return
	}
	switch {
	case b[0] == tlsHandshake && b[5] == tlsClientHello && f.Ours <= tlsFlight:
		h := readHello(b)
		d.tlsHandshake(p, h.name)
		d.tlsGroup(p, &h)
	case b[0] == tlsHandshake && f.Ours > tlsFlight: // of TLS 1.2 and before, encrypted
		d.tlsHandshake(p, nil)
	case b[0] == tlsData && f.Ours <= tlsFlight:
		d.speaks(&place{addr: p.Dst, port: p.DstPort, vector: TLSGroup})
	}
}

// tlsHandshake counts a handshake of a client with a server.
func (d *Detector) tlsHandshake(p *decode.Packet, name []byte) {
	d.named(&place{addr: p.Src, name: d.seed.addr(&p.Dst), port: p.DstPort, vector: TLSFlood}, p, p.Dst, name)
}

// tlsGroup counts a handshake among those with the same server that offer the same cipher suites, as one tool's do.
func (d *Detector) tlsGroup(p *decode.Packet, h *hello) {
	server := place{addr: p.Dst, port: p.DstPort, vector: TLSGroup}
	if all := d.tallies.of(&server, d.hash(&server), d.now/slot); all != nil {
		all.count[all.head%slots]++
	}
	k := server
	k.name = d.group(h.suites) | 1
	t := d.tallies.of(&k, d.hash(&k), d.now/slot)
	if t != nil && t.label == "" && t.sum(&t.count, slots) >= d.limits.rate(TLSGroup)/4 {
		t.label = "JA4 *_" + suitesHash(h.suites) + "_*"
	}
	d.count(&k, p, d.seed.addr(&p.Src))
}

// idle reports whether most handshakes with a tally's server do not go on to data.
func (d *Detector) idle(t *tally) bool {
	server := place{addr: t.addr, port: t.port, vector: TLSGroup}
	all := d.tallies.of(&server, d.hash(&server), d.now/slot)
	return all != nil && 2*all.sum(&all.against, slots) <= all.sum(&all.count, slots)
}

// hello is what is read of a ClientHello: both lie in the packet.
type hello struct {
	suites []byte // two bytes each
	name   []byte // server_name (RFC 6066 §3)
}

// readHello reads as much of the record at b as is there.
func readHello(b []byte) (h hello) {
	r := cursor(b)
	r.skip(5 + 4 + 2 + 32) // record, message, version, random
	r.take(1)              // session
	h.suites = r.take(2)
	r.take(1) // compression
	extensions := cursor(r.most(2))
	for len(extensions) >= 4 {
		kind := uint16(extensions[0])<<8 | uint16(extensions[1])
		extensions.skip(2)
		body := cursor(extensions.take(2))
		if kind == 0 && len(body) > 5 && body[2] == 0 {
			body.skip(3)
			h.name = body.take(2)
			h.name = h.name[:min(len(h.name), maxHost)]
			return h
		}
	}
	return h
}

// cursor reads from the front; what is not there is empty.
type cursor []byte

func (c *cursor) skip(n int) { *c = (*c)[min(n, len(*c)):] }

// length reads a length of n bytes.
func (c *cursor) length(n int) (v int) {
	for _, b := range (*c)[:min(n, len(*c))] {
		v = v<<8 | int(b)
	}
	c.skip(n)
	return v
}

// take reads what follows its length of n bytes; nil if it is cut short.
func (c *cursor) take(n int) []byte {
	size := c.length(n)
	if size > len(*c) {
		*c = nil
		return nil
	}
	out := (*c)[:size:size]
	c.skip(size)
	return out
}

// most is take, but for what is cut short returns what is there.
func (c *cursor) most(n int) []byte {
	size := c.length(n)
	return (*c)[:min(size, len(*c))]
}

// group is a hash of cipher suites in their order, without GREASE (RFC 8701), which differs each time.
func (d *Detector) group(suites []byte) uint64 {
	h := uint64(d.seed)
	for ; len(suites) >= 2; suites = suites[2:] {
		if !grease(suites) {
			h = d.seed.mix(h, uint64(suites[0])<<8|uint64(suites[1]))
		}
	}
	return d.seed.with(h, 0)
}

func grease(suite []byte) bool { return suite[0] == suite[1] && suite[0]&0xf == 0xa }

// suitesHash is the part of JA4 that stands for the cipher suites: of their sorted list without GREASE.
func suitesHash(suites []byte) string {
	var list []string
	for ; len(suites) >= 2; suites = suites[2:] {
		if !grease(suites) {
			list = append(list, hex.EncodeToString(suites[:2]))
		}
	}
	if len(list) == 0 {
		return "000000000000"
	}
	slices.Sort(list)
	sum := sha256.Sum256([]byte(strings.Join(list, ",")))
	return hex.EncodeToString(sum[:6])
}
