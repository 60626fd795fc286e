package keyword

import (
	"testing"

	"github.com/weir-ips/weir/pkg/flow/app"
	rpc "github.com/weir-ips/weir/pkg/flow/app/dcerpc"
	"github.com/weir-ips/weir/pkg/flow/app/handshake"
	"github.com/weir-ips/weir/pkg/flow/app/mime"
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

// inside makes a scene of a transaction.
func inside(proto app.Proto, dir app.Direction, tx app.Tx) *scene {
	b := tx.Base()
	b.Complete = [2]bool{true, true}
	s := inFlow(func(s *scene) { s.dir, s.tx, s.proto = dir, tx, proto })
	s.flow.App = proto
	return s
}

func httpTx() *http1.Tx {
	tx := &http1.Tx{}
	tx.Request = http1.Request{Method: []byte("POST"), URI: []byte("/a b?x=1"), RawURI: []byte("/a%20b?x=1"), Host: []byte("example.org"), RawHost: []byte("Example.org:80"),
		Message: http1.Message{Line: []byte("POST /a%20b?x=1 HTTP/1.1"), Protocol: []byte("HTTP/1.1"), Raw: []byte("Host: Example.org:80\r\nCookie: c=1\r\n\r\n"),
			Headers: header("Host", "Example.org:80", "Cookie", "c=1", "User-Agent", "curl/8", "Referer", "http://r/", "Accept", "text/*", "Accept-Encoding", "gzip",
				"Accept-Language", "de", "Content-Type", "a/b", "Content-Length", "4", "Connection", "close"),
			Body: http1.Payload{Data: []byte("body"), Size: 4, Done: true}}}
	tx.Response = http1.Response{Status: []byte("404"), Reason: []byte("Not Found"),
		Message: http1.Message{Line: []byte("HTTP/1.1 404 Not Found"), Protocol: []byte("HTTP/1.1"), Headers: header("Server", "nginx", "Location", "/there", "Set-Cookie", "s=2"),
			Body: http1.Payload{Data: []byte("answer"), Size: 6, Done: true}}}
	return tx
}

func header(pairs ...string) (h []http1.Header) {
	for i := 0; i < len(pairs); i += 2 {
		h = append(h, http1.Header{Name: []byte(pairs[i]), Value: []byte(pairs[i+1])})
	}
	return h
}

func http2Tx() *http2.Tx {
	tx := &http2.Tx{Method: []byte("GET"), URI: []byte("/two"), RawURI: []byte("/two"), Host: []byte("h2.example"), Status: []byte("200")}
	tx.Request.Headers = []http2.Header{{Name: []byte(":method"), Value: []byte("GET")}, {Name: []byte("user-agent"), Value: []byte("ua2")}}
	tx.Priority, tx.HasPriority = 15, true
	tx.Request.Frames = []http2.Frame{{Type: 1}}
	tx.Request.Settings = []http2.Setting{{ID: 2, Value: 0}}
	tx.Request.WindowUpdates, tx.Request.SizeUpdates = []uint32{500}, []uint64{4096}
	tx.Request.ErrorCode, tx.Request.HasError = 8, true
	tx.Response.Body, tx.Response.Done = []byte("answer2"), true
	return tx
}

func dnsTx() *dns.Tx {
	m := &dns.Message{Flags: dns.FlagQR | 5<<11 | 3, Queries: []dns.Query{{Name: dns.Name{Bytes: []byte("www.example.co.uk")}, Type: 1}},
		Answers:     []dns.Record{{Name: dns.Name{Bytes: []byte("answer.example")}, Type: 16}},
		Authorities: []dns.Record{{Name: dns.Name{Bytes: []byte("authority.example")}}}, Additionals: []dns.Record{{Name: dns.Name{Bytes: []byte("additional.example")}}}}
	return &dns.Tx{Request: m, Response: m}
}

func tlsTx() *tls.Tx {
	tx := &tls.Tx{Version: 0x0303}
	random := make([]byte, 32)
	copy(random, "TIMEbytes")
	tx.Client.Seen, tx.Client.SNI, tx.Client.Random, tx.Client.JA3, tx.Client.JA3Hash, tx.Client.JA4 = true, []byte("sni.example"), random, "771,1", "ja3hash", "t13d"
	tx.Client.ALPN = [][]byte{[]byte("h2"), []byte("http/1.1")}
	tx.Server.Seen, tx.Server.JA3, tx.Server.JA3Hash = true, "771,2", "ja3shash"
	tx.KeyExchange[app.ToServer] = true
	tx.Server.Certificates = [][]byte{[]byte("leafcert"), []byte("cacert")}
	tx.Server.Leaf = &tls.Certificate{Subject: "CN=subject", Issuer: "CN=issuer", Serial: "0A:1B", Fingerprint: "aa:bb:cc", SubjectAltNames: []string{"alt.example"}, NotBefore: 1, NotAfter: 3}
	return tx
}

func sshTx() *ssh.Tx {
	return &ssh.Tx{Client: ssh.Side{Proto: []byte("2.0"), Software: []byte("OpenSSH_9"), HASSH: "kex;c", HASSHMD5: "cccc"}, Server: ssh.Side{HASSH: "kex;s", HASSHMD5: "dddd"}}
}

func smtpTx() *smtp.Tx {
	return &smtp.Tx{Helo: []byte("mx.example"), MailFrom: []byte("<a@x>"), RcptTo: [][]byte{[]byte("<b@y>"), []byte("<c@z>")}, Mail: &mime.Message{
		Fields: mail("From", "a@x", "To", "b@y", "Cc", "d@w", "Subject", "hello", "Date", "Mon", "Message-ID", "<1@x>", "X-Mailer", "mutt", "Received", "one", "Received", "two"),
		URLs:   [][]byte{[]byte("http://bad.example/")}, BodyMD5: []byte{0xab, 0xcd}}}
}

func mail(pairs ...string) (f []mime.Field) {
	for i := 0; i < len(pairs); i += 2 {
		f = append(f, mime.Field{Name: []byte(pairs[i]), Value: []byte(pairs[i+1])})
	}
	return f
}

func smbTx() *smb.Tx {
	return &smb.Tx{Version: 2, Share: []byte(`\\srv\C$`), NamedPipe: []byte("svcctl"), NTLMSSP: &smb.NTLMSSP{User: []byte("admin"), Domain: []byte("CORP")},
		DCERPC: &rpc.Call{HasReq: true, ReqType: rpc.Request, Opnum: 15, ReqStub: []byte("stub"), LittleEndian: true,
			Pipe: true, Accepted: []rpc.Interface{{UUID: [16]byte{0x36, 0x7a, 0xbb, 0x81, 0x98, 0x44, 0x35, 0xf1, 0xad, 0x32, 0x98, 0xf0, 0x38, 0, 0x10, 0x03}, Major: 2}}}}
}

func quicTx(client bool) *quic.Tx {
	return &quic.Tx{Client: client, Version: 0x51303436, SNI: []byte("q.example"), UA: []byte("Chrome"), JA3: "771,3", JA3Hash: "qja3", JA4: "q13d",
		CYU: []quic.CYU{{String: "46,PAD", Hash: "cyuhash"}}, Hello: handshake.Hello{}}
}

func fileTx() *http1.Tx {
	tx := httpTx()
	tx.Files = []*app.File{{Name: []byte("evil.EXE"), Data: []byte("MZ..abc"), Size: 7, State: app.FileClosed, MD5: unhex("900150983cd24fb0d6963f7d28e17f72"),
		SHA1: unhex("a9993e364706816aba3e25717850c26c9cd0d89d"), SHA256: unhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")}}
	return tx
}

func unhex(s string) []byte {
	b, _ := appendHex(nil, s)
	return b
}

// TestBuffers looks for one string that each buffer holds, and for one that it does not.
func TestBuffers(t *testing.T) {
	c, s := app.ToServer, app.ToClient
	http := [2]*scene{inside(app.HTTP1, c, httpTx()), inside(app.HTTP1, s, httpTx())}
	h2 := [2]*scene{inside(app.HTTP2, c, http2Tx()), inside(app.HTTP2, s, http2Tx())}
	name := [2]*scene{inside(app.DNS, c, dnsTx()), inside(app.DNS, s, dnsTx())}
	hello := [2]*scene{inside(app.TLS, c, tlsTx()), inside(app.TLS, s, tlsTx())}
	shell := [2]*scene{inside(app.SSH, c, sshTx()), inside(app.SSH, s, sshTx())}
	letter := inside(app.SMTP, c, smtpTx())
	transfer := [2]*scene{}
	for d := range transfer {
		transfer[d] = inside(app.FTP, app.Direction(d), &ftp.Tx{Command: []byte("PORT"), Data: []byte("1,2,3,4,5,6"), Replies: []ftp.Reply{{Code: []byte("200"), Text: []byte("ok")}}})
	}
	share := inside(app.SMB, c, smbTx())
	q := [2]*scene{inside(app.QUIC, c, quicTx(true)), inside(app.QUIC, s, quicTx(false))}
	upload := inside(app.HTTP1, c, fileTx())
	for _, b := range []struct {
		keyword, holds string
		scene          *scene
	}{
		{"http.uri", "/a b?x=1", http[c]}, {"http.uri.raw", "%20", http[c]}, {"http.method", "POST", http[c]}, {"http.protocol", "HTTP/1.1", http[s]},
		{"http.request_line", "POST /a%20b", http[c]}, {"http.response_line", "404 Not Found", http[s]}, {"http.stat_code", "404", http[s]}, {"http.stat_msg", "Not Found", http[s]},
		{"http.host", "example.org", http[c]}, {"http.host.raw", "Example.org|3a|80", http[c]}, {"http.header", "User-Agent|3a| curl/8|0d 0a|", http[c]},
		{"http.header.raw", "Cookie|3a| c=1", http[c]}, {"http.header_names", "|0d 0a|Referer|0d 0a|", http[c]}, {"http.start", "POST /a%20b?x=1 HTTP/1.1|0d 0a|Host", http[c]},
		{"http.cookie", "c=1", http[c]}, {"http.cookie", "s=2", http[s]}, {"http.user_agent", "curl/8", http[c]}, {"http.referer", "r/", http[c]}, {"http.accept", "text", http[c]},
		{"http.accept_enc", "gzip", http[c]}, {"http.accept_lang", "de", http[c]}, {"http.server", "nginx", http[s]}, {"http.location", "there", http[s]},
		{"http.content_type", "a/b", http[c]}, {"http.content_len", "4", http[c]}, {"http.connection", "close", http[c]}, {"http.request_header", "Referer|3a| http", http[c]},
		{"http.response_header", "Server|3a| nginx", http[s]}, {"http.request_body", "body", http[c]}, {"http.response_body", "answer", http[s]}, {"file.data", "answer", http[s]},
		{"http.uri", "/two", h2[c]}, {"http.user_agent", "ua2", h2[c]}, {"http.header_names", "user-agent", h2[c]}, {"http.request_line", "GET /two HTTP/2", h2[c]},
		{"http.response_line", "HTTP/2 200", h2[s]}, {"http.response_body", "answer2", h2[s]}, {"http.request_header", "user-agent|3a| ua2", h2[c]}, {"http.protocol", "HTTP/2", h2[c]}, {"http2.header_name", "user-agent", h2[c]},
		{"dns.query", "www.example", name[c]}, {"dns.queries.rrname", "www.example", name[s]}, {"dns.answers.rrname", "answer", name[s]}, {"dns.authorities.rrname", "authority", name[s]},
		{"dns.additionals.rrname", "additional", name[s]}, {"dns.response.rrname", "additional", name[s]},
		{"tls.sni", "sni.example", hello[c]}, {"tls.cert_subject", "CN=subject", hello[s]}, {"tls.cert_issuer", "CN=issuer", hello[s]}, {"tls.cert_serial", "1B", hello[s]},
		{"tls.cert_fingerprint", "aa|3a|bb", hello[s]}, {"tls.certs", "cacert", hello[s]}, {"tls.subjectaltname", "alt", hello[s]}, {"tls.alpn", "http/1.1", hello[c]},
		{"tls.random", "TIMEbytes", hello[c]}, {"tls.random_time", "TIME", hello[c]}, {"tls.random_bytes", "bytes", hello[c]}, {"ja3.hash", "ja3hash", hello[c]},
		{"ja3.string", "771,1", hello[c]}, {"ja3s.hash", "ja3shash", hello[s]}, {"ja3s.string", "771,2", hello[s]}, {"ja4.hash", "t13d", hello[c]},
		{"tls.subject", "subject", hello[s]}, {"tls.issuerdn", "issuer", hello[s]}, {"tls.fingerprint", "bb", hello[s]},
		{"ssh.proto", "2.0", shell[c]}, {"ssh.software", "OpenSSH", shell[c]}, {"ssh.hassh", "cccc", shell[c]}, {"ssh.hassh.server", "dddd", shell[s]},
		{"ssh.hassh.string", "kex", shell[c]}, {"ssh.hassh.server.string", "kex", shell[s]}, {"ssh.protoversion", "2.0", shell[c]}, {"ssh.softwareversion", "OpenSSH", shell[c]},
		{"smtp.helo", "mx", letter}, {"smtp.mail_from", "<a@x>", letter}, {"smtp.rcpt_to", "<c@z>", letter}, {"email.from", "a@x", letter}, {"email.to", "b@y", letter},
		{"email.cc", "d@w", letter}, {"email.subject", "hello", letter}, {"email.date", "Mon", letter}, {"email.message_id", "1@x", letter}, {"email.x_mailer", "mutt", letter},
		{"email.url", "bad.example", letter}, {"email.received", "two", letter}, {"email.body_md5", "abcd", letter},
		{"ftp.command", "PORT", transfer[c]}, {"ftp.command_data", "1,2", transfer[c]}, {"ftp.reply", "ok", transfer[s]}, {"ftp.completion_code", "200", transfer[s]},
		{"smb.share", "C$", share}, {"smb.named_pipe", "svcctl", share}, {"smb.ntlmssp_user", "admin", share}, {"smb.ntlmssp_domain", "CORP", share}, {"dcerpc.stub_data", "stub", share},
		{"quic.sni", "q.example", q[c]}, {"quic.ua", "Chrome", q[c]}, {"quic.version", "Q046", q[s]}, {"quic.cyu.hash", "cyuhash", q[c]}, {"quic.cyu.string", "PAD", q[c]},
		{"tls.sni", "q.example", q[c]}, {"ja3.hash", "qja3", q[c]}, {"ja3s.hash", "qja3", q[s]}, {"ja4.hash", "q13d", q[c]},
		{"file.name", "evil", upload}, {"file.magic", "executable", upload}, {"file.data", "MZ", upload},
	} {
		try(t, b.keyword, []kase{
			{rule: b.keyword + `; content:"` + b.holds + `";`, scene: b.scene, want: hit},
			{rule: b.keyword + `; content:"@@nothing@@";`, scene: b.scene, want: miss},
			{rule: b.keyword + `; content:"` + b.holds + `";`, scene: inFlow(nil), want: miss},
		})
	}
	for _, k := range []string{"tls.subject", "tls.issuerdn", "tls.fingerprint"} {
		try(t, k, []kase{{rule: k + ":x;", want: reject, err: "30: " + k + ": must stand in double quotes"}})
	}
	try(t, "tls.fingerprint", []kase{{rule: `tls.fingerprint:"AA:BB:CC";`, scene: hello[s], want: hit}})
	for _, k := range []string{"ssh.protoversion", "ssh.softwareversion"} {
		try(t, k, []kase{{head: "alert dns any any -> any any", rule: k + `:"x";`, want: reject, err: "31: " + k + ": the rule already asks for another protocol"}})
	}
	try(t, "file.data", []kase{{rule: "file.data:up;", want: reject, err: `30: file.data: "up" is not to_server or to_client`}})
	try(t, "http.uri", []kase{{rule: `uricontent:"/a b";`, scene: http[c], want: hit}})
	try(t, "uricontent", []kase{{rule: `uricontent:"/a b";`, scene: http[c], want: hit}, {rule: `uricontent:"%20";`, scene: http[c], want: miss},
		{rule: `uricontent:x;`, want: reject, err: "30: uricontent: must stand in double quotes"}})
}

// TestLegacyModifiers checks that the content before goes to the buffer, and that later relative items follow it there.
func TestLegacyModifiers(t *testing.T) {
	c, s := inside(app.HTTP1, app.ToServer, httpTx()), inside(app.HTTP1, app.ToClient, httpTx())
	for _, m := range []struct {
		keyword, holds string
		scene          *scene
	}{
		{"http_uri", "/a b", c}, {"http_raw_uri", "%20", c}, {"http_method", "POST", c}, {"http_host", "example.org", c}, {"http_raw_host", "Example.org", c},
		{"http_header", "User-Agent", c}, {"http_raw_header", "Cookie", c}, {"http_cookie", "c=1", c}, {"http_user_agent", "curl", c}, {"http_client_body", "body", c},
		{"http_server_body", "answer", s}, {"http_stat_code", "404", s}, {"http_stat_msg", "Not", s},
	} {
		try(t, m.keyword, []kase{
			{rule: `content:"` + m.holds + `"; ` + m.keyword + ";", scene: m.scene, want: hit},
			{rule: `content:"@@"; ` + m.keyword + ";", scene: m.scene, want: miss},
		})
	}
	try(t, "http_uri", []kase{
		{rule: `content:"/a"; http_uri; content:"x=1"; http_uri; distance:3; within:3;`, scene: c, want: hit},
		{rule: `content:"/a"; http_uri; content:"x=1"; distance:3; within:3; http_uri;`, scene: c, want: hit},
		{rule: `content:"x=1"; http_uri; isdataat:!1,relative;`, scene: c, want: hit},
		{rule: `content:"/a"; http_uri; pcre:"/^ b/UR";`, scene: c, want: hit},
		{rule: `http.uri; content:"a"; http_uri;`, want: reject, err: "53: http_uri: cannot follow a sticky buffer (http.uri)"},
		{rule: `http_uri;`, want: reject, err: "30: http_uri: no content before it"},
	})
}

func TestIntegersOfTransactions(t *testing.T) {
	c, s := app.ToServer, app.ToClient
	ask, answer := inside(app.DNS, c, dnsTx()), inside(app.DNS, s, dnsTx())
	hello := inside(app.TLS, s, tlsTx())
	h2 := inside(app.HTTP2, c, http2Tx())
	port := inside(app.FTP, c, &ftp.Tx{Port: 1286, Mode: ftp.Active})
	replied := inside(app.FTP, s, &ftp.Tx{Command: []byte("NOOP"), Replies: []ftp.Reply{{}}})
	share := inside(app.SMB, c, smbTx())
	for _, k := range []struct {
		keyword, hit, miss, reject, err string
		scene                           *scene
	}{
		{"dns.opcode", "5", "4", "16", `"16" is not in 0-15`, ask},
		{"dns.rcode", "nxdomain", "0", "x", `"x" is not a number`, answer},
		{"dns.rrtype", "txt", "mx, or_absent", "x", `"x" is not a number`, answer},
		{"tls.version", "1.2", "1.3", "9.9", `"9.9" is not a number`, hello},
		{"ssl_version", "tls1.1,tls1.2", "!tls1.2", "tls9", `"tls9" is not sslv2, sslv3, tls1.0, tls1.1, tls1.2 or tls1.3`, hello},
		{"ssl_state", "server_hello", "!client_hello", "done", `"done" is not client_hello, server_hello, client_keyx, server_keyx or unknown`, hello},
		{"tls.cert_chain_len", "2", ">2", "x", `"x" is not a number`, hello},
		{"http2.frametype", "HEADERS", "data", "x", `"x" is not a number`, h2},
		{"http2.errorcode", "CANCEL", "0", "x", `"x" is not a number`, h2},
		{"http2.priority", ">14", "15, 1", "x", `"x" is not a number`, h2},
		{"tls_cert_notbefore", "<1971", "1971-01<>1971-02-03T10:20", "1970-13", `"1970-13" is not a time such as 2024, 2024-05-01 or 2024-05-01T10:20:30`, hello},
		{"tls_cert_notafter", "1970-01-01 00:00:03", ">2015", "2<>1", `"2" is not a time such as 2024, 2024-05-01 or 2024-05-01T10:20:30`, hello},
		{"http2.window", "500", "<500", "x", `"x" is not a number`, h2},
		{"http2.size_update", ">=4096", "<4096", "x", `"x" is not a number`, h2},
		{"http2.settings", "SETTINGS_ENABLE_PUSH=0", "SETTINGS_ENABLE_PUSH>0", "NOTHING", `"NOTHING" is not the name of a setting`, h2},
		{"ftp.dynamic_port", "1286", "<1286", "x", `"x" is not a number`, port},
		{"ftp.mode", "active", "passive", "x", `"x" is not a number`, port},
		{"ftp.reply_received", "yes", "no", "x", `"x" is not a number`, replied},
		{"smb.version", "2", "1", "3", `"3" is not in 0-2`, share},
		{"dcerpc.opnum", "1-3, 15", "16", "x", `"x" is not N or N-M in 0-65535`, share},
		{"dcerpc.iface", "367abb81-9844-35f1-ad32-98f038001003,>1", "367abb81-9844-35f1-ad32-98f038001003,<2", "367abb81", `"367abb81" is not a UUID`, share},
	} {
		try(t, k.keyword, []kase{
			{rule: k.keyword + ":" + k.hit + ";", scene: k.scene, want: hit},
			{rule: k.keyword + ":" + k.miss + ";", scene: k.scene, want: miss},
			{rule: k.keyword + ":" + k.reject + ";", want: reject, err: "30: " + k.keyword + ": " + k.err},
		})
	}
	shaken := inside(app.TLS, c, tlsTx())
	shaken.tx.Base().Complete, shaken.tx.Base().Progress = [2]bool{}, [2]uint8{tls.ClientHelloDone, 0}
	try(t, "app-layer-state", []kase{
		{head: "alert tls any any -> any any", rule: "app-layer-state:client_hello_done;", scene: shaken, want: hit},
		{head: "alert tls any any -> any any", rule: "app-layer-state:>client_in_progress;", scene: shaken, want: hit},
		{head: "alert tls any any -> any any", rule: "app-layer-state:<client_hello_done;", scene: shaken, want: miss},
		{head: "alert tls any any -> any any", rule: "app-layer-state:nothing;", want: reject, err: `31: app-layer-state: state "nothing" is not known`},
		{rule: "app-layer-state:client_hello_done;", want: reject, err: "30: app-layer-state: needs an application protocol in the header"},
	})
	try(t, "ssl_state", []kase{{rule: "ssl_state:client_keyx;", scene: hello, want: hit}, {rule: "ssl_state:server_keyx;", scene: hello, want: miss}})
	try(t, "tls.cert_serial", []kase{{rule: `tls.cert_serial; content:"0a:1b";`, scene: hello, want: hit}}) // written as the buffer is
	try(t, "ja3s.hash", []kase{{rule: `ja3s.hash; content:"JA3SHASH";`, scene: hello, want: hit}})
	early, late := inside(app.TLS, s, tlsTx()), inside(app.TLS, s, tlsTx())
	early.now, late.now = 2e9, 5e9
	try(t, "tls_cert_expired", []kase{{rule: "tls_cert_expired;", scene: late, want: hit}, {rule: "tls_cert_expired;", scene: early, want: miss}})
	try(t, "tls_cert_valid", []kase{{rule: "tls_cert_valid;", scene: early, want: hit}, {rule: "tls_cert_valid;", scene: late, want: miss}})
	bounce := inside(app.FTP, c, &ftp.Tx{Command: []byte("PORT"), Data: []byte("10,9,9,9,1,1")})
	bounce.flow.Src = clientAddr
	honest := inside(app.FTP, c, &ftp.Tx{Command: []byte("PORT"), Data: []byte("10,0,0,1,1,1")})
	honest.flow.Src = clientAddr
	try(t, "ftpbounce", []kase{{rule: "ftpbounce;", scene: bounce, want: hit}, {rule: "ftpbounce;", scene: honest, want: miss}})
	data := inside(app.FTPData, c, &ftp.DataTx{Command: []byte("STOR")})
	try(t, "ftpdata_command", []kase{{rule: "ftpdata_command:stor;", scene: data, want: hit}, {rule: "ftpdata_command:retr;", scene: data, want: miss},
		{rule: "ftpdata_command:list;", want: reject, err: `30: ftpdata_command: "list" is not stor or retr`}})
}

func TestSizes(t *testing.T) {
	c := inside(app.HTTP1, app.ToServer, httpTx())
	try(t, "bsize", []kase{
		{rule: `http.uri; bsize:8;`, scene: c, want: hit},
		{rule: `http.uri; bsize:<8;`, scene: c, want: miss},
		{rule: `http.uri; dotprefix; bsize:9;`, scene: c, want: hit},
		{rule: `bsize:1;`, want: reject, err: "30: bsize: no buffer before it"},
		{rule: `http.uri; content:"abcdef"; bsize:3;`, want: reject, err: `1: content "abcdef" is longer than the 3 bytes that bsize allows`},
	})
	try(t, "urilen", []kase{
		{rule: `urilen:8;`, scene: c, want: hit},
		{rule: `urilen:8,raw;`, scene: c, want: miss},
		{rule: `urilen:5<>11,raw;`, scene: c, want: hit},
		{rule: `urilen:8,odd;`, want: reject, err: `30: urilen: "odd" is not norm or raw`},
	})
	try(t, "absent", []kase{
		{rule: `http.stat_code; absent;`, scene: inside(app.HTTP1, app.ToClient, &http1.Tx{}), want: hit},
		{rule: `http.stat_code; absent;`, scene: inside(app.HTTP1, app.ToClient, httpTx()), want: miss},
		{rule: `http.stat_code; absent:or_else; content:"404";`, scene: inside(app.HTTP1, app.ToClient, httpTx()), want: hit},
		{rule: `absent;`, want: reject, err: "30: absent: no buffer before it"},
	})
	try(t, "entropy", []kase{
		{rule: `http.uri; entropy:value > 2;`, scene: c, want: hit},
		{rule: `http.uri; entropy:value < 2;`, scene: c, want: miss},
		{rule: `entropy:value <= 0;`, scene: inFlow(func(s *scene) { s.pkt.Payload = []byte("aaaa") }), want: hit},
		{rule: `http.uri; entropy:bytes 1, value = 0;`, scene: c, want: hit},
		{rule: `http.uri; entropy:value 9;`, want: reject, err: `40: entropy: "9" is not in 0-8`},
	})
}

// TestOneContext: what one rule has found out about a transaction is not taken for the answer to another rule's question.
func TestOneContext(t *testing.T) {
	share := &smb.Tx{DCERPC: &rpc.Call{HasReq: true, ReqType: rpc.Request, Opnum: 30}}
	share.Complete = [2]bool{true, true}
	s := inside(app.SMB, app.ToServer, share)
	x := &Context{Hosts: NewHosts(), RecursionLimit: 3000, MatchLimit: 3500, Work: 1 << 30}
	x.Begin(&s.pkt, s.flow, s.result)
	for _, c := range []struct {
		rule string
		want Outcome
	}{{"dcerpc.opnum:26;", Never}, {"dcerpc.opnum:30;", Matched}} {
		sig, err := compile("", c.rule)
		if err != nil {
			t.Fatal(err)
		}
		g := sig.Groups[0]
		if got := g.Match(x, g.Source(app.SMB, app.ToServer), share, true); got != c.want {
			t.Errorf("%s gives %d, want %d", c.rule, got, c.want)
		}
	}
}

// TestInstances: two uses of a buffer that occurs several times are fulfilled by instances of their own.
func TestInstances(t *testing.T) {
	tx := dnsTx()
	tx.Request.Queries = append(tx.Request.Queries, dns.Query{Name: dns.Name{Bytes: []byte("second.example")}})
	s := inside(app.DNS, app.ToServer, tx)
	try(t, "dns.query", []kase{
		{rule: `dns.query; content:"www"; dns.query; content:"second";`, scene: s, want: hit},
		{rule: `dns.query; content:"www"; content:"second";`, scene: s, want: miss},
	})
	h := inside(app.TLS, app.ToServer, tlsTx())
	try(t, "tls.alpn", []kase{{rule: `tls.alpn; content:"h2"; bsize:2; tls.alpn; content:"http/1.1"; bsize:8;`, scene: h, want: hit}})
}

func TestTransforms(t *testing.T) {
	with := func(uri string) *scene {
		tx := httpTx()
		tx.Request.URI = []byte(uri)
		return inside(app.HTTP1, app.ToServer, tx)
	}
	for _, c := range []struct{ transform, in, hit, miss, reject, err string }{
		{"dotprefix", "example.org", ".example", "..", "", ""},
		{"to_lowercase", "AbC", "abc", "A", "", ""},
		{"to_uppercase", "AbC", "ABC", "b", "", ""},
		{"strip_whitespace", "a \t\r\nb", "ab", " ", "", ""},
		{"compress_whitespace", "a \t b", "a b", "|20 09|", "", ""},
		{"url_decode", "a%20b+c%zz", "a b c%zz", "%20", "", ""},
		{"header_lowercase", "Name: Value\r\nOther: X", "other|3a| X", "Name", "", ""},
		{"strip_pseudo_headers", ":path: x\r\nhost: y\r\n", "host", "path", "", ""},
		{"to_md5", "abc", "|90 01 50 98|", "abc", "", ""},
		{"to_sha1", "abc", "|a9 99 3e 36|", "abc", "", ""},
		{"to_sha256", "abc", "|ba 78 16 bf|", "abc", "", ""},
		{"domain", "www.example.co.uk", "example.co.uk", "www", "", ""},
		{"tld", "www.example.co.uk", "co.uk", "example", "", ""},
		{`xor:"0d0e"`, "abc", "lln", "abc", `xor:"zz"`, `xor: "zz": hexadecimal block holds something else than pairs of digits`},
		{"subslice:1,2", "abcd", "bc", "a", "subslice:x", `subslice: offset "x" is not a number`},
		{`pcrexform:"a(.)c"`, "xabcx", "b", "x", `pcrexform:"abc"`, "pcrexform: the expression has no group"},
		{"from_base64:offset 1", "!aGVsbG8=", "hello", "!", "from_base64:mode odd", `from_base64: mode "odd" is not rfc4648, rfc2045 or strict`},
	} {
		name, _, _ := cutColon(c.transform)
		cases := []kase{
			{rule: "http.uri; " + c.transform + `; content:"` + c.hit + `";`, scene: with(c.in), want: hit},
			{rule: "http.uri; " + c.transform + `; content:"` + c.miss + `";`, scene: with(c.in), want: miss},
			{rule: c.transform + `; content:"x";`, want: reject, err: "30: " + name + ": no buffer before it"},
		}
		if c.reject != "" {
			cases = append(cases, kase{rule: "http.uri; " + c.reject + ";", want: reject, err: "40: " + c.err})
		}
		try(t, name, cases)
	}
	try(t, "dotprefix", []kase{{rule: `http.uri; to_lowercase; dotprefix; content:".abc"; content:!"A";`, scene: with("ABC"), want: hit}})
}

func cutColon(s string) (string, string, bool) {
	for i := range s {
		if s[i] == ':' {
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

func TestFiles(t *testing.T) {
	f := inside(app.HTTP1, app.ToServer, fileTx())
	for _, c := range []struct{ keyword, hit, miss, reject, err string }{
		{"filename", `"evil"`, `!"EVIL"`, "evil", "must stand in double quotes"},
		{"fileext", `"exe"`, `"pdf"`, "exe", "must stand in double quotes"},
		{"filesize", "7", ">7", "x", `"x" is not a number`},
		{"filemagic", `"PE32"`, `"PDF"`, "PDF", "must stand in double quotes"},
		{"filemd5", "hashes", "!hashes", "none", "list of hashes: open none: file does not exist"},
		{"filesha1", "sha1", "!sha1", "hashes", `hashes: "900150983cd24fb0d6963f7d28e17f72" is not a hash of 20 bytes`},
		{"filesha256", "sha256", "!sha256", "none", "list of hashes: open none: file does not exist"},
	} {
		try(t, c.keyword, []kase{
			{rule: c.keyword + ":" + c.hit + ";", scene: f, want: hit},
			{rule: c.keyword + ":" + c.miss + ";", scene: f, want: miss},
			{rule: c.keyword + ":" + c.reject + ";", want: reject, err: "30: " + c.keyword + ": " + c.err},
		})
	}
	try(t, "filestore", []kase{
		{rule: "filestore;", scene: f, want: hit},
		{rule: "filestore;", scene: inside(app.HTTP1, app.ToServer, httpTx()), want: miss},
		{rule: "filestore:sideways;", want: reject, err: `30: filestore: "sideways" is not request, response, both, file, tx or ssn`},
	})
	if !f.tx.Base().Files[0].Stored {
		t.Error("filestore did not mark the file")
	}
}

func TestDatasets(t *testing.T) {
	tx := httpTx()
	s := inside(app.HTTP1, app.ToServer, tx)
	try(t, "dataset", []kase{
		{rule: `http.host; dataset:isset,a,type string,load names;`, scene: s, want: hit},
		{rule: `http.host; dataset:isnotset,a,type string,load names;`, scene: s, want: miss},
		{rule: `http.host; dataset:set,b,type string;`, scene: s, want: hit},
		{rule: `http.host; to_md5; dataset:isset,c,type md5,load hashes;`, scene: s, want: miss},
		{rule: `http.host; dataset:isset,d,type string,load json,format json,array_key list,value_key host.name,context_key c;`, scene: s, want: hit},
		{rule: `http.host; dataset:isset,e,type string,match subdomain,load lines,format ndjson,value_key host,context_key c;`, scene: s, want: hit},
		{rule: `http.host; dataset:isset,f,type string,load lines,format ndjson,value_key host,context_key c;`, scene: s, want: miss},
		{rule: `http.host; dataset:isset,g,type string,load lines,format ndjson;`, want: reject, err: "41: dataset: format ndjson needs value_key and context_key"},
		{rule: `http.host; dataset:set,h,type string,save /etc/x;`, want: reject, err: "41: dataset: Absolute paths not allowed: /etc/x"},
		{rule: `http.host; dataset:set,h,type string,state a/../b;`, want: reject, err: "41: dataset: Directory traversals not allowed: a/../b"},
		{rule: `dataset:isset,a,type string;`, want: reject, err: "30: dataset: no buffer before it"},
		{rule: `http.host; dataset:has,a,type string;`, want: reject, err: `41: dataset: "has" is not set, unset, isset or isnotset`},
		{rule: `http.host; dataset:isset,a,type number;`, want: reject, err: `41: dataset: type "number" is not string, md5, sha256, ipv4 or ip`},
		{rule: `http.host; dataset:isset,a;`, want: reject, err: "41: dataset: dataset a is not defined: type is needed"},
	})
	try(t, "datarep", []kase{
		{rule: `http.host; datarep:a,>,50,type string,load names;`, scene: s, want: hit},
		{rule: `http.host; datarep:a,>,70,type string,load names;`, scene: s, want: miss},
		{rule: `http.host; datarep:a,~,70,type string,load names;`, want: reject, err: `41: datarep: "~" is not < > or =`},
	})
}

func TestDatasetsAreSaved(t *testing.T) {
	env := testEnv()
	s, err := compileIn(env, `http.host; dataset:set,seen,type string,state seen.lst;`)
	if err != nil {
		t.Fatal(err)
	}
	if sc := inside(app.HTTP1, app.ToServer, httpTx()); !sc.matches(s) || sc.matches(s) {
		t.Error("set matches a value that is new, and not again")
	}
	saved := map[string]string{}
	if err := env.Files.Save(func(name string, data []byte) error { saved[name] = string(data); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(saved) != 1 || saved["seen.lst"] != "ZXhhbXBsZS5vcmc=\n" {
		t.Errorf("saved %q", saved)
	}
}

func TestApplicationEvents(t *testing.T) {
	tx := httpTx()
	tx.Event("http.missing_host_header")
	s := inside(app.HTTP1, app.ToServer, tx)
	try(t, "app-layer-event", []kase{
		{rule: "app-layer-event:http.missing_host_header;", scene: s, want: hit},
		{rule: "app-layer-event:http.missing_host;", scene: s, want: miss},
		{rule: "app-layer-event:http;", scene: s, want: hit},
	})
}

func TestProtocolOfRule(t *testing.T) {
	for _, c := range []struct{ head, rule, err string }{
		{"alert tls any any -> any any", `http.uri; content:"x";`, "31: http.uri: the rule already asks for another protocol"},
		{"alert http any any -> any any", `flow:to_client; http.uri; content:"x";`, "1: http.uri: does not exist in the rule's protocol and direction"},
		{"alert http any any -> any any", `http.uri; content:"x"; http.stat_code; content:"y";`, "1: buffers of the client and of the server in one rule need => as direction"},
	} {
		try(t, "http.uri", []kase{{head: c.head, rule: c.rule, want: reject, err: c.err}})
	}
	if s, err := compile("alert http any any => any any", `http.uri; content:"x"; http.stat_code; content:"y";`); err != nil || !s.Transactional {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := compile("alert mqtt any any -> any any", `content:"x";`); err != nil || s.Parsed() {
		t.Errorf("%+v, %v", s, err)
	}
}
