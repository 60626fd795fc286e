package flow

import (
	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/flow/app"
)

// detect asks the protocols about the first bytes of a direction. True: the protocol is known now. False: more bytes are
// needed, or the flow's protocol is given up (App == Failed).
func (t *Tracker) detect(f *Flow, dir app.Direction, data []byte) bool {
	if f.App == app.Failed {
		return false
	}
	if f.App != app.Unknown {
		return true
	}
	if f.AppDir[dir] == app.Failed { // this side cannot be told; the other may
		return false
	}
	proto, wait := t.probe(f, dir, data)
	if proto != app.Unknown {
		f.AppDir[dir] = proto
		t.adopt(f, proto)
		return true
	}
	if !wait || len(data) >= maxDetect {
		t.undetected(f, dir)
	}
	return false
}

// undetected gives up on one direction, and on the flow when the other has been given up too.
func (t *Tracker) undetected(f *Flow, dir app.Direction) {
	f.AppDir[dir] = app.Failed
	if f.AppDir[dir.Opposite()] == app.Failed && f.App == app.Unknown {
		f.App = app.Failed
		t.stats.AppFlows[app.Failed]++
		f.stopApp()
	}
}

// probe asks each protocol that has not said no yet; the first to say yes has it.
func (t *Tracker) probe(f *Flow, dir app.Direction, data []byte) (proto app.Proto, wait bool) {
	tcp := f.Proto == decode.ProtoTCP
	for i := range t.cfg.Protocols {
		p := &t.cfg.Protocols[i]
		if tcp && !p.TCP || !tcp && !p.UDP || f.probed[dir]&(1<<i) != 0 || p.Probe == nil {
			continue
		}
		switch p.Probe(dir, data, f.DstPort) {
		case app.Yes:
			return p.Proto, false
		case app.No:
			f.probed[dir] |= 1 << i
		default:
			wait = wait || tcp
		}
	}
	return app.Unknown, wait
}

// detectOther notes what the second direction looks like once the first has decided.
func (t *Tracker) detectOther(f *Flow, dir app.Direction, data []byte) {
	proto, wait := t.probe(f, dir, data)
	switch {
	case proto == f.App:
		f.AppDir[dir] = proto
	case proto != app.Unknown:
		f.AppDir[dir] = proto
		f.AppEvents.Add(AppMismatchBothDirections)
	case !wait:
		f.AppDir[dir] = app.Failed
		f.AppEvents.Add(AppDetectOnlyOneDirection)
	}
}

// adopt gives the flow a protocol and its parser.
func (t *Tracker) adopt(f *Flow, proto app.Proto) {
	f.App = proto
	t.stats.AppFlows[proto]++
	for i := range t.cfg.Protocols {
		if p := &t.cfg.Protocols[i]; p.Proto == proto && p.New != nil {
			f.setParser(p.New())
			return
		}
	}
}

func (f *Flow) setParser(p app.Parser) {
	f.Parser = p
	f.watch.of(p)
}
