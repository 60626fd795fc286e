package suricatayaml

import (
	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/flow/app"
)

// protocolNames are Suricata's names of the protocols that are parsed here, or at least recognised.
var protocolNames = []string{"http", "http2", "dns", "tls", "quic", "ssh", "smtp", "ftp", "ftp-data", "smb", "dcerpc",
	"ntp", "snmp", "dhcp", "tftp", "ike", "krb5", "sip"}

// protocols takes over app-layer.protocols.
func (s *Settings) protocols(r *reader) {
	const base = "app-layer.protocols."
	for _, name := range protocolNames {
		n := r.at(base + name)
		if n == nil {
			continue
		}
		if e, ok := r.scalar(base + name + ".enabled"); ok {
			on, known := truth(e.value)
			if !known && e.value != "detection-only" {
				r.fail(e, base+name+".enabled", "%q is not one of yes, no, detection-only", e.value)
			}
			s.Parsers.Disabled[name] = known && !on
		}
		s.encryption(r, base+name, name)
		for _, known := range []string{".detection-ports", ".tcp", ".udp", ".memcap"} {
			if c := r.at(base + name + known); c != nil {
				c.markAll()
			}
		}
	}
	s.http(r, base+"http.libhtp.default-config.")
	r.auto(base+"tls.ja3-fingerprints", &s.Parsers.TLS.JA3)
	r.auto(base+"tls.ja4-fingerprints", &s.Parsers.TLS.JA4)
	r.auto(base+"ssh.hassh", &s.HASSH)
	s.smtp(r, base+"smtp.")
	r.intSize(base+"ftp.max-line-length", &s.Parsers.FTP.MaxLine)
	r.count(base+"ftp.max-tx", &s.Parsers.FTP.MaxTx)
	r.size32(base+"smb.max-read-size", &s.Parsers.SMB.MaxRead)
	r.size32(base+"smb.max-write-size", &s.Parsers.SMB.MaxWrite)
	r.count(base+"smb.max-tx", &s.Parsers.SMB.MaxTx)
	s.passOver(r)
}

// encryption takes over what becomes of flows once they are encrypted.
func (s *Settings) encryption(r *reader, path, name string) {
	protocols := map[string]app.Proto{"tls": app.TLS, "ssh": app.SSH, "quic": app.QUIC}
	p, ok := protocols[name]
	if !ok {
		return
	}
	names := map[string]flow.Encryption{
		"default": flow.EncryptionTrackOnly, "track-only": flow.EncryptionTrackOnly, "bypass": flow.EncryptionBypass, "full": flow.EncryptionFull}
	choice(r, path+".encryption-handling", &s.Flow.Encryption[p], names)
}

func (s *Settings) smtp(r *reader, base string) {
	c := &s.Parsers.SMTP
	r.flag(base+"raw-extraction", &c.RawExtract)
	r.flag(base+"mime.decode-mime", &c.MIME)
	r.flag(base+"mime.extract-urls", &c.Mail.ExtractURLs)
	if schemes := r.strings(base + "mime.extract-urls-schemes"); len(schemes) > 0 {
		c.Mail.Schemes = schemes
	}
	r.flag(base+"mime.log-url-scheme", &c.Mail.KeepScheme)
	r.auto(base+"mime.body-md5", &c.Mail.BodyMD5)
	r.intSize(base+"mime.header-value-depth", &c.Mail.HeaderDepth)
	for _, known := range []string{"mime.decode-base64", "mime.decode-quoted-printable", "inspected-tracker", "max-tx"} {
		if n := r.at(base + known); n != nil {
			n.markAll()
		}
	}
}

func (s *Settings) http(r *reader, base string) {
	h := &s.Parsers.HTTP
	r.intSize(base+"request-body-limit", &h.RequestBodyLimit)
	r.intSize(base+"response-body-limit", &h.ResponseBodyLimit)
	r.count(base+"response-body-decompress-layer-limit", &h.DecompressLayers)
	r.flag(base+"double-decode-path", &h.DoubleDecodePath)
	r.flag(base+"double-decode-query", &h.DoubleDecodeQuery)
	r.intSize(base+"compression-bomb-limit", &h.BombLimit)
	r.intSize(base+"meta-field-limit", &h.HardFieldLimit)
	r.count(base+"headers-limit", &h.MaxHeaders)
	r.count("app-layer.protocols.http.libhtp.max-tx", &h.MaxTx)
	for _, known := range []string{"personality", "request-body-minimal-inspect-size", "request-body-inspect-window",
		"response-body-minimal-inspect-size", "response-body-inspect-window", "http-body-inline", "swf-decompression",
		"randomize-inspection-sizes", "randomize-inspection-range", "lzma-enabled", "lzma-memlimit", "decompression-time-limit",
		"max-tx", "request-body-decompress"} {
		if n := r.at(base + known); n != nil {
			n.markAll()
		}
	}
	if n := r.at("app-layer.protocols.http.libhtp.server-config"); n != nil && len(n.children) > 0 {
		r.warn(n, "app-layer.protocols.http.libhtp.server-config", "servers are not told apart here; default-config holds for all")
		n.markAll()
	}
}

// passOver marks what other protocols may say that changes nothing here: those that are not parsed are off in any case.
func (s *Settings) passOver(r *reader) {
	n := r.at("app-layer.protocols")
	if n == nil {
		return
	}
	ours := map[string]bool{}
	for _, p := range protocolNames {
		ours[p] = true
	}
	for _, c := range n.children {
		if ours[c.key] {
			continue
		}
		if e := c.child("enabled"); e != nil {
			if on, _ := truth(e.value); on && c.file != "--set" {
				r.warn(c, "app-layer.protocols."+c.key, "this protocol is not parsed here; its rules are refused")
			}
		}
		c.markAll()
	}
}
