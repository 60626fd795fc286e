package app

// Match is a protocol's answer to the first bytes of a direction.
type Match uint8

// Answers of a Probe function. More asks for more bytes: what is there could still become the protocol.
const (
	No Match = iota
	More
	Yes
)

// Upgrader is a Parser whose flow can change its protocol: STARTTLS, HTTP Upgrade, CONNECT.
type Upgrader interface {
	// Upgrade returns the protocol that the bytes of both directions speak from now on, and true once the change is
	// agreed. Unknown asks for detection by content (a CONNECT tunnel). The bytes of the last Feed that already belong
	// to the new protocol are returned as rest, in that Feed's direction; they are lent until the next call.
	Upgrade() (next Proto, rest []byte, ok bool)
}

// Request is what a client has asked in one protocol and another protocol's parser will see answered.
type Request struct {
	Method, Target []byte
	Fields         []Field
}

// Field is a header field.
type Field struct{ Name, Value []byte }

// Bequeather is an Upgrader whose last request is answered in the new protocol (RFC 7540 §3.2).
type Bequeather interface {
	// Bequest returns that request, or nil.
	Bequest() *Request
}

// Heir is a Parser that takes over a request made in the protocol before.
type Heir interface {
	// Inherit is called once, before the first Feed.
	Inherit(r *Request, now int64)
}

// Expecter is a Parser that announces connections to come: FTP's data connections.
type Expecter interface {
	// Expected returns the connections announced since the last call.
	Expected() []Expectation
}

// Expectation is a connection that a control channel has announced.
type Expectation struct {
	// Server is the side of the control flow that will listen.
	Server Direction
	// Addr is the announced address in 16 bytes (IPv4-mapped), or zero: the listening side's own.
	Addr [16]byte
	Port uint16
	// New makes the parser of the announced flow; it is called once.
	New func() Parser
}

// Encrypter is a Parser that knows when nothing is left to inspect.
type Encrypter interface {
	// Encrypted reports that both directions are encrypted from here on; the flow may be bypassed.
	Encrypted() bool
}

// Silencer is a Parser that knows which transactions a transaction's record stands for: an answer is not recorded when its question
// is not.
type Silencer interface {
	// Silence says that tx is not to be recorded.
	Silence(tx Tx)
}

// Swapper is a Parser that can learn from content that the flow's initiator is the server (an answer seen first).
type Swapper interface {
	// Swapped reports once that directions must be exchanged; the parser has already exchanged its own.
	Swapped() bool
}
