package tls

import "github.com/weir-ips/weir/pkg/flow/app"

// mark marks the frames of a record whose header begins back bytes before the end of what came, with n bytes behind the header.
func (p *Parser) mark(s *side, typ byte, back, n int) {
	if p.frames == nil || s.marked {
		return
	}
	s.marked = true
	p.frames.AddTx(s.dir, app.TLSPDU, back, int64(recordHeader+n), &p.tx.TxBase)
	p.frames.AddTx(s.dir, app.TLSHeader, back, recordHeader, &p.tx.TxBase)
	if n == 0 {
		return
	}
	p.frames.AddTx(s.dir, app.TLSData, back-recordHeader, int64(n), &p.tx.TxBase)
	switch typ {
	case recordAlert:
		p.frames.AddTx(s.dir, app.TLSAlert, back-recordHeader, int64(n), &p.tx.TxBase)
	case recordHeartbeat:
		p.frames.AddTx(s.dir, app.TLSHeartbeat, back-recordHeader, int64(n), &p.tx.TxBase)
	}
}

// markSSL2 marks the frames of a record of SSL 2 whose header has length header and n bytes behind it.
func (p *Parser) markSSL2(s *side, back, header, n int) {
	if p.frames == nil || s.marked {
		return
	}
	s.marked = true
	p.frames.AddTx(s.dir, app.SSL2PDU, back, int64(header+n), &p.tx.TxBase)
	p.frames.AddTx(s.dir, app.SSL2Header, back, int64(header), &p.tx.TxBase)
}

// recordHeader is the length of a record's header (RFC 8446 §5.1).
const recordHeader = 5
