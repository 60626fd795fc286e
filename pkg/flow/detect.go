package flow

import (
	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/flow/app"
)

// detect asks the protocols about the first bytes of a direction. True: the protocol is known now. False: more bytes are
// needed, or the flow's protocol is given up (App == Failed).
func (t *Tracker) detect(f *Flow, dir app.Direction, data []byte, r *Result) bool {
	switch {
	case f.App == app.Unknown, f.App == app.Failed && f.Proto == decode.ProtoUDP && f.AppDir[dir] == app.Unknown:
	default:
		return f.App != app.Failed
	}
	if f.AppDir[dir] == app.Failed { // this side cannot be told; the other may
		if len(data) >= 2*maxDetect {
			t.undetected(f, dir.Opposite())
		}
		return false
	}
	p, wait := t.probe(f, dir, data)
	if p == nil {
		if p = t.reversed(f, dir, data); p != nil {
			t.exchange(f, r)
			dir = dir.Opposite()
		}
	}
	if p != nil {
		f.AppDir[dir] = p.Proto
		t.adopt(f, p)
		return true
	}
	if !wait || len(data) >= maxDetect {
		t.undetected(f, dir)
	}
	return false
}

// reversed asks whether the bytes are what the other side would say: of a flow that began before we saw it, nobody knows
// which side is the server.
func (t *Tracker) reversed(f *Flow, dir app.Direction, data []byte) *Protocol {
	s := f.TCP
	switch {
	case f.AppDir != [2]app.Proto{}:
		return nil
	case s != nil && (!s.Midstream || s.flags&sessMidSynAck != 0):
		return nil
	case s == nil && f.Packets[dir.Opposite()] > 0:
		return nil
	}
	for i := range t.cfg.Protocols {
		p := &t.cfg.Protocols[i]
		if p.over(f.Proto) && p.Probe != nil && p.Probe(dir.Opposite(), data, f.SrcPort) == app.Yes {
			return p
		}
	}
	return nil
}

// undetected gives up on one direction, and on the flow when the other has been given up too. A datagram does not go on, so
// that its flow counts as given up at once, although an answer may still tell what it is.
func (t *Tracker) undetected(f *Flow, dir app.Direction) {
	f.AppDir[dir] = app.Failed
	both := f.AppDir[dir.Opposite()] == app.Failed
	if f.App == app.Unknown && (both || f.Proto == decode.ProtoUDP) {
		f.App = app.Failed
		t.stats.AppFlows[app.Failed]++
	}
	if both && f.App == app.Failed {
		f.stopApp()
	}
}

// probe asks each protocol that has not said no yet; the first to say yes has it.
func (t *Tracker) probe(f *Flow, dir app.Direction, data []byte) (p *Protocol, wait bool) {
	for i := range t.cfg.Protocols {
		p := &t.cfg.Protocols[i]
		if !p.over(f.Proto) || f.probed[dir]&(1<<i) != 0 || p.Probe == nil {
			continue
		}
		switch p.Probe(dir, data, f.DstPort) {
		case app.Yes:
			return p, false
		case app.No:
			f.probed[dir] |= 1 << i
		default:
			wait = wait || f.Proto == decode.ProtoTCP // a datagram does not go on
		}
	}
	return nil, wait
}

// over reports whether the protocol is spoken over a transport.
func (p *Protocol) over(transport uint8) bool {
	return transport == decode.ProtoTCP && p.TCP || transport == decode.ProtoUDP && p.UDP
}

// detectOther notes what the second direction looks like once the first has decided.
func (t *Tracker) detectOther(f *Flow, dir app.Direction, data []byte) {
	p, wait := t.probe(f, dir, data)
	switch {
	case p != nil && p.Proto == f.App:
		f.AppDir[dir] = p.Proto
	case p != nil:
		f.AppDir[dir] = p.Proto
		f.AppEvents.Add(AppMismatchBothDirections)
	case !wait:
		f.AppDir[dir] = app.Failed
		f.AppEvents.Add(AppDetectOnlyOneDirection)
	}
}

// adopt gives the flow a protocol and its parser.
func (t *Tracker) adopt(f *Flow, p *Protocol) {
	if f.App == app.Failed {
		t.stats.AppFlows[app.Failed]--
	}
	f.App = p.Proto
	t.stats.AppFlows[p.Proto]++
	if p.New != nil {
		f.setParser(p.New())
		t.mark(f)
	}
}

// protocol returns how a protocol is parsed over a transport; nil when it is not configured.
func (c *Config) protocol(proto app.Proto, transport uint8) *Protocol {
	for i := range c.Protocols {
		if p := &c.Protocols[i]; p.Proto == proto && p.over(transport) {
			return p
		}
	}
	return nil
}

func (f *Flow) setParser(p app.Parser) {
	f.Parser = p
	f.watch.of(p)
}
