package smtp

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/app/apptest"
	"github.com/weir-ips/weir/pkg/flow/app/mime"
)

const mail = "From: \"A, B\" <a@example.org>\r\nTo: <c@d>,\r\n <e@f>\r\nSubject: hi\r\nMIME-Version: 1.0\r\n" +
	"Content-Type: multipart/mixed; boundary=\"B\"\r\n\r\npreamble\r\n--B\r\nContent-Type: text/plain\r\n\r\n" +
	"see http://evil.example/x?y=1 and\r\n..dotted\r\n--B\r\nContent-Type: application/octet-stream; name=\"x.exe\"\r\n" +
	"Content-Transfer-Encoding: base64\r\n\r\nTVqQ\r\nAAM=\r\n--B\r\nContent-Disposition: attachment; filename*0=\"a\"; filename*1=\"b.txt\"\r\n" +
	"Content-Transfer-Encoding: quoted-printable\r\n\r\n=41soft=\r\nline\r\nend\r\n--B--\r\n"

func session() []apptest.Say {
	return []apptest.Say{
		apptest.S("220 mx ESMTP\r\n"), apptest.C("EHLO client.example\r\n"), apptest.S("250-mx\r\n250 SIZE\r\n"),
		apptest.C("MAIL FROM:<a@example.org> SIZE=9\r\n"), apptest.S("250 ok\r\n"), apptest.C("RCPT TO: <c@d>\r\n"), apptest.S("250 ok\r\n"),
		apptest.C("DATA\r\n"), apptest.S("354 go\r\n"), apptest.C(mail + ".\r\n"), apptest.S("250 queued\r\n"), apptest.C("QUIT\r\n"), apptest.S("221 bye\r\n"),
	}
}

func TestSession(t *testing.T) {
	for _, n := range []int{1, 2, 7, 100, 1 << 20} {
		p := New(DefaultConfig())
		apptest.Pieces(t, p, n, session()...)
		tx := p.Txs()[0].(*Tx)
		if string(tx.Helo) != "client.example" || string(tx.MailFrom) != "<a@example.org>" || len(tx.RcptTo) != 1 || string(tx.RcptTo[0]) != "<c@d>" {
			t.Errorf("pieces of %d: helo %q from %q to %q", n, tx.Helo, tx.MailFrom, tx.RcptTo)
		}
		m := tx.Mail
		if m.Status != mime.Done || string(m.Get("subject")) != "hi" || len(m.Addresses("from")) != 1 || len(m.Addresses("to")) != 2 {
			t.Errorf("pieces of %d: status %v subject %q from %q to %q", n, m.Status, m.Get("subject"), m.Addresses("from"), m.Addresses("to"))
		}
		if len(m.URLs) != 1 || string(m.URLs[0]) != "evil.example/x?y=1" {
			t.Errorf("pieces of %d: urls %q", n, m.URLs)
		}
		for i, want := range []struct{ name, data string }{{"x.exe", "MZ\x90\x00\x03"}, {"ab.txt", "Asoftline\r\nend"}} {
			f := tx.Files[i]
			if string(f.Name) != want.name || string(f.Data) != want.data || f.State != app.FileClosed {
				t.Errorf("pieces of %d: file %q %q %v, want %q %q closed", n, f.Name, f.Data, f.State, want.name, want.data)
			}
		}
		if len(tx.Events) > 0 {
			t.Errorf("pieces of %d: events %v", n, tx.Events)
		}
	}
}

func TestDots(t *testing.T) {
	c := Config{RawExtract: true}
	for _, n := range []int{1, 3, 1 << 20} {
		p := New(c)
		apptest.Pieces(t, p, n, apptest.S("220 x\r\n"), apptest.C("DATA\r\n"), apptest.S("354 x\r\n"), apptest.C(".\rx\r\n..\r\n.y\nz\r\n.\r\nQUIT\r\n"))
		f := p.Txs()[0].(*Tx).Files[0]
		if string(f.Data) != "\rx\r\n.\r\ny\nz\r\n" || f.State != app.FileClosed {
			t.Errorf("pieces of %d: %q %v", n, f.Data, f.State)
		}
	}
}

