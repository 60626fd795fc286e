package http2

import (
	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/dns"
)

// Steps of a direction's progress, those of HTTP/1 where they have a counterpart.
const (
	Started     uint8 = iota // the stream is open
	Headers                  // its header block is complete
	Body                     // data is arriving
	Trailer                  // trailers have come
	Complete                 // the direction of the stream is closed
	MaxProgress = Complete
)

// Tx is one stream; stream 0 is the connection itself.
type Tx struct {
	app.TxBase
	StreamID    uint32
	Request     Message
	Response    Message
	Method      []byte
	URI         []byte // :path (http.uri)
	RawURI      []byte // :path as sent
	Host        []byte // :authority or host, lower case, without port
	RawHost     []byte
	Status      []byte // :status
	Priority    uint8  // valid iff HasPriority
	HasPriority bool
	DNS         [2]*dns.Message // question and answer of DNS over HTTPS (RFC 8484), by direction; nil without
}

// Of returns the message of a direction.
func (t *Tx) Of(dir app.Direction) *Message {
	if dir == app.ToServer {
		return &t.Request
	}
	return &t.Response
}

// Message is what both directions have.
type Message struct {
	Headers       []Header
	Trailers      []Header
	Body          []byte // after content coding, up to the limit
	BodySize      uint64
	Wire          uint64 // bytes of DATA without padding, before content coding
	Settings      []Setting
	ErrorCode     uint32 // of RST_STREAM or GOAWAY, valid iff HasError
	HasError      bool
	WindowUpdates []uint32
	Frames        []Frame
	SizeUpdates   []uint64 // HPACK dynamic table size updates
	Done          bool
}

// Header is one decoded field, pseudo-fields (":method") included.
type Header struct{ Name, Value []byte }

// Setting is one parameter of SETTINGS (RFC 9113 §6.5).
type Setting struct {
	ID    uint16
	Value uint32
}

// Frame is one frame's header (RFC 9113 §4.1).
type Frame struct {
	Type, Flags uint8
	Length      uint32
}
