package path

import (
	"slices"
	"strings"

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
	"github.com/weir-ips/weir/pkg/signatures"
	"github.com/weir-ips/weir/pkg/signatures/keyword"
)

// Parsers are the settings of the application protocols' parsers.
type Parsers struct {
	HTTP     http1.Config
	TLS      tls.Config
	SSH      ssh.Config
	SMTP     smtp.Config
	FTP      ftp.Config
	SMB      smb.Config
	Files    app.FileConfig  // for all protocols that carry files
	Disabled map[string]bool // protocols that are neither detected nor parsed, by EVE's names
}

// DefaultParsers returns Suricata's defaults.
func DefaultParsers() Parsers {
	return Parsers{Files: app.FileConfig{Rules: &app.HashSet{}}, HTTP: http1.DefaultConfig(), TLS: tls.Config{JA3: true, JA4: true}, SSH: ssh.Config{HASSH: true},
		SMTP: smtp.DefaultConfig(), SMB: smb.DefaultConfig(), Disabled: map[string]bool{}}
}

// wantsHASSH reports whether rules look at SSH's fingerprints.
func wantsHASSH(rs *signatures.Ruleset) bool {
	return slices.ContainsFunc(rs.Signatures(), func(s *keyword.Signature) bool { return strings.Contains(s.Raw, "hassh") })
}

// probe is a protocol's answer to the first bytes of a direction.
type probe func(dir app.Direction, data []byte, srcPort, dstPort uint16) app.Match

// Protocols lists the protocols in the order in which they are asked about a flow's first bytes. It uses a copy of p.
func (p Parsers) Protocols() []flow.Protocol {
	p.Files.Ranges = app.NewRanges()
	p.HTTP.Files, p.SMTP.Mail.Files, p.FTP.Files, p.SMB.Files = p.Files, p.Files, p.Files, p.Files
	second := http2.Config{RequestBodyLimit: p.HTTP.RequestBodyLimit, ResponseBodyLimit: p.HTTP.ResponseBodyLimit,
		DecompressLayers: p.HTTP.DecompressLayers, BombLimit: p.HTTP.BombLimit, Files: p.Files}
	all := []flow.Protocol{
		{Proto: app.HTTP2, TCP: true, Probe: ported(http2.Probe), New: func() app.Parser { return http2.New(second) }},
		{Proto: app.HTTP1, TCP: true, Standalone: true, Probe: ported(http1.Probe), New: func() app.Parser { return http1.New(p.HTTP) }},
		{Proto: app.TLS, TCP: true, Probe: ported(tls.Probe), New: func() app.Parser { return tls.New(p.TLS) }},
		{Proto: app.SSH, TCP: true, Probe: ported(ssh.Probe), New: func() app.Parser { return ssh.New(p.SSH) }},
		{Proto: app.SMTP, TCP: true, Probe: ported(smtp.Probe), New: func() app.Parser { return smtp.New(p.SMTP) }},
		{Proto: app.FTP, TCP: true, Probe: ported(ftp.Probe), New: func() app.Parser { return ftp.New(p.FTP) }},
		{Proto: app.SMB, TCP: true, Probe: ported(smb.Probe), New: func() app.Parser { return smb.New(p.SMB) }},
		{Proto: app.DCERPC, TCP: true, Probe: ported(dcerpc.Probe), New: func() app.Parser { return dcerpc.New() }},
		{Proto: app.DCERPC, UDP: true, Probe: ported(dcerpc.ProbeUDP), New: func() app.Parser { return dcerpc.NewUDP() }},
		{Proto: app.DNS, UDP: true, Standalone: true, Probe: ported(dns.Probe), New: func() app.Parser { return dns.New(dns.Config{}) }},
		{Proto: app.DNS, TCP: true, Standalone: true, Probe: ported(dns.ProbeTCP), New: func() app.Parser { return dns.New(dns.Config{TCP: true}) }},
		{Proto: app.QUIC, UDP: true, Probe: ported(quic.Probe), New: func() app.Parser { return quic.New(quic.Config{JA3: p.TLS.JA3, JA4: true}) }},
	}
	all = append(all, flow.Recognised()...)
	out := all[:0]
	for _, q := range all {
		if !p.Disabled[q.Proto.String()] {
			out = append(out, q)
		}
	}
	return out
}

// ported gives a probe the server's port on the side that it is on.
func ported(ask probe) func(app.Direction, []byte, uint16) app.Match {
	return func(dir app.Direction, data []byte, port uint16) app.Match {
		if dir == app.ToClient {
			return ask(dir, data, port, 0)
		}
		return ask(dir, data, 0, port)
	}
}
