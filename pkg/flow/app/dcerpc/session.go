package dcerpc

import "encoding/binary"

// Limits of a session.
const (
	HeaderLen     = 16
	maxStub       = 1 << 20 // bytes of stub data kept of one call
	maxInterfaces = 256     // interfaces bound on one connection
	maxCalls      = 256     // calls that wait for their answer
)

// Header is the part that all connection-oriented packets have (C706 §12.6.3.1).
type Header struct {
	Major, Minor uint8
	Type, Flags  uint8
	Order        binary.ByteOrder
	Length       int // of the whole packet
	AuthLength   int
	CallID       uint32
}

// Packet flags.
const (
	FirstFrag = 0x01
	LastFrag  = 0x02
	hasObject = 0x80
)

// ParseHeader reads a packet's header; ok is false when there are too few bytes or it is no version 5.
func ParseHeader(b []byte) (h Header, ok bool) {
	if len(b) < HeaderLen {
		return h, false
	}
	h.Order = binary.BigEndian
	if b[4]&0x10 != 0 {
		h.Order = binary.LittleEndian
	}
	h.Major, h.Minor, h.Type, h.Flags = b[0], b[1], b[2], b[3]
	h.Length, h.AuthLength = int(h.Order.Uint16(b[8:])), int(h.Order.Uint16(b[10:]))
	h.CallID = h.Order.Uint32(b[12:])
	return h, h.Major == 5 && h.Minor <= 1 && h.Length >= HeaderLen
}

// Session joins the packets of one connection or pipe to calls.
type Session struct {
	// Pipe says that a pipe of SMB carries the packets. On a connection of their own Suricata counts a request's object and
	// the response's fields before the stub as stub data, and so do rules that are written for it.
	Pipe  bool
	Bound []Interface // what has been bound so far, with the answers
	calls []*Call
}

// Client takes a whole packet of the client. It returns the call it belongs to, and whether the call is new.
func (s *Session) Client(pdu []byte) (c *Call, fresh bool) {
	h, ok := ParseHeader(pdu)
	if !ok || len(pdu) < h.Length {
		return nil, false
	}
	pdu = pdu[:h.Length]
	if h.Type != Bind && h.Type != AlterCtx && h.Type != Request {
		return nil, false
	}
	if c = s.find(h.CallID); c == nil || h.Flags&FirstFrag != 0 && c.HasReq && h.Type == Request && c.ReqDone {
		c, fresh = s.open(h), true
	}
	c.HasReq, c.ReqType = true, h.Type
	if h.Type == Request {
		c.request(s, &h, pdu)
	} else {
		c.bind(s, &h, pdu)
	}
	return c, fresh
}

// Server takes a whole packet of the server.
func (s *Session) Server(pdu []byte) (c *Call, fresh bool) {
	h, ok := ParseHeader(pdu)
	if !ok || len(pdu) < h.Length {
		return nil, false
	}
	pdu = pdu[:h.Length]
	if c = s.find(h.CallID); c == nil {
		c, fresh = s.open(h), true
	}
	c.HasRes, c.ResType = true, h.Type
	switch h.Type {
	case BindAck, AlterCtxAck:
		c.bindAck(s, &h, pdu)
	case Response, Fault:
		if !c.HasReq {
			c.Accepted = s.accepted()
		}
		c.response(&h, pdu)
	default:
		c.ResDone = true
	}
	if c.ResDone {
		s.close(c)
	}
	return c, fresh
}

func (s *Session) find(id uint32) *Call {
	for _, c := range s.calls {
		if c.CallID == id {
			return c
		}
	}
	return nil
}

// open starts a call; the oldest open one is given up when there are too many.
func (s *Session) open(h Header) *Call {
	c := &Call{Version: [2]uint8{h.Major, h.Minor}, CallID: h.CallID, Pipe: s.Pipe, LittleEndian: h.Order == binary.LittleEndian}
	if len(s.calls) >= maxCalls {
		s.calls = append(s.calls[:0], s.calls[1:]...)
	}
	if old := s.find(h.CallID); old != nil {
		s.close(old)
	}
	s.calls = append(s.calls, c)
	return c
}

func (s *Session) close(c *Call) {
	for i := range s.calls {
		if s.calls[i] == c {
			s.calls = append(s.calls[:i], s.calls[i+1:]...)
			return
		}
	}
}

