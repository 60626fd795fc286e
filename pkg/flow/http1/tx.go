package http1

import "github.com/weir-ips/weir/pkg/flow/app"

// Steps of a direction's progress. A buffer may be inspected as soon as its step is reached: the URI at Headers (the line
// is complete), headers at Body, the body while at Body and whole from Trailer on.
const (
	Started     uint8 = iota // request_started, response_started: bytes of the line are arriving
	Line                     // request_line: the line is complete
	Headers                  // headers are complete
	Body                     // the body is arriving
	Trailer                  // the body is complete
	Complete                 // nothing more will come
	MaxProgress = Complete
)

// ProgressNames are the steps in the order of the constants; rule hooks put "request_" or "response_" before them.
func ProgressNames() []string {
	return []string{"started", "line", "headers", "body", "trailer", "complete"}
}

// Tx is a request with its response. A response whose request was not seen has an empty Request, and vice versa.
type Tx struct {
	app.TxBase
	Request  Request
	Response Response
	// Tunnel is set once an answered CONNECT or Upgrade ends HTTP/1 on this connection.
	Tunnel bool

	continued bool // a 100 Continue has been answered
}

// Request is what the client sent. Byte slices are copies, valid as long as the transaction.
type Request struct {
	Message
	Method []byte
	URI    []byte // normalised path and query (http.uri)
	RawURI []byte // request target as sent (http.uri.raw)
	// Authority is the host part of an absolute or CONNECT request target, lower case without port; nil without one.
	Authority []byte
	Host      []byte // lower case, without port; the target's authority wins (http.host)
	RawHost   []byte // as sent, of the same source (http.host.raw)
	Port      int    // of authority or Host header; -1 when absent or invalid
	Version09 bool   // HTTP/0.9: neither protocol nor headers
	Unseen    bool   // only the response was seen; URI is then "/libhtp::request_uri_not_seen"
}

// Response is what the server answered.
type Response struct {
	Message
	Status     []byte // as sent: three digits, or what stood in their place (http.stat_code)
	StatusCode int    // -1 when invalid
	Reason     []byte // http.stat_msg
}

// Message is what both directions have.
type Message struct {
	Line     []byte // first line without its end (http.request_line, http.response_line)
	Protocol []byte // "HTTP/1.1" as sent; empty for 0.9
	// Headers in order of arrival, folded lines joined; a repeated name keeps its own entry (Repeated set).
	Headers  []Header
	Trailers []Header
	// Raw is the header block as sent, with its final empty line (http.header.raw).
	Raw           []byte
	ContentLength int64 // -1 when absent or invalid
	Chunked       bool
	Body          Payload
}

// Header is one field.
type Header struct {
	Name, Value []byte
	Repeated    bool // an earlier field has the same name
}

// Payload is a body after transfer coding, and after content coding for responses.
type Payload struct {
	Data []byte // what is kept: Size bytes from offset 0, up to the body limit
	Size uint64 // bytes of the decoded body seen so far, kept or not
	Wire uint64 // bytes as sent, after transfer coding and before content coding
	// Limited says that the limit was reached: what followed was counted but not kept.
	Limited bool
	Done    bool
}
