// Package app holds what all application protocols have in common: directions, names, transactions, files, and the
// interface by which pkg/flow feeds a protocol's parser.
//
// A protocol package (flow/http1, flow/dns, flow/tls, …) turns ordered bytes into transactions and imports nothing of
// ours but this package. A parser never panics, bounds what it keeps, and turns malformed input into events.
package app

// Direction is the side that sent the bytes.
type Direction uint8

// The two directions of a flow; ToServer is the direction of its initiator.
const (
	ToServer Direction = 0
	ToClient Direction = 1
)

// Opposite returns the other direction.
func (d Direction) Opposite() Direction { return d ^ 1 }

// Proto is an application protocol.
type Proto uint8

// The protocols that are told apart. Failed means detection gave up.
const (
	Unknown Proto = iota
	Failed
	HTTP1
	HTTP2
	DOH2 // DNS over HTTP/2: HTTP/2 still, of which a stream carries DNS
	DNS
	TLS
	QUIC
	SSH
	SMTP
	FTP
	FTPData
	SMB
	DCERPC
	NTP // this and those behind it are recognised, not parsed
	SNMP
	DHCP
	TFTP
	IKE
	KRB5
	SIP
	NumProtos
)

var protoNames = [NumProtos]string{"unknown", "failed", "http", "http2", "doh2", "dns", "tls", "quic", "ssh", "smtp", "ftp", "ftp-data", "smb", "dcerpc",
	"ntp", "snmp", "dhcp", "tftp", "ike", "krb5", "sip"}

// String returns the name Suricata gives the protocol in EVE's app_proto.
func (p Proto) String() string {
	if p < NumProtos {
		return protoNames[p]
	}
	return "unknown"
}

// Parser turns one flow's bytes into transactions. It is used by one goroutine.
type Parser interface {
	Proto() Proto
	// Feed takes the next bytes of one direction (TCP: in order, once; UDP: one datagram). now is the packet's time in
	// Unix nanoseconds. data is only lent for the call. A returned error means that this direction cannot be parsed any
	// further; the transactions so far stay valid.
	Feed(dir Direction, data []byte, now int64) error
	// Gap says that n bytes of one direction were lost.
	Gap(dir Direction, n int)
	// Close says that one direction ends (FIN, RST, timeout, end of capture). Open transactions become complete.
	Close(dir Direction)
	// Txs returns the live transactions, oldest first. The slice is valid until the next call of any method.
	Txs() []Tx
	// Free drops the oldest n transactions: they are complete, inspected and logged.
	Free(n int)
}

// Tx is one transaction: a request with its answer, a handshake, a mail.
// The concrete types (*http1.Tx, *dns.Tx, …) carry the fields that keywords and EVE records read.
type Tx interface {
	Base() *TxBase
}

// TxBase is what every transaction has. Protocol packages embed it by value.
type TxBase struct {
	ID       uint64    // 0-based in the flow
	Progress [2]uint8  // the protocol's own steps, per direction, only growing; the last step is MaxProgress of the protocol
	Complete [2]bool   // nothing more will come in that direction
	Start    int64     // Unix ns of the first byte
	Events   []string  // application-layer events in Suricata's names ("http.request_header_invalid"), bounded by the parser
	Files    []*File   // files seen in this transaction
	OneWay   bool      // there will never be an answer in the other direction (a DNS query or an answer seen alone)
	Dir      Direction // valid iff OneWay
	Inspect  [2]any    // the detection engine's own state, per direction; nil at first
	Tried    [2]bool   // the engine has inspected the complete direction
	Logged   bool      // an EVE record has been written
	Touched  [2]bool   // changed since the engine looked last; set by parsers, cleared by the engine
}

// maxEvents bounds the events kept of one transaction.
const maxEvents = 32

// Event records an event once in the transaction.
func (b *TxBase) Event(name string) {
	for _, e := range b.Events {
		if e == name {
			return
		}
	}
	if len(b.Events) < maxEvents {
		b.Events = append(b.Events, name)
		b.Touch(ToServer) // rules may ask for it in either direction
		b.Touch(ToClient)
	}
}

// Advance raises the progress of one direction to step, never lowering it.
func (b *TxBase) Advance(dir Direction, step uint8) {
	if step > b.Progress[dir] {
		b.Progress[dir] = step
	}
	b.Touch(dir)
}

// Touch says that something to inspect has come in one direction. A complete direction is inspected once and no more.
func (b *TxBase) Touch(dir Direction) {
	if !b.Complete[dir] {
		b.Touched[dir] = true
	}
}

// Base returns b, so that a type that embeds TxBase is a Tx.
func (b *TxBase) Base() *TxBase { return b }

// File is a file in transit: a body, an upload, an attachment. Data is bounded; Size counts all bytes.
type File struct {
	ID     uint64
	Name   []byte
	Dir    Direction
	Start  uint64 // offset of the first byte for a range, else 0
	End    uint64 // offset of the last byte for a range, else 0
	Total  uint64 // size of the whole file a range is of, 0 when unknown
	Data   []byte // bytes kept for inspection, from offset Base of the file
	Base   uint64
	Size   uint64
	State  FileState
	Gaps   bool
	Stored bool
	MD5    []byte // set when closed and asked for
	SHA1   []byte
	SHA256 []byte
	Magic  string
	Logged bool

	hash   fileHash
	lent   bool // Data is another's
	config *FileConfig
}

// Done reports whether nothing more will be added to the file.
func (f *File) Done() bool { return f.State != FileOpen }

// FileState says how far a file has come.
type FileState uint8

// States of a file, named as in EVE's fileinfo.state.
const (
	FileOpen FileState = iota
	FileClosed
	FileTruncated
	FileError
)

// String returns the name EVE gives the state; an open file is "UNKNOWN" there.
func (s FileState) String() string {
	switch s {
	case FileClosed:
		return "CLOSED"
	case FileTruncated:
		return "TRUNCATED"
	case FileError:
		return "ERROR"
	}
	return "UNKNOWN"
}
