package ssh

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"errors"

	"github.com/weir-ips/weir/pkg/flow/app"
)

// ErrNotSSH says that a direction does not follow the protocol.
var ErrNotSSH = errors.New("ssh: what comes is no banner or packet")

// Limits and message numbers (RFC 4253 §4.2, §6.1, §12).
const (
	maxBanner  = 255
	maxLines   = 64      // lines a server may say before its banner
	maxPacket  = 1 << 18 // no implementation sends more in the clear
	maxKexInit = 1 << 16
	msgKexInit = 20
	msgNewKeys = 21
)

// Config says what a parser computes beside reading.
type Config struct {
	HASSH bool
}

// Parser reads one connection.
type Parser struct {
	cfg   Config
	txs   app.Queue
	tx    *Tx
	sides [2]side
	bulk  bool // encrypted bytes have come after both sides' change

	frames *app.Frames
}

// side is the reading of one direction.
type side struct {
	buf   []byte
	skip  int // bytes left of a packet that is not looked at
	lines int
	err   error
	// marked says that the frames of the packet being read have been marked.
	marked bool
}

// New returns a parser of one connection.
func New(cfg Config) *Parser { return &Parser{cfg: cfg} }

// Probe tells SSH by its banner.
func Probe(_ app.Direction, data []byte, _, _ uint16) app.Match {
	const banner = "SSH-"
	switch {
	case bytes.HasPrefix(data, []byte(banner)):
		return app.Yes
	case len(data) < len(banner) && banner[:len(data)] == string(data):
		return app.More
	}
	return app.No
}

// Proto returns app.SSH.
func (p *Parser) Proto() app.Proto { return app.SSH }

// Txs returns the transaction, once there is one.
func (p *Parser) Txs() []app.Tx { return p.txs.All() }

// Free drops the transaction; what the connection says after that is not kept.
func (p *Parser) Free(n int) { p.txs.Free(n) }

// SetFrames implements app.Framer.
func (p *Parser) SetFrames(f *app.Frames) { p.frames = f }

// Encrypted reports that both sides have changed to encryption, and that something encrypted has come: the messages that
// announce the change can still be read.
func (p *Parser) Encrypted() bool { return p.bulk }

// Feed takes the next bytes of one direction.
func (p *Parser) Feed(dir app.Direction, data []byte, now int64) error {
	s := &p.sides[dir]
	if s.err != nil {
		return s.err
	}
	if p.tx == nil {
		p.tx = &Tx{}
		p.txs.Add(p.tx, now)
	}
	if p.tx.Progress[dir] == Finished {
		p.encrypted(dir, data)
		return nil
	}
	if len(s.buf) > 0 {
		s.buf = append(s.buf, data...)
		data = s.buf
	}
	for s.err == nil && p.tx.Progress[dir] < Finished && len(data) > 0 {
		n := p.step(dir, s, data)
		if n == 0 {
			break
		}
		s.marked = false
		data = data[n:]
	}
	if s.err != nil || p.tx.Progress[dir] == Finished {
		p.encrypted(dir, data)
		s.buf = nil
		return s.err
	}
	s.buf = append(s.buf[:0], data...)
	return nil
}

// encrypted notes that bytes come which cannot be read.
func (p *Parser) encrypted(dir app.Direction, data []byte) {
	p.bulk = p.bulk || len(data) > 0 && p.tx.Progress[dir] == Finished && p.tx.Progress[dir.Opposite()] == Finished
}

// step reads a line or packet and returns how many bytes it took, 0 when more are needed.
func (p *Parser) step(dir app.Direction, s *side, data []byte) int {
	if p.tx.Progress[dir] == InProgress {
		return p.line(dir, s, data)
	}
	if s.skip > 0 {
		n := min(s.skip, len(data))
		s.skip -= n
		return n
	}
	return p.packet(dir, s, data)
}

