package quic

import (
	"encoding/binary"

	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/app/handshake"
)

// Limits of a flow.
const (
	maxTx     = 64
	maxCrypto = 1 << 16 // bytes of handshake looked at in one direction
	maxPieces = 64      // pieces that wait for an earlier one
	maxGoogle = 16      // transactions of Google QUIC, which says nothing new after its hellos
)

// Config says what a parser computes beside reading.
type Config struct {
	JA3 bool // JA3 and JA3S
	JA4 bool
}

// Parser reads one flow.
type Parser struct {
	cfg     Config
	txs     app.Queue
	version uint32
	keys    [2]*keys
	crypto  [2]cryptoStream
	now     int64
}

// cryptoStream puts a direction's handshake bytes in order.
type cryptoStream struct {
	data []byte
	wait map[uint64][]byte
	done bool // the hello was read
}

// New returns a parser of one flow.
func New(cfg Config) *Parser { return &Parser{cfg: cfg} }

// Proto returns app.QUIC.
func (p *Parser) Proto() app.Proto { return app.QUIC }

// Txs returns the live transactions.
func (p *Parser) Txs() []app.Tx { return p.txs.All() }

// Free drops the oldest n transactions.
func (p *Parser) Free(n int) { p.txs.Free(n) }

// Encrypted reports that both hellos have been read: nothing else is in the clear.
func (p *Parser) Encrypted() bool { return p.crypto[0].done && p.crypto[1].done }

// Probe tells QUIC by a long header of a known version.
func Probe(_ app.Direction, data []byte, _, _ uint16) app.Match {
	h, ok := parseHeader(data)
	if ok && (salt(h.version) != "" || isGoogle(h.version)) && data[0]&0x40 != 0 {
		return app.Yes
	}
	return app.No
}

// header is a long header (RFC 9000 §17.2).
type header struct {
	version  uint32
	kind     byte
	dst, src []byte
	rest     int // where the type-specific part starts
}

// Packet types, those of version 1.
const (
	initial = 0
	retry   = 3
)

func parseHeader(b []byte) (h header, ok bool) {
	if len(b) < 7 || b[0]&0x80 == 0 {
		return h, false
	}
	h.version = binary.BigEndian.Uint32(b[1:])
	h.kind = b[0] >> 4 & 3
	if h.version == version2 {
		h.kind = (h.kind + 3) & 3 // version 2 has the types moved by one
	}
	if isGoogle(h.version) {
		return h, true
	}
	off := 5
	for _, id := range []*[]byte{&h.dst, &h.src} {
		if off >= len(b) || b[off] > 20 || off+1+int(b[off]) > len(b) {
			return h, false
		}
		*id = b[off+1 : off+1+int(b[off])]
		off += 1 + int(b[off])
	}
	h.rest = off
	return h, true
}

// varint reads a variable-length integer (RFC 9000 §16) and its length, 0 when it is cut short.
func varint(b []byte) (uint64, int) {
	if len(b) == 0 {
		return 0, 0
	}
	n := 1 << (b[0] >> 6)
	if len(b) < n {
		return 0, 0
	}
	v := uint64(b[0] & 0x3f)
	for _, c := range b[1:n] {
		v = v<<8 | uint64(c)
	}
	return v, n
}

// Feed takes a datagram, which may hold several packets.
func (p *Parser) Feed(dir app.Direction, data []byte, now int64) error {
	if p.Encrypted() {
		return nil
	}
	p.now = now
	for len(data) > 0 {
		h, ok := parseHeader(data)
		if !ok || h.version == 0 {
			return nil
		}
		if isGoogle(h.version) {
			p.google(dir, h.version, data)
			return nil
		}
		if salt(h.version) == "" {
			return nil
		}
		if h.kind == retry { // the client begins anew, with keys of its new connection id
			p.crypto[app.ToServer] = cryptoStream{}
			return nil
		}
		n := p.packet(dir, &h, data)
		if n == 0 {
			return nil
		}
		data = data[n:]
	}
	return nil
}

// packet reads one packet of a datagram and returns its length.
func (p *Parser) packet(dir app.Direction, h *header, data []byte) int {
	off := h.rest
	if h.kind == initial {
		token, n := varint(data[off:])
		if n == 0 || token > uint64(len(data)-off-n) {
			return 0
		}
		off += n + int(token)
	}
	size, n := varint(data[off:])
	if n == 0 || size > uint64(len(data)-off-n) {
		return 0
	}
	off += n
	end := off + int(size)
	if h.kind == initial {
		if plain, ok := p.decrypt(dir, h, data[:end], off); ok {
			p.frames(dir, h.version, plain)
		}
	}
	return end
}

// decrypt opens an Initial packet. The client's choice of connection id makes the keys, and a Retry makes it choose
// again.
func (p *Parser) decrypt(dir app.Direction, h *header, packet []byte, off int) ([]byte, bool) {
	if p.keys[dir] != nil && p.version == h.version {
		if plain, ok := p.keys[dir].open(packet, off); ok {
			return plain, true
		}
	}
	if dir == app.ToServer {
		fresh := initialKeys(h.version, h.dst)
		if fresh[dir] != nil {
			if plain, ok := fresh[dir].open(packet, off); ok {
				p.keys, p.version = fresh, h.version
				p.crypto[dir] = cryptoStream{}
				return plain, true
			}
		}
	}
	if len(p.txs.All()) == 0 && p.keys[app.ToServer] == nil {
		if t := p.begin(dir, h.version); t != nil {
			t.Event("quic.failed_decrypt")
		}
	}
	return nil, false
}

