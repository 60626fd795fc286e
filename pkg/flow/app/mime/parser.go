package mime

import (
	"bytes"
	"crypto/md5"
	"hash"

	"github.com/weir-ips/weir/pkg/flow/app"
)

// Config says what is read of a mail. DefaultConfig gives Suricata's defaults.
type Config struct {
	ExtractURLs bool
	Schemes     []string // of links to extract, without "://"
	KeepScheme  bool     // links are kept with their scheme
	BodyMD5     bool
	HeaderDepth int // bytes of a header value that are kept
	Files       app.FileConfig
}

// DefaultConfig extracts http links without their scheme.
func DefaultConfig() Config {
	return Config{ExtractURLs: true, Schemes: []string{"http"}, HeaderDepth: 2000}
}

// Limits of a mail; a mail beyond them is read on without what is too much.
const (
	maxLine       = 998 // RFC 5322 §2.1.1
	maxEncoded    = 76  // RFC 2045 §6.7, §6.8
	maxBuffer     = 4096
	maxFields     = 1024
	maxName       = 100
	maxBoundary   = 254
	maxFileName   = 255
	maxNesting    = 16
	maxURLs       = 256
	maxURL        = 2048
	maxAttachment = 256
)

// Parser reads one mail. Every method may be called on a mail that is already done.
type Parser struct {
	cfg *Config
	tx  *app.TxBase
	dir app.Direction
	msg *Message

	line  []byte // the line being collected
	cont  bool   // line continues one that was too long
	state state

	nested     int
	boundaries [][]byte
	fields     []Field // of the part whose header is being read
	field      []byte  // header field being unfolded
	part       part
	md5        hash.Hash
	bodyBegun  bool
	held       []byte // line end that belongs to the data unless a boundary follows
}

type state uint8

const (
	inHeader state = iota
	inBody
	between // in front of, or after, the parts of a multipart
)

// part is what is being decoded.
type part struct {
	encoding encoding
	file     *app.File
	text     bool // links are looked for
	b64      base64Decoder
	tail     []byte // decoded text that may be the start of a link
}

type encoding uint8

const (
	plain encoding = iota
	base64Encoding
	quotedPrintable
)

// New starts reading a mail of tx.
func New(cfg *Config, tx *app.TxBase, dir app.Direction) *Parser {
	p := &Parser{cfg: cfg, tx: tx, dir: dir, msg: &Message{}}
	if cfg.BodyMD5 {
		p.md5 = md5.New()
	}
	return p
}

// Message returns what is known so far.
func (p *Parser) Message() *Message { return p.msg }

// Write takes the next bytes of the mail, without dot-stuffing.
func (p *Parser) Write(data []byte) {
	for len(data) > 0 {
		i := bytes.IndexByte(data, '\n')
		if i < 0 {
			p.line = append(p.line, data...)
			if len(p.line) > maxBuffer {
				p.takeLine(p.line)
				p.line, p.cont = p.line[:0], true
			}
			return
		}
		line := data[:i+1]
		if len(p.line) > 0 {
			p.line = append(p.line, line...)
			line = p.line
		}
		p.takeLine(line)
		p.line, p.cont = p.line[:0], false
		data = data[i+1:]
	}
}

// Stuffed says that a dot was left out before the line that comes next: the body's MD5 is of the bytes as sent.
func (p *Parser) Stuffed() {
	if p.msg.Status != Header {
		p.hashBody([]byte{'.'})
	}
}

// Gap notes lost bytes.
func (p *Parser) Gap(n int) {
	p.part.file.Gap(n)
	p.line = p.line[:0]
}

// Close ends the mail. whole says that its end was seen.
func (p *Parser) Close(whole bool) {
	if p.msg.Status == Done || p.msg.Status == Failed {
		return
	}
	if len(p.line) > 0 {
		p.takeLine(p.line)
		p.line = nil
	}
	if p.state == inHeader {
		p.endHeader()
	}
	p.endPart(whole)
	if p.md5 != nil && p.bodyBegun {
		p.msg.BodyMD5 = p.md5.Sum(nil)
	}
	p.msg.Status = Done
	if !whole {
		p.msg.Status = Failed
	}
}

func (p *Parser) event(name string) { p.tx.Event("smtp.mime_" + name) }

func chomp(line []byte) []byte {
	line = bytes.TrimSuffix(line, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r"))
}

// takeLine handles one line with its end, or a piece of one that is too long.
func (p *Parser) takeLine(line []byte) {
	if len(chomp(line)) > maxLine {
		p.event("long_line")
	}
	if p.msg.Status != Header { // the headers of parts belong to the body
		p.hashBody(line)
	}
	if p.state == inHeader {
		p.headerLine(chomp(line))
		return
	}
	if !p.cont && p.boundary(chomp(line)) {
		return
	}
	if p.state == inBody {
		p.bodyLine(line)
	}
}

// hashBody adds a line of the mail's body to its MD5.
func (p *Parser) hashBody(line []byte) {
	if p.md5 != nil {
		p.bodyBegun = true
		p.md5.Write(line)
	}
}

// boundary handles a line that separates parts (RFC 2046 §5.1.1), of the innermost multipart or of one around it.
func (p *Parser) boundary(line []byte) bool {
	if len(line) < 2 || line[0] != '-' || line[1] != '-' {
		return false
	}
	for i := len(p.boundaries) - 1; i >= 0; i-- {
		rest, ok := bytes.CutPrefix(line[2:], p.boundaries[i])
		if !ok {
			continue
		}
		p.endPart(true)
		p.boundaries = p.boundaries[:i+1]
		if bytes.HasPrefix(rest, []byte("--")) {
			p.boundaries = p.boundaries[:i]
			p.state = between
			return true
		}
		p.state = inHeader
		p.fields, p.field = p.fields[:0], p.field[:0]
		return true
	}
	return false
}
