package keyword

import (
	"fmt"
	"strings"

	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/ftp"
	"github.com/weir-ips/weir/pkg/flow/quic"
	"github.com/weir-ips/weir/pkg/flow/smb"
	"github.com/weir-ips/weir/pkg/flow/smtp"
	"github.com/weir-ips/weir/pkg/flow/ssh"
	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

// of makes a source of a buffer that a transaction has once.
func of[T app.Tx](proto app.Proto, dir app.Direction, step uint8, get func(x *Context, tx T) []byte) Source {
	return Source{Proto: proto, Dir: dir, Progress: step, Final: finalOf(step), Get: single(get)}
}

// finalOf returns from which step on a buffer does not change: one that is there from the beginning may come until the end.
func finalOf(step uint8) uint8 {
	if step == 0 {
		return last
	}
	return step
}

// each makes a source of a buffer that a transaction may have several times.
func each[T app.Tx](proto app.Proto, dir app.Direction, step uint8, get func(x *Context, tx T, i int) ([]byte, bool)) Source {
	return Source{Proto: proto, Dir: dir, Progress: step, Final: finalOf(step), Get: func(x *Context, tx app.Tx, i int) (Bytes, bool) {
		t, ok := tx.(T)
		if !ok {
			return Bytes{}, false
		}
		b, ok := get(x, t, i)
		return Bytes{Data: b}, ok
	}}
}

func nth(list [][]byte, i int) ([]byte, bool) {
	if i < len(list) {
		return list[i], true
	}
	return nil, false
}

// SSH.

func sshBoth(step uint8, get func(x *Context, s *ssh.Side) []byte) []Source {
	return []Source{
		of(app.SSH, app.ToServer, step, func(x *Context, t *ssh.Tx) []byte { return get(x, &t.Client) }),
		of(app.SSH, app.ToClient, step, func(x *Context, t *ssh.Tx) []byte { return get(x, &t.Server) }),
	}
}

var (
	sshProto    = &Buffer{Name: "ssh.proto", Weak: true, Sources: sshBoth(ssh.BannerDone, func(_ *Context, s *ssh.Side) []byte { return orNil(s.Proto) })}
	sshSoftware = &Buffer{Name: "ssh.software", Sources: sshBoth(ssh.BannerDone, func(_ *Context, s *ssh.Side) []byte { return orNil(s.Software) })}

	sshHassh             = &Buffer{Name: "ssh.hassh", Lower: true, Sources: sshBoth(ssh.KexDone, func(x *Context, s *ssh.Side) []byte { return text(x, s.HASSHMD5) })[:1]}
	sshHasshServer       = &Buffer{Name: "ssh.hassh.server", Lower: true, Sources: sshBoth(ssh.KexDone, func(x *Context, s *ssh.Side) []byte { return text(x, s.HASSHMD5) })[1:]}
	sshHasshString       = &Buffer{Name: "ssh.hassh.string", Sources: sshBoth(ssh.KexDone, func(x *Context, s *ssh.Side) []byte { return text(x, s.HASSH) })[:1]}
	sshHasshServerString = &Buffer{Name: "ssh.hassh.server.string", Sources: sshBoth(ssh.KexDone, func(x *Context, s *ssh.Side) []byte { return text(x, s.HASSH) })[1:]}
)

// SMTP and mail.

func smtpSource(step uint8, get func(x *Context, t *smtp.Tx) []byte) []Source {
	return []Source{of(app.SMTP, app.ToServer, step, get)}
}

func mailField(name string) []Source {
	return smtpSource(smtp.Header, func(_ *Context, t *smtp.Tx) []byte {
		if t.Mail == nil {
			return nil
		}
		return t.Mail.Get(name)
	})
}

var (
	smtpHelo     = &Buffer{Name: "smtp.helo", Sources: smtpSource(smtp.Started, func(_ *Context, t *smtp.Tx) []byte { return orNil(t.Helo) })}
	smtpMailFrom = &Buffer{Name: "smtp.mail_from", Sources: smtpSource(smtp.Started, func(_ *Context, t *smtp.Tx) []byte { return orNil(t.MailFrom) })}
	smtpRcptTo   = &Buffer{Name: "smtp.rcpt_to", Multi: true, Sources: []Source{each(app.SMTP, app.ToServer, smtp.Started, func(_ *Context, t *smtp.Tx, i int) ([]byte, bool) { return nth(t.RcptTo, i) })}}

	emailFrom      = &Buffer{Name: "email.from", Sources: mailField("from")}
	emailTo        = &Buffer{Name: "email.to", Sources: mailField("to")}
	emailCc        = &Buffer{Name: "email.cc", Sources: mailField("cc")}
	emailSubject   = &Buffer{Name: "email.subject", Sources: mailField("subject")}
	emailDate      = &Buffer{Name: "email.date", Sources: mailField("date")}
	emailMessageID = &Buffer{Name: "email.message_id", Sources: mailField("message-id")}
	emailMailer    = &Buffer{Name: "email.x_mailer", Sources: mailField("x-mailer")}
	emailURL       = &Buffer{Name: "email.url", Multi: true, Sources: []Source{each(app.SMTP, app.ToServer, smtp.Complete, func(_ *Context, t *smtp.Tx, i int) ([]byte, bool) {
		if t.Mail == nil {
			return nil, false
		}
		return nth(t.Mail.URLs, i)
	})}}
	emailReceived = &Buffer{Name: "email.received", Multi: true, Sources: []Source{each(app.SMTP, app.ToServer, smtp.Header, func(_ *Context, t *smtp.Tx, i int) ([]byte, bool) {
		if t.Mail == nil {
			return nil, false
		}
		for _, f := range t.Mail.Fields {
			if string(toLower(f.Name)) != "received" {
				continue
			}
			if i == 0 {
				return f.Value, true
			}
			i--
		}
		return nil, false
	})}}
	emailBodyMD5 = &Buffer{Name: "email.body_md5", Lower: true, Sources: smtpSource(smtp.Complete, func(x *Context, t *smtp.Tx) []byte {
		if t.Mail == nil || t.Mail.BodyMD5 == nil {
			return nil
		}
		return x.hex(t.Mail.BodyMD5)
	})}
)

// hex returns b in lower-case hexadecimal.
func (c *Context) hex(b []byte) []byte {
	const digits = "0123456789abcdef"
	out := c.own(2 * len(b))
	for i, v := range b {
		out[2*i], out[2*i+1] = digits[v>>4], digits[v&15]
	}
	return out
}

// FTP.

var (
	ftpCommand     = &Buffer{Name: "ftp.command", Sources: []Source{of(app.FTP, app.ToServer, ftp.Complete, func(_ *Context, t *ftp.Tx) []byte { return orNil(t.Command) })}}
	ftpCommandData = &Buffer{Name: "ftp.command_data", Sources: []Source{of(app.FTP, app.ToServer, ftp.Complete, func(_ *Context, t *ftp.Tx) []byte { return orNil(t.Data) })}}
	ftpReply       = &Buffer{Name: "ftp.reply", Multi: true, Sources: []Source{each(app.FTP, app.ToClient, ftp.Started, func(_ *Context, t *ftp.Tx, i int) ([]byte, bool) {
		if i >= len(t.Replies) {
			return nil, false
		}
		return t.Replies[i].Text, true
	})}}
	ftpCompletionCode = &Buffer{Name: "ftp.completion_code", Multi: true, Weak: true, Sources: []Source{each(app.FTP, app.ToClient, ftp.Started, func(_ *Context, t *ftp.Tx, i int) ([]byte, bool) {
		if i >= len(t.Replies) {
			return nil, false
		}
		return t.Replies[i].Code, true
	})}}
)

func ftpValues(get func(t *ftp.Tx) (uint64, bool)) []valueSource {
	of := func(dir app.Direction) valueSource {
		return valueSource{app.FTP, dir, ftp.Started, func(tx app.Tx, i int) (uint64, bool) {
			t, ok := tx.(*ftp.Tx)
			if !ok || i > 0 {
				return 0, false
			}
			return get(t)
		}}
	}
	return []valueSource{of(app.ToServer), of(app.ToClient)}
}

var (
	ftpDynamicPort = txField("ftp.dynamic_port", "port that was agreed for data", 65535, nil, ftpValues(func(t *ftp.Tx) (uint64, bool) { return uint64(t.Port), t.Port != 0 }))
	ftpMode        = txField("ftp.mode", "who connects for data", 2, map[string]uint64{"active": uint64(ftp.Active), "passive": uint64(ftp.Passive)},
		ftpValues(func(t *ftp.Tx) (uint64, bool) { return uint64(t.Mode), t.Mode != ftp.NoMode }))
	ftpReplyReceived = txField("ftp.reply_received", "whether the command was answered", 1, map[string]uint64{"no": 0, "false": 0, "off": 0, "yes": 1, "true": 1, "on": 1},
		ftpValues(func(t *ftp.Tx) (uint64, bool) {
			return uint64(boolInt(len(t.Replies) > 0)), len(t.Command) > 0 && (len(t.Replies) > 0 || t.Complete[app.ToClient])
		})[1:])
)

// ftpDataCommand is what a data connection was opened for.
var ftpDataCommand = Keyword{
	Name: "ftpdata_command", Family: FamilyPacket, Arg: "stor|retr", Doc: "FTP command that the data connection belongs to",
	setup: func(c *compiler, o *syntax.Option) error {
		want := strings.ToUpper(o.Value)
		if want != "STOR" && want != "RETR" {
			return fmt.Errorf("%q is not stor or retr", o.Value)
		}
		is := func(_ *Context, t *ftp.DataTx) []byte {
			if !strings.EqualFold(string(t.Command), want) {
				return nil
			}
			return []byte{1}
		}
		b := &Buffer{Name: "ftpdata_command:" + want, Weak: true, Sources: []Source{of(app.FTPData, app.ToServer, 0, is), of(app.FTPData, app.ToClient, 0, is)}}
		if err := c.need(b); err != nil {
			return err
		}
		g := c.group(b, nil)
		g.Items = append(g.Items, &valueItem{func(uint64) bool { return true }})
		return nil
	},
}

// SMB and DCERPC.

// smbAsked makes the source of what a client asks for.
func smbAsked(get func(t *smb.Tx) []byte) []Source {
	return []Source{of(app.SMB, app.ToServer, smb.Complete, func(_ *Context, t *smb.Tx) []byte { return orNil(get(t)) })}
}

func ntlm(get func(n *smb.NTLMSSP) []byte) []Source {
	return []Source{of(app.SMB, app.ToServer, smb.Complete, func(_ *Context, t *smb.Tx) []byte {
		if t.NTLMSSP == nil {
			return nil
		}
		return orNil(get(t.NTLMSSP))
	})}
}

var (
	smbShare      = &Buffer{Name: "smb.share", Sources: smbAsked(func(t *smb.Tx) []byte { return t.Share })}
	smbNamedPipe  = &Buffer{Name: "smb.named_pipe", Sources: smbAsked(func(t *smb.Tx) []byte { return t.NamedPipe })}
	smbNTLMUser   = &Buffer{Name: "smb.ntlmssp_user", Sources: ntlm(func(n *smb.NTLMSSP) []byte { return n.User })}
	smbNTLMDomain = &Buffer{Name: "smb.ntlmssp_domain", Sources: ntlm(func(n *smb.NTLMSSP) []byte { return n.Domain })}
)

var smbVersion = txField("smb.version", "version of SMB", 2, nil, []valueSource{smbVersionOf(app.ToServer), smbVersionOf(app.ToClient)})

func smbVersionOf(dir app.Direction) valueSource {
	return valueSource{app.SMB, dir, smb.Started, func(tx app.Tx, i int) (uint64, bool) {
		t, ok := tx.(*smb.Tx)
		if !ok || i > 0 {
			return 0, false
		}
		return uint64(t.Version), true
	}}
}

// QUIC.

func quicClient(get func(x *Context, t *quic.Tx) []byte) Source {
	return of(app.QUIC, app.ToServer, quic.Complete, func(x *Context, t *quic.Tx) []byte {
		if !t.Client {
			return nil
		}
		return get(x, t)
	})
}

func quicServer(get func(x *Context, t *quic.Tx) []byte) Source {
	return of(app.QUIC, app.ToClient, quic.Complete, func(x *Context, t *quic.Tx) []byte {
		if t.Client {
			return nil
		}
		return get(x, t)
	})
}

var (
	quicSNI        = quicClient(func(_ *Context, t *quic.Tx) []byte { return orNil(t.SNI) })
	quicJA3Hash    = quicClient(func(x *Context, t *quic.Tx) []byte { return text(x, t.JA3Hash) })
	quicJA3String  = quicClient(func(x *Context, t *quic.Tx) []byte { return text(x, t.JA3) })
	quicJA3SHash   = quicServer(func(x *Context, t *quic.Tx) []byte { return text(x, t.JA3Hash) })
	quicJA3SString = quicServer(func(x *Context, t *quic.Tx) []byte { return text(x, t.JA3) })
	quicJA4        = quicClient(func(x *Context, t *quic.Tx) []byte { return text(x, t.JA4) })

	quicSNIBuffer = &Buffer{Name: "quic.sni", Sources: []Source{quicSNI}}
	quicUA        = &Buffer{Name: "quic.ua", Sources: []Source{quicClient(func(_ *Context, t *quic.Tx) []byte { return orNil(t.UA) })}}
	quicVersion   = &Buffer{Name: "quic.version", Sources: []Source{
		quicClient(func(x *Context, t *quic.Tx) []byte { return x.bytes4(t.Version) }),
		quicServer(func(x *Context, t *quic.Tx) []byte { return x.bytes4(t.Version) }),
	}}
	quicCYUHash = &Buffer{Name: "quic.cyu.hash", Multi: true, Lower: true, Sources: []Source{each(app.QUIC, app.ToServer, quic.Complete, func(x *Context, t *quic.Tx, i int) ([]byte, bool) {
		if i >= len(t.CYU) {
			return nil, false
		}
		return text(x, t.CYU[i].Hash), true
	})}}
	quicCYUString = &Buffer{Name: "quic.cyu.string", Multi: true, Sources: []Source{each(app.QUIC, app.ToServer, quic.Complete, func(x *Context, t *quic.Tx, i int) ([]byte, bool) {
		if i >= len(t.CYU) {
			return nil, false
		}
		return text(x, t.CYU[i].String), true
	})}}
)

// bytes4 returns v in network byte order: QUIC's version as it stands in the packet ("Q046" of Google, 00000001 of RFC 9000).
func (c *Context) bytes4(v uint32) []byte {
	return c.keep([]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
}
