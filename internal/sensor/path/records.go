package path

import (
	"maps"

	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/ssh"
	"github.com/weir-ips/weir/pkg/flow/tls"
)

// anomalies writes what is wrong with the packet and its segment.
func (p *Path) anomalies(pk *decode.Packet, r *flow.Result) {
	if p.wants.decode && pk.Events.Any() {
		for e := range pk.Events.All() {
			p.log.DecodeAnomaly(&p.subject, e.String())
		}
		for n := uint8(1); n < pk.BadOptions; n++ { // one for each, where the set has room for one
			p.log.DecodeAnomaly(&p.subject, decode.IPv4OptionInvalidLength.String())
		}
	}
	if p.wants.stream && r.Stream.Any() {
		for e := range r.Stream.All() {
			p.log.StreamAnomaly(&p.subject, e.String())
		}
	}
	if p.wants.tcp && r.Flow != nil && pk.Proto == decode.ProtoTCP && !pk.Source.Pseudo() {
		p.log.StreamTCP(&p.subject, r)
	}
	if p.wants.app && r.Flow != nil && r.Flow.AppEvents != 0 {
		p.protocolAnomalies(r.Flow)
	}
	p.arp(pk)
}

// protocolAnomalies writes what is new about a flow's protocol as a whole.
func (p *Path) protocolAnomalies(f *flow.Flow) {
	m := memoryOf(f)
	for e := flow.AppEvent(0); e < flow.NumAppEvents; e++ {
		if f.AppEvents.Has(e) && !m.appEvents.Has(e) {
			m.appEvents.Add(e)
			p.log.FlowAnomaly(&p.subject, e.String())
		}
	}
}

// arp writes an ARP packet's record.
func (p *Path) arp(pk *decode.Packet) {
	if p.wants.arp && pk.EtherType == etherTypeARP {
		p.log.ARP(&p.subject, pk.Payload)
	}
}

const etherTypeARP = 0x0806

// transactions writes the records of transactions and files that have come to their end; with the flow's end, of all.
func (p *Path) transactions(f *flow.Flow, end bool) {
	if f.Parser == nil {
		return
	}
	f.Unrecorded = false
	for _, tx := range f.Parser.Txs() {
		b := tx.Base()
		if len(b.Files) > 0 {
			p.files(f, tx, end)
		}
		if p.wants.app && len(b.Events) > 0 {
			p.txAnomalies(f, tx)
		}
		if b.Logged || !end && !p.loggable(tx) {
			continue
		}
		b.Logged = true
		p.streamReset(tx)
		if f.App != app.TLS && f.App != app.SSH && f.App != app.FTPData { // these are one transaction from the start, and not counted
			p.stats.Txs[f.App]++
		}
		p.log.Tx(&p.subject, tx)
	}
}

// maxTxEvents is when the transactions that are gone are looked for.
const maxTxEvents = 64

// txAnomalies writes what is new about a transaction's events.
func (p *Path) txAnomalies(f *flow.Flow, tx app.Tx) {
	b, m := tx.Base(), memoryOf(f)
	for _, name := range b.Events[m.txEvents[b.ID]:] {
		p.log.AppAnomaly(&p.subject, tx, name)
	}
	switch {
	case m.txEvents == nil:
		m.txEvents = map[uint64]int{}
	case len(m.txEvents) >= maxTxEvents: // parsers bound the live transactions; forget the others
		oldest := f.Parser.Txs()[0].Base().ID
		maps.DeleteFunc(m.txEvents, func(id uint64, _ int) bool { return id < oldest })
	}
	m.txEvents[b.ID] = len(b.Events)
}

// loggable reports whether a transaction's record would not change any more.
func (p *Path) loggable(tx app.Tx) bool {
	b := tx.Base()
	if b.OneWay {
		return b.Complete[b.Dir]
	}
	switch tx.(type) {
	case *tls.Tx: // the handshake's rest adds nothing to the record
		if b.Progress[app.ToClient] >= tls.ServerCertDone {
			return true
		}
	case *ssh.Tx:
		step := ssh.BannerDone
		if p.cfg.HASSH {
			step = ssh.KexDone
		}
		if b.Progress[app.ToServer] >= step && b.Progress[app.ToClient] >= step {
			return true
		}
	}
	return b.Complete[app.ToServer] && b.Complete[app.ToClient]
}

// files writes the records of files that have come to their end, with a packet of the side that sends them. Where files are kept, rules look at them before, because
// they may ask for that.
func (p *Path) files(f *flow.Flow, tx app.Tx, end bool) {
	b := tx.Base()
	for _, file := range b.Files {
		if file.Logged {
			continue
		}
		if end {
			file.Truncate()
		}
		unseen := !end && p.cfg.Store != nil && p.engine != nil && f.Verdict == flow.Undecided && b.Touched[file.Dir]
		done := file.Done() && !unseen && (end || file.Dir == p.subject.Dir)
		p.store(file, done)
		if done {
			file.Logged = true
			p.log.File(&p.subject, tx, file)
		} else if file.Done() {
			f.Unrecorded = true
		}
	}
}