// line reads the banner, or a line that a server says before it (RFC 4253 §4.2).
func (p *Parser) line(dir app.Direction, s *side, data []byte) int {
	end := bytes.IndexByte(data, '\n')
	isBanner := Probe(dir, data, 0, 0) == app.Yes
	if end < 0 {
		if len(data) <= maxBanner || isBanner && len(data) < 4096 {
			return 0
		}
		p.fail(dir, s, "ssh.invalid_banner")
		return 0
	}
	if s.lines++; !isBanner {
		if dir == app.ToServer || s.lines > maxLines {
			p.fail(dir, s, "ssh.invalid_banner")
			return 0
		}
		return end + 1
	}
	if end > maxBanner {
		p.tx.Event("ssh.long_banner")
	}
	p.banner(p.tx.Of(dir), bytes.TrimRight(data[:end], "\r"))
	p.tx.Advance(dir, BannerDone)
	return end + 1
}

// banner takes "SSH-protoversion-softwareversion SP comments" apart.
func (p *Parser) banner(side *Side, line []byte) {
	line = append([]byte{}, line[:min(len(line), 4096)]...)
	side.Banner = line
	proto, software, ok := bytes.Cut(line[len("SSH-"):], []byte("-"))
	if !ok {
		p.tx.Event("ssh.invalid_banner")
	}
	software, _, _ = bytes.Cut(software, []byte(" "))
	side.Proto, side.Software = proto, software
}

func (p *Parser) fail(dir app.Direction, s *side, event string) {
	p.tx.Event(event)
	p.tx.Touch(dir)
	s.err = ErrNotSSH
}

// packet reads a clear binary packet (RFC 4253 §6).
func (p *Parser) packet(dir app.Direction, s *side, data []byte) int {
	if len(data) < 6 {
		return 0
	}
	n := int(binary.BigEndian.Uint32(data))
	if n < 2 || n > maxPacket {
		p.fail(dir, s, "ssh.invalid_record")
		return 0
	}
	p.mark(dir, s, len(data), n)
	switch data[5] {
	case msgNewKeys:
		p.tx.Advance(dir, Finished)
		p.tx.Complete[dir] = true
	case msgKexInit:
		if n > maxKexInit {
			p.tx.Event("ssh.long_kex_record")
			break
		}
		if len(data) < 4+n {
			return 0
		}
		p.kexInit(dir, data[6:4+n])
		return 4 + n
	}
	s.skip = n - 2
	return 6
}

// mark marks the frames of a packet that begins back bytes before the end of what came; n is its length field. The header reaches to
// the message number.
func (p *Parser) mark(dir app.Direction, s *side, back, n int) {
	if p.frames == nil || s.marked {
		return
	}
	const header = 6
	s.marked = true
	p.frames.AddTx(dir, app.SSHPDU, back, int64(4+n), &p.tx.TxBase)
	p.frames.AddTx(dir, app.SSHHeader, back, header, &p.tx.TxBase)
	if n > 2 {
		p.frames.AddTx(dir, app.SSHData, back-header, int64(n-2), &p.tx.TxBase)
	}
}

// kexInit makes HASSH of the lists in a KEXINIT (RFC 4253 §7.1).
func (p *Parser) kexInit(dir app.Direction, body []byte) {
	defer p.tx.Advance(dir, KexDone)
	side := p.tx.Of(dir)
	if !p.cfg.HASSH || side.HASSH != "" || len(body) < 16 {
		return
	}
	body = body[16:]
	var lists [10][]byte
	for i := range lists {
		if len(body) < 4 {
			return
		}
		n := binary.BigEndian.Uint32(body)
		if uint64(n) > uint64(len(body)-4) {
			return
		}
		lists[i], body = body[4:4+n], body[4+n:]
	}
	// Lists 2, 4 and 6 are the client's to the server, the ones after them the server's.
	from := int(dir)
	side.HASSH = string(bytes.Join([][]byte{lists[0], lists[2+from], lists[4+from], lists[6+from]}, []byte(";")))
	sum := md5.Sum([]byte(side.HASSH))
	side.HASSHMD5 = hex.EncodeToString(sum[:])
}

// Gap ends the reading of a direction: what follows cannot be told apart.
func (p *Parser) Gap(dir app.Direction, n int) {
	s := &p.sides[dir]
	if n <= s.skip {
		s.skip -= n
		return
	}
	s.buf = nil
	s.err = ErrNotSSH
}

// Close ends one direction.
func (p *Parser) Close(dir app.Direction) {
	p.sides[dir].buf = nil
	if p.tx != nil {
		p.tx.Complete[dir] = true
		p.tx.Touch(dir)
	}
}
