package ftp

import (
	"bytes"
	"net/netip"
	"strconv"

	"github.com/weir-ips/weir/pkg/flow/app"
)

// transfer is what the control connection says about a data connection. The control parser fills it, the data
// connection's parser reads it when the first byte comes.
type transfer struct {
	command string
	name    []byte
	dir     app.Direction // of the file, seen from the control connection
	active  bool
}

// active handles PORT and EPRT: the client will listen.
func (p *Parser) active(t *Tx, parse func([]byte) (netip.AddrPort, bool)) {
	ap, ok := parse(t.Data)
	if !ok {
		return
	}
	t.Port, t.Mode = ap.Port(), Active
	p.announce(app.ToServer, ap, true)
}

// passive handles the answers to PASV and EPSV: the server will listen.
func (p *Parser) passive(t *Tx, text []byte, parse func([]byte) (netip.AddrPort, bool)) {
	start, end := bytes.IndexByte(text, '(')+1, bytes.LastIndexByte(text, ')')
	if start == 0 || end < start { // some servers leave the parentheses out
		start, end = bytes.IndexAny(text, "0123456789|"), len(text)
	}
	if start < 0 {
		return
	}
	ap, ok := parse(text[start:end])
	if !ok {
		return
	}
	t.Port, t.Mode = ap.Port(), Passive
	p.announce(app.ToClient, ap, false)
}

// announce tells the flow table of a data connection to come. listener is the direction whose sender listens. Only
// the port is taken from the client's word: an address of a third party (a bounce) is not followed.
func (p *Parser) announce(listener app.Direction, ap netip.AddrPort, active bool) {
	link := &transfer{active: active}
	p.link = link
	files := p.cfg.Files
	p.expected = append(p.expected, app.Expectation{
		Server: listener,
		Port:   ap.Port(),
		New:    func() app.Parser { return &Data{link: link, files: files} },
	})
}

// transfer names the file of the data connection that was announced last.
func (p *Parser) transfer(t *Tx, command string, dir app.Direction) {
	if len(t.Data) == 0 {
		t.Event("ftp.file_without_name")
	}
	if p.link == nil {
		t.Event("ftp.file_before_port")
		return
	}
	p.link.command, p.link.name, p.link.dir = command, t.Data, dir
	p.link = nil
}

// portArgument reads "h1,h2,h3,h4,p1,p2" (RFC 959 §5.3.2).
func portArgument(b []byte) (netip.AddrPort, bool) {
	var v [6]byte
	parts := bytes.Split(bytes.TrimSpace(b), []byte(","))
	if len(parts) != len(v) {
		return netip.AddrPort{}, false
	}
	for i, part := range parts {
		n, err := strconv.ParseUint(string(bytes.TrimSpace(part)), 10, 8)
		if err != nil {
			return netip.AddrPort{}, false
		}
		v[i] = byte(n)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(v[:4])), uint16(v[4])<<8|uint16(v[5])), true
}

// extendedArgument reads "|1|192.0.2.1|6275|" and "|||6446|" (RFC 2428); any delimiter will do.
func extendedArgument(b []byte) (netip.AddrPort, bool) {
	b = bytes.TrimSpace(b)
	if len(b) == 0 {
		return netip.AddrPort{}, false
	}
	parts := bytes.Split(b, b[:1])
	if len(parts) < 4 {
		return netip.AddrPort{}, false
	}
	port, err := strconv.ParseUint(string(parts[3]), 10, 16)
	if err != nil || port == 0 {
		return netip.AddrPort{}, false
	}
	addr, _ := netip.ParseAddr(string(parts[2]))
	return netip.AddrPortFrom(addr, uint16(port)), true
}

// Data reads one data connection: its bytes are one file.
type Data struct {
	link  *transfer
	files app.FileConfig
	txs   app.Queue
	tx    *DataTx
	file  *app.File
}

// Proto returns app.FTPData.
func (d *Data) Proto() app.Proto { return app.FTPData }

// Txs returns the transaction, once there is one.
func (d *Data) Txs() []app.Tx { return d.txs.All() }

// Free drops the transaction.
func (d *Data) Free(n int) { d.txs.Free(n) }

// Feed adds bytes to the file.
func (d *Data) Feed(dir app.Direction, data []byte, now int64) error {
	if d.link.command == "" || dir != d.direction() {
		return nil
	}
	if d.tx == nil {
		d.tx = &DataTx{Command: []byte(d.link.command), FileName: d.link.name}
		d.txs.Add(d.tx, now)
		d.file = d.tx.NewFile(&d.files, d.link.name, dir)
		d.tx.OneWay, d.tx.Dir = true, dir
		d.tx.Progress[dir.Opposite()] = MaxProgress
		d.tx.Complete[dir.Opposite()] = true
	}
	d.file.Append(data, !d.tx.Touched[dir])
	d.tx.Touch(dir)
	return nil
}

// direction is the one in which the file goes: in active mode the server opens the data connection, so that it is the
// initiator there.
func (d *Data) direction() app.Direction {
	if d.link.active {
		return d.link.dir.Opposite()
	}
	return d.link.dir
}

// Gap notes lost bytes of the file.
func (d *Data) Gap(dir app.Direction, n int) {
	if d.tx != nil && dir == d.tx.Dir {
		d.file.Gap(n)
	}
}

// Close ends the file.
func (d *Data) Close(dir app.Direction) {
	if d.tx == nil || dir != d.tx.Dir {
		return
	}
	d.file.Close()
	d.tx.Advance(dir, Complete)
	d.tx.Complete[dir] = true
}
