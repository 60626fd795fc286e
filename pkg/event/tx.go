package event

import (
	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/dcerpc"
	"github.com/weir-ips/weir/pkg/flow/dns"
	"github.com/weir-ips/weir/pkg/flow/ftp"
	"github.com/weir-ips/weir/pkg/flow/http1"
	"github.com/weir-ips/weir/pkg/flow/http2"
	"github.com/weir-ips/weir/pkg/flow/quic"
	"github.com/weir-ips/weir/pkg/flow/smb"
	"github.com/weir-ips/weir/pkg/flow/smtp"
	"github.com/weir-ips/weir/pkg/flow/ssh"
	"github.com/weir-ips/weir/pkg/flow/tls"
)

// typeOf returns the record that a transaction is written as.
func typeOf(tx app.Tx) (Type, bool) {
	switch tx.(type) {
	case *http1.Tx:
		return HTTP, true
	case *dns.Tx:
		return DNS, true
	case *tls.Tx:
		return TLS, true
	case *http2.Tx:
		return HTTP, true
	case *quic.Tx:
		return QUIC, true
	case *ssh.Tx:
		return SSH, true
	case *smtp.Tx:
		return SMTP, true
	case *ftp.Tx:
		return FTP, true
	case *ftp.DataTx:
		return FTPData, true
	case *smb.Tx:
		return SMB, true
	case *dcerpc.Tx:
		return DCERPC, true
	}
	return 0, false
}

// Tx writes a transaction's own record.
func (l *Logger) Tx(s *Subject, tx app.Tx) {
	t, ok := typeOf(tx)
	if !ok || s.Flow == nil {
		return
	}
	for _, o := range l.Outputs {
		if !o.Types.Has(t) || !l.selected(o, tx) {
			continue
		}
		e := l.begin(o, t, s, txOrientation(o, tx))
		e.num("tx_id", tx.Base().ID)
		l.state(o, e, s.Flow, nil)
		l.txObject(o, e, s.Flow, tx, false)
		l.put(o, t)
	}
	if h, ok := tx.(*http2.Tx); ok {
		if d := overHTTP2(h); d != nil {
			l.Tx(s, d)
		}
	}
}

// overHTTP2 returns the DNS transaction that a stream carries: the answer, or the question as long as there is none; nil when it
// carries none.
func overHTTP2(t *http2.Tx) *dns.Tx {
	d := &dns.Tx{Response: t.DNS[app.ToClient]}
	if d.Response == nil {
		d.Request = t.DNS[app.ToServer]
	}
	if d.Message() == nil {
		return nil
	}
	d.ID = t.ID
	return d
}

// txOrientation is which end the record calls the source: the client, but for DNS answers since version 3 of their records.
func txOrientation(o *Output, tx app.Tx) orientation {
	if t, ok := tx.(*dns.Tx); ok && t.OneWay && t.Dir == app.ToClient && o.DNS.Version != 2 {
		return toClient
	}
	return toServer
}

// selected reports whether the output's options want this transaction.
func (l *Logger) selected(o *Output, tx app.Tx) bool {
	switch t := tx.(type) {
	case *dns.Tx:
		return dnsSelected(&o.DNS, t)
	case *tls.Tx:
		return tlsSelected(&o.TLS, t)
	case *smb.Tx:
		return smbSelected(&o.SMB, t)
	case *http2.Tx:
		return http2Selected(t)
	}
	return true
}

// txObject writes the transaction's fields as a member named after its protocol. inAlert is the form that alerts have.
func (l *Logger) txObject(o *Output, e *encoder, f *flow.Flow, tx app.Tx, inAlert bool) {
	switch t := tx.(type) {
	case *http1.Tx:
		e.open("http")
		e.http(&o.HTTP, &o.Alert, t, inAlert)
		e.close()
	case *dns.Tx:
		e.dns(&o.DNS, f, t, inAlert)
	case *tls.Tx:
		e.open("tls")
		l.tls(e, &o.TLS, t)
		e.close()
	case *http2.Tx:
		e.open("http")
		e.http2(t)
		e.close()
		if d := overHTTP2(t); d != nil && inAlert {
			e.dns(&o.DNS, f, d, true)
		}
	case *quic.Tx:
		e.open("quic")
		e.quic(o.QUICJA4, t)
		e.close()
	case *ssh.Tx:
		e.open("ssh")
		e.ssh(t)
		e.close()
	case *smtp.Tx:
		e.smtp(&o.SMTP, t)
	case *ftp.Tx:
		e.open("ftp")
		e.ftp(t)
		e.close()
	case *ftp.DataTx:
		e.open("ftp_data")
		e.ftpData(t)
		e.close()
	case *smb.Tx:
		e.open("smb")
		e.smb(t)
		e.close()
	case *dcerpc.Tx:
		if t.Call != nil {
			e.open("dcerpc")
			e.dcerpc(t.Call, true)
			e.close()
		}
	}
}