// begin starts a transaction that is complete at once.
func (p *Parser) begin(dir app.Direction, version uint32) *Tx {
	if p.txs.Len() >= maxTx {
		return nil
	}
	t := &Tx{Version: version, Client: dir == app.ToServer}
	t.OneWay, t.Dir = true, dir
	t.Progress = [2]uint8{MaxProgress, MaxProgress}
	t.Complete = [2]bool{true, true}
	t.Touch(dir)
	p.txs.Add(t, p.now)
	return t
}

// Frame types that an Initial packet may hold (RFC 9000 §12.4).
const (
	framePadding  = 0
	framePing     = 1
	frameAck      = 2
	frameAckECN   = 3
	frameCrypto   = 6
	frameClose    = 0x1c
	frameCloseApp = 0x1d
)

// frames takes the handshake out of a packet's frames.
func (p *Parser) frames(dir app.Direction, version uint32, b []byte) {
	for len(b) > 0 {
		kind := b[0]
		b = b[1:]
		switch kind {
		case framePadding: // a client's first datagram is mostly that
			b = b[zeros(b):]
		case framePing:
		case frameAck, frameAckECN:
			n := skipAck(b, kind == frameAckECN)
			if n < 0 {
				return
			}
			b = b[n:]
		case frameCrypto:
			at, n1 := varint(b)
			size, n2 := varint(b[n1:])
			if n1 == 0 || n2 == 0 || size > uint64(len(b)-n1-n2) {
				return
			}
			p.addCrypto(dir, version, at, b[n1+n2:n1+n2+int(size)])
			b = b[n1+n2+int(size):]
		default:
			return
		}
	}
}

// zeros returns how many bytes b begins with that are zero.
func zeros(b []byte) int {
	i := 0
	for i+8 <= len(b) && binary.LittleEndian.Uint64(b[i:]) == 0 {
		i += 8
	}
	for i < len(b) && b[i] == 0 {
		i++
	}
	return i
}

// skipAck returns the length of an ACK frame (RFC 9000 §19.3), -1 when it is cut short.
func skipAck(b []byte, ecn bool) int {
	off := 0
	next := func() (uint64, bool) {
		v, n := varint(b[off:])
		off += n
		return v, n > 0
	}
	fields := uint64(4)
	for i := uint64(0); i < fields; i++ {
		v, ok := next()
		if !ok {
			return -1
		}
		if i == 2 { // count of further ranges, two numbers each
			if v > uint64(len(b)) {
				return -1
			}
			fields += 2 * v
		}
	}
	for i := 0; ecn && i < 3; i++ {
		if _, ok := next(); !ok {
			return -1
		}
	}
	return off
}

// addCrypto puts a piece of handshake in its place, and reads the hello once it is whole.
func (p *Parser) addCrypto(dir app.Direction, version uint32, at uint64, data []byte) {
	c := &p.crypto[dir]
	if c.done {
		return
	}
	if at+uint64(len(data)) > maxCrypto {
		if t := p.begin(dir, version); t != nil {
			t.Event("quic.crypto_frag_too_long")
		}
		c.done = true
		return
	}
	c.add(at, data)
	if len(c.data) < 4 {
		return
	}
	size := int(c.data[1])<<16 | int(binary.BigEndian.Uint16(c.data[2:]))
	if size > maxCrypto {
		c.done = true
		return
	}
	if len(c.data) < 4+size {
		return
	}
	p.hello(dir, version, c.data[0], c.data[4:4+size])
	*c = cryptoStream{done: true}
}

func (c *cryptoStream) add(at uint64, data []byte) {
	end := uint64(len(c.data))
	switch {
	case at > end:
		if len(c.wait) < maxPieces {
			if c.wait == nil {
				c.wait = map[uint64][]byte{}
			}
			c.wait[at] = append([]byte{}, data...)
		}
		return
	case at+uint64(len(data)) > end:
		c.data = append(c.data, data[end-at:]...)
	}
	for again := true; again; {
		again = false
		for off, piece := range c.wait {
			if end := uint64(len(c.data)); off <= end {
				delete(c.wait, off)
				if off+uint64(len(piece)) > end {
					c.data = append(c.data, piece[end-off:]...)
				}
				again = true
			}
		}
	}
}

// hello makes a transaction of a hello message.
func (p *Parser) hello(dir app.Direction, version uint32, kind byte, body []byte) {
	t := p.begin(dir, version)
	if t == nil {
		return
	}
	event := func(string) {}
	ok := false
	switch {
	case kind == 1 && dir == app.ToServer:
		if t.Hello, ok = handshake.Client(body, event); p.cfg.JA3 {
			t.JA3, t.JA3Hash = t.Hello.JA3()
		}
		t.SNI = t.Hello.SNI
		if p.cfg.JA4 {
			t.JA4 = t.Hello.JA4('q')
		}
	case kind == 2 && dir == app.ToClient:
		if t.Hello, ok = handshake.Server(body, event); p.cfg.JA3 {
			t.JA3, t.JA3Hash = t.Hello.JA3S()
		}
	}
	if !ok {
		t.Event("quic.error_on_data")
	}
}

// Gap is not called for UDP.
func (p *Parser) Gap(app.Direction, int) {}

// Close ends one direction.
func (p *Parser) Close(dir app.Direction) { p.crypto[dir] = cryptoStream{done: true} }