// request adds a fragment of a request (C706 §12.6.4.9).
func (c *Call) request(s *Session, h *Header, pdu []byte) {
	c.ReqFrags++
	off := HeaderLen + 8
	if len(pdu) < off {
		return
	}
	c.Context, c.Opnum = h.Order.Uint16(pdu[20:]), h.Order.Uint16(pdu[22:])
	if h.Flags&hasObject != 0 && c.Pipe {
		off += 16
	}
	c.ReqStub = c.stub(c.ReqStub, &c.ReqSize, pdu, off)
	c.ReqDone = h.Flags&LastFrag != 0
	c.Accepted = s.accepted()
	if c.Interfaces == nil {
		for i := range c.Accepted {
			if c.Accepted[i].Context == c.Context {
				c.Interfaces = c.Accepted[i : i+1]
			}
		}
	}
}

// accepted are the interfaces that the server took.
func (s *Session) accepted() []Interface {
	var list []Interface
	for _, i := range s.Bound {
		if i.Answered && i.Result == 0 {
			list = append(list, i)
		}
	}
	return list
}

// response adds a fragment of a response or fault.
func (c *Call) response(h *Header, pdu []byte) {
	c.ResFrags++
	off := HeaderLen
	if c.Pipe {
		off += 8
	}
	c.ResStub = c.stub(c.ResStub, &c.ResSize, pdu, off)
	c.ResDone = h.Flags&LastFrag != 0
}

// AddRequest adds a fragment of a request's stub data; done says that it is the last.
func (c *Call) AddRequest(data []byte, done bool) {
	c.ReqFrags++
	c.ReqStub = c.stub(c.ReqStub, &c.ReqSize, data, 0)
	c.ReqDone = done
}

// AddResponse adds a fragment of a response's stub data.
func (c *Call) AddResponse(data []byte, done bool) {
	c.ResFrags++
	c.ResStub = c.stub(c.ResStub, &c.ResSize, data, 0)
	c.ResDone = done
}

// stub appends a fragment's stub data; as in Suricata the verifier at its end counts as well.
func (c *Call) stub(dst []byte, size *int, pdu []byte, off int) []byte {
	if len(pdu) <= off {
		return dst
	}
	data := pdu[off:]
	*size += len(data)
	return append(dst, data[:min(len(data), max(0, maxStub-len(dst)))]...)
}

// bind reads what the client wants to bind (C706 §12.6.4.3).
func (c *Call) bind(s *Session, h *Header, pdu []byte) {
	c.ReqDone = h.Flags&LastFrag != 0 || h.Flags&(FirstFrag|LastFrag) == 0
	c.ReqFrags++
	if len(pdu) < 28 {
		return
	}
	b := pdu[28:]
	for n := pdu[24]; n > 0 && len(b) >= 24; n-- {
		i := Interface{Context: h.Order.Uint16(b), Major: h.Order.Uint16(b[20:]), Minor: h.Order.Uint16(b[22:]), First: h.Flags&FirstFrag != 0}
		i.UUID = UUID(b[4:20], h.Order)
		if len(c.Interfaces) < maxInterfaces {
			c.Interfaces = append(c.Interfaces, i)
		}
		skip := 24 + 20*int(b[2])
		if skip > len(b) {
			break
		}
		b = b[skip:]
	}
	for _, i := range c.Interfaces {
		if len(s.Bound) < maxInterfaces {
			s.Bound = append(s.Bound, i)
		}
	}
}

// UUID puts a UUID into the order of its text form.
func UUID(b []byte, order binary.ByteOrder) (u [16]byte) {
	copy(u[:], b)
	binary.BigEndian.PutUint32(u[:], order.Uint32(b))
	binary.BigEndian.PutUint16(u[4:], order.Uint16(b[4:]))
	binary.BigEndian.PutUint16(u[6:], order.Uint16(b[6:]))
	return u
}

// bindAck reads the answers to a bind, in its order (C706 §12.6.4.4).
func (c *Call) bindAck(s *Session, h *Header, pdu []byte) {
	c.ResDone = true
	c.ResFrags++
	if len(pdu) < 26 {
		return
	}
	off := 26 + int(h.Order.Uint16(pdu[24:]))
	off = (off + 3) &^ 3
	if len(pdu) < off+4 {
		return
	}
	b := pdu[off+4:]
	for i := 0; i < int(pdu[off]) && len(b) >= 24; i++ {
		result, reason := h.Order.Uint16(b), h.Order.Uint16(b[2:])
		b = b[24:]
		if i < len(c.Interfaces) {
			c.Interfaces[i].Answered, c.Interfaces[i].Result, c.Interfaces[i].Reason = true, result, reason
			s.answer(c.Interfaces[i])
		}
	}
}

// answer notes an answer with the latest bind of its context.
func (s *Session) answer(i Interface) {
	for k := len(s.Bound) - 1; k >= 0; k-- {
		if b := &s.Bound[k]; b.Context == i.Context && b.UUID == i.UUID && b.Major == i.Major && b.Minor == i.Minor {
			*b = i
			return
		}
	}
}