func TestEvents(t *testing.T) {
	hello := []apptest.Say{apptest.S("220 x\r\n")}
	for event, says := range map[string][]apptest.Say{
		"smtp.invalid_reply":                      {apptest.S("hello\r\n")},
		"smtp.no_server_welcome_message":          {apptest.S("554 no\r\n")},
		"smtp.unable_to_match_reply_with_request": append(hello, apptest.S("250 ok\r\n")),
		"smtp.data_command_rejected":              append(hello, apptest.C("DATA\r\n"), apptest.S("503 no\r\n")),
		"smtp.tls_rejected":                       append(hello, apptest.C("STARTTLS\r\n"), apptest.S("454 no\r\n")),
		"smtp.duplicate_fields":                   {apptest.C("HELO a\r\nHELO b\r\n")},
		"smtp.invalid_bdat":                       {apptest.C("BDAT x\r\n")},
		"smtp.max_command_line_len_exceeded":      {apptest.C("HELO " + strings.Repeat("x", 5000) + "\r\n")},
		"smtp.max_reply_line_len_exceeded":        {apptest.S("220 " + strings.Repeat("x", 5000) + "\r\n")},
		"smtp.invalid_pipelined_sequence":         {apptest.C("DATA\r\nHELO x\r\n")},
		"smtp.mime_long_line":                     append(hello, apptest.C("DATA\r\n"), apptest.S("354 x\r\n"), apptest.C("A: b\r\n\r\n"+strings.Repeat("x", 1000)+"\r\n")),
		"smtp.mime_invalid_base64":                append(hello, apptest.C("DATA\r\n"), apptest.S("354 x\r\n"), apptest.C("Content-Transfer-Encoding: base64\r\n\r\n*#\r\n")),
		"smtp.mime_long_boundary":                 append(hello, apptest.C("DATA\r\n"), apptest.S("354 x\r\n"), apptest.C("Content-Type: multipart/mixed; boundary="+strings.Repeat("x", 300)+"\r\n\r\n")),
	} {
		p := New(DefaultConfig())
		apptest.Feed(t, p, says...)
		if tx := p.Txs()[0].(*Tx); !slices.Contains(tx.Events, event) {
			t.Errorf("%s: events %v", event, tx.Events)
		}
	}
}

func TestChunks(t *testing.T) {
	p := New(DefaultConfig())
	apptest.Pieces(t, p, 4, apptest.C("MAIL FROM:<a>\r\nBDAT 5\r\nQUIT\nBDAT 3 LAST\r\nabcMAIL FROM:<b>\r\n"))
	if len(p.Txs()) != 2 || string(p.Txs()[1].(*Tx).MailFrom) != "<b>" {
		t.Errorf("%d transactions; want a mail of two chunks and what follows it", len(p.Txs()))
	}
}

func TestStartTLS(t *testing.T) {
	p := New(DefaultConfig())
	for _, s := range []apptest.Say{apptest.S("220 x\r\n"), apptest.C("STARTTLS\r\n"), apptest.S("220 go\r\n\x16\x03")} {
		p.Feed(s.Dir, []byte(s.Data), 1)
	}
	if next, rest, ok := p.Upgrade(); !ok || next != app.TLS || !bytes.Equal(rest, []byte("\x16\x03")) {
		t.Errorf("next %v rest %q ok %v", next, rest, ok)
	}
}

func TestProbe(t *testing.T) {
	for _, c := range []struct {
		dir  app.Direction
		data string
		port uint16
		want app.Match
	}{
		{app.ToServer, "EHLO x", 2000, app.Yes}, {app.ToServer, "ehl", 2000, app.More}, {app.ToServer, "USER x", 25, app.No},
		{app.ToClient, "220 mx ESMTP\r\n", 2000, app.Yes}, {app.ToClient, "220 hi\r\n", 25, app.Yes}, {app.ToClient, "220 hi\r\n", 21, app.No},
		{app.ToClient, "220 ", 25, app.More},
	} {
		if got := Probe(c.dir, []byte(c.data), c.port, 0); got != c.want {
			t.Errorf("direction %d port %d %q: %d, want %d", c.dir, c.port, c.data, got, c.want)
		}
	}
}

func FuzzParser(f *testing.F) {
	f.Add(apptest.Encode(session()...))
	f.Add(apptest.Encode(apptest.S("220 x\r\n"), apptest.C("DATA\r\n"), apptest.S("354 x\r\n"), apptest.C("Content-Type: message/rfc822\r\n\r\nContent-Disposition: attachment; filename*=utf-8''a%20b\r\n\r\nx\r\n.\r\n")))
	f.Add(apptest.Encode(apptest.C("BDAT 5\r\nabcdeBDAT 0 LAST\r\nSTARTTLS\r\n"), apptest.S("220 x\r\n220 y\r\n")))
	f.Fuzz(func(t *testing.T, data []byte) { apptest.Drive(t, New(DefaultConfig()), data) })
}
