package dns

import (
	"net/netip"

	"github.com/weir-ips/weir/pkg/flow/app"
)

// Steps of a direction's progress: a message is there or it is not.
const (
	Started uint8 = iota
	Complete
	MaxProgress = Complete
)

// Tx is one message: like Suricata, a query and its answer are two transactions, each OneWay.
type Tx struct {
	app.TxBase
	Request  *Message // nil in an answer's transaction
	Response *Message // nil in a query's transaction
}

// Message returns the message, whichever direction it has.
func (t *Tx) Message() *Message {
	if t.Request != nil {
		return t.Request
	}
	return t.Response
}

// Message is a DNS message (RFC 1035 §4).
type Message struct {
	ID          uint16
	Flags       uint16 // the header's second word: QR, opcode, AA, TC, RD, RA, Z, AD, CD, rcode
	Queries     []Query
	Answers     []Record
	Authorities []Record
	Additionals []Record

	events []string
	names  int // bytes of all names
}

// Bits of Message.Flags.
const (
	FlagQR uint16 = 0x8000
	FlagAA uint16 = 0x0400
	FlagTC uint16 = 0x0200
	FlagRD uint16 = 0x0100
	FlagRA uint16 = 0x0080
	FlagZ  uint16 = 0x0040
)

// Opcode returns the header's opcode.
func (m *Message) Opcode() uint8 { return uint8(m.Flags >> 11 & 15) }

// Rcode returns the header's response code.
func (m *Message) Rcode() uint8 { return uint8(m.Flags & 15) }

// Name is a domain name in dotted form without the final dot, bytes as sent.
type Name struct {
	Bytes     []byte
	Truncated bool // longer than MaxName, cut there
}

// Query is a question.
type Query struct {
	Name  Name
	Type  uint16
	Class uint16
}

// Record is a resource record. Which of the typed fields is set depends on Type; Data always holds the raw bytes.
type Record struct {
	Name  Name
	Type  uint16
	Class uint16
	TTL   uint32
	Data  []byte

	Addr   netip.Addr // A, AAAA
	Target *Name      // CNAME, MX, NS, PTR
	Text   [][]byte   // TXT: the character strings
	SOA    *SOA
	SRV    *SRV
	SSHFP  *SSHFP
}

// SOA is a start of authority (RFC 1035 §3.3.13).
type SOA struct {
	MName, RName                            Name
	Serial, Refresh, Retry, Expire, Minimum uint32
}

// SRV is a service location (RFC 2782).
type SRV struct {
	Priority, Weight, Port uint16
	Target                 Name
}

// SSHFP is an SSH key fingerprint (RFC 4255).
type SSHFP struct {
	Algorithm, Type uint8
	Fingerprint     []byte
}
