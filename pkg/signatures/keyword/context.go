package keyword

import (
	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/signatures/regex"
)

// Context is what signatures are matched against: one packet, its flow, and at times a transaction. One per worker, reused.
type Context struct {
	Packet *decode.Packet
	Flow   *flow.Flow // nil without flow
	Result flow.Result
	Dir    app.Direction
	Tx     app.Tx     // nil outside of transactions
	State  *FlowState // nil without flow
	Hosts  *Hosts     // xbits, hostbits, tags: shared by all workers
	Now    int64

	RecursionLimit int
	// Inline inspects bodies as they come; otherwise they wait until there is enough of them.
	Inline     bool
	MatchLimit int
	// Work is what inspection may still do for the packet. Below zero nothing more matches.
	Work  int
	Stats MatchStats
	// InStream says that the payload under inspection is the stream's and not the packet's.
	InStream bool
	Captured []Capture // values captured by the rule under evaluation
	// PacketVars are the values that rules have captured of the packet so far.
	PacketVars []Capture
	// NewAppEvents are the flow's application-layer events that this packet has brought.
	NewAppEvents flow.AppEventSet

	src, dst         U128 // of the direction under inspection
	srcPort, dstPort uint16

	inspection Inspection
	machine    regex.Machine
	scratch    []byte // decoded base64
	arena      []byte // derived buffers of this packet
	cache      []cached
	tags       []uint64 // of cache: hash of the key, instance and direction, to look for in little memory
	current    *Signature
	file       *app.File // the file under inspection

	// FirstFile is how many files of the direction rules have done with.
	FirstFile int
	// Matched is the file that the rule under evaluation has matched; nil when it does not look at files.
	Matched *app.File
}

// MatchStats count what inspection gave up.
type MatchStats struct {
	Recursion  uint64 // at the recursion limit
	MatchLimit uint64 // at the regular expression step limit
	StateFull  uint64 // state not kept because there was no room
}

// Capture is a value that a rule captured.
type Capture struct {
	Name  string
	Scope CaptureScope
	Value []byte
}

// CaptureScope says where a captured value lives.
type CaptureScope uint8

// Scopes of captures.
const (
	CapturePacket CaptureScope = iota
	CaptureFlow
	CaptureAlert
	CaptureContext // JSON of a dataset for the alert's context
)

// cached is a derived buffer that was already built for this packet.
type cached struct {
	key   string
	tx    app.Tx
	bytes Bytes
	ok    bool
}

// Begin points the context at a packet. f may be nil.
func (c *Context) Begin(p *decode.Packet, f *flow.Flow, r flow.Result) {
	c.Packet, c.Flow, c.Result, c.Now = p, f, r, p.Time
	c.Tx, c.InStream, c.State, c.NewAppEvents = nil, false, nil, 0
	c.Captured, c.PacketVars = c.Captured[:0], c.PacketVars[:0]
	c.Turn(r.Dir)
	c.Forget()
}

// Turn makes dir the direction under inspection: source is the side that sends in it, whoever sent the packet.
func (c *Context) Turn(dir app.Direction) {
	c.Dir = dir
	p := c.Packet
	c.src, c.dst, c.srcPort, c.dstPort = Number(p.Src), Number(p.Dst), p.SrcPort, p.DstPort
	if c.Flow != nil && dir != c.Result.Dir {
		c.src, c.dst, c.srcPort, c.dstPort = c.dst, c.src, c.dstPort, c.srcPort
	}
}

// Addresses returns source and destination of the direction under inspection.
func (c *Context) Addresses() (src, dst decode.Addr) {
	if c.Flow != nil && c.Dir != c.Result.Dir {
		return c.Packet.Dst, c.Packet.Src
	}
	return c.Packet.Src, c.Packet.Dst
}

// Forget drops the derived buffers; the transaction's own have changed.
func (c *Context) Forget() { c.cache, c.tags, c.arena = c.cache[:0], c.tags[:0], c.arena[:0] }

// own returns a part of the arena of n bytes. Parts stay valid until Forget.
func (c *Context) own(n int) []byte {
	if cap(c.arena)-len(c.arena) < n {
		c.arena = make([]byte, 0, max(4096, 2*cap(c.arena), n))
	}
	from := len(c.arena)
	c.arena = c.arena[:from+n]
	return c.arena[from : from+n : from+n]
}

// keep copies b, built with append on scratch memory, into the arena.
func (c *Context) keep(b []byte) []byte {
	out := c.own(len(b))
	copy(out, b)
	return out
}
