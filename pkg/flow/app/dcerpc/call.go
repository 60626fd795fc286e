// Package dcerpc reads DCE/RPC packets (C706 §12.6), which go over TCP, UDP and SMB pipes.
package dcerpc

// Packet types (C706 §12.6.3).
const (
	Request     = 0
	Ping        = 1
	Response    = 2
	Fault       = 3
	Bind        = 11
	BindAck     = 12
	BindNak     = 13
	AlterCtx    = 14
	AlterCtxAck = 15
	Auth3       = 16
)

// Call is one request with its response, or one bind with its answer.
type Call struct {
	Version      [2]uint8 // 5.0
	ReqType      uint8    // packet type of the request
	ResType      uint8    // packet type of the answer, valid iff HasRes
	HasReq       bool
	HasRes       bool
	CallID       uint32
	Context      uint16
	Opnum        uint16 // valid for requests
	Pipe         bool   // the call goes over a pipe of SMB
	Datagram     bool   // the call goes over UDP: it has Activity and Seq in place of CallID
	Activity     [16]byte
	Seq          uint32
	LittleEndian bool // byte order of the packet (byte_test's dce)

	Interfaces []Interface // BIND: what was offered, with the answer; REQUEST: the interface of Context when known

	ReqStub, ResStub   []byte // stub data, up to the limit (dcerpc.stub_data)
	ReqSize, ResSize   int    // bytes of stub data seen
	ReqFrags, ResFrags int
	ReqDone, ResDone   bool // the last fragment was seen

	// Accepted are all interfaces that the server had taken when the request came (what dcerpc.iface looks at).
	Accepted []Interface
}

// Interface is an abstract syntax: what a client binds to.
type Interface struct {
	Context  uint16
	UUID     [16]byte // in the order of its text form
	Major    uint16
	Minor    uint16
	Answered bool
	Result   uint16 // 0: accepted
	Reason   uint16
	First    bool // named in a packet with the first-fragment flag (what dcerpc.iface asks for without any_frag)
}
