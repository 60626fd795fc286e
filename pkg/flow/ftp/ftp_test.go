package ftp

import (
	"slices"
	"strings"
	"testing"

	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/app/apptest"
)

func session() []apptest.Say {
	return []apptest.Say{
		apptest.S("220-Welcome\r\n to this\r\n220 FTP ready\r\n"), apptest.C("USER anonymous\r\n"), apptest.S("331 Password?\r\n"),
		apptest.C("PASV\r\n"), apptest.S("227 Entering Passive Mode (192,0,2,1,4,5).\r\n"),
		apptest.C("RETR a b.txt\r\n"), apptest.S("150 Opening\r\n226 Done\r\n"),
		apptest.C("PORT 192,0,2,9,8,9\r\n"), apptest.S("200 ok\r\n"), apptest.C("STOR up\r\n"), apptest.S("150 go\r\n226 Done\r\n"), apptest.C("QUIT\r\n"),
	}
}

func TestSession(t *testing.T) {
	want := []struct {
		command, data string
		replies       int
		port          uint16
		mode          Mode
		done          bool
	}{
		{"", "", 3, 0, NoMode, true}, {"USER", "anonymous", 1, 0, NoMode, true}, {"PASV", "", 1, 4*256 + 5, Passive, true},
		{"RETR", "a b.txt", 2, 0, NoMode, true}, {"PORT", "192,0,2,9,8,9", 1, 8*256 + 9, Active, true}, {"STOR", "up", 2, 0, NoMode, true},
		{"QUIT", "", 0, 0, NoMode, false},
	}
	for _, n := range []int{1, 10, 1 << 20} {
		p := New(Config{})
		apptest.Pieces(t, p, n, session()...)
		if len(p.Txs()) != len(want) {
			t.Fatalf("pieces of %d: %d commands, want %d", n, len(p.Txs()), len(want))
		}
		for i, w := range want {
			tx := p.Txs()[i].(*Tx)
			if string(tx.Command) != w.command || string(tx.Data) != w.data || len(tx.Replies) != w.replies || tx.Port != w.port || tx.Mode != w.mode || tx.Done != w.done {
				t.Errorf("pieces of %d: command %d is %q %q, %d replies, port %d, mode %d, done %v; want %+v", n, i, tx.Command, tx.Data, len(tx.Replies), tx.Port, tx.Mode, tx.Done, w)
			}
		}
	}
}

func TestDataConnections(t *testing.T) {
	p := New(Config{})
	apptest.Feed(t, p, session()...)
	list := p.Expected()
	if len(list) != 2 || list[0].Port != 1029 || list[0].Server != app.ToClient || list[1].Port != 2057 || list[1].Server != app.ToServer {
		t.Fatalf("expected connections %+v", list)
	}
	// In passive mode the client opens the connection, in active mode the server: either way the file goes to the client's
	// side for RETR and away from it for STOR.
	for i, c := range []struct {
		dir  app.Direction
		name string
	}{{app.ToClient, "a b.txt"}, {app.ToClient, "up"}} {
		d := list[i].New()
		if len(d.Txs()) != 0 {
			t.Error("a transaction before the first byte")
		}
		d.Feed(c.dir, []byte("file "), 1)
		d.Gap(c.dir, 3)
		d.Feed(c.dir, []byte("data"), 1)
		d.Close(c.dir)
		tx := d.Txs()[0].(*DataTx)
		f := tx.Files[0]
		if string(tx.FileName) != c.name || f.Size != 12 || f.State != app.FileTruncated || !tx.Complete[0] || !tx.Complete[1] {
			t.Errorf("connection %d: name %q size %d state %v complete %v", i, tx.FileName, f.Size, f.State, tx.Complete)
		}
	}
}

func TestArguments(t *testing.T) {
	for text, port := range map[string]uint16{
		"229 Entering (|||6446|)": 6446, "229 no parentheses |||6447|": 6447, "229 bare 6448": 0, "229 (": 0, "229 )(": 0, "229": 0, "229 (||||)": 0,
	} {
		p := New(Config{})
		apptest.Feed(t, p, apptest.C("EPSV\r\n"), apptest.S(text+"\r\n"))
		if tx := p.Txs()[0].(*Tx); tx.Port != port {
			t.Errorf("%q: port %d, want %d", text, tx.Port, port)
		}
	}
}

func TestFaults(t *testing.T) {
	for event, says := range map[string][]apptest.Say{
		"ftp.request_command_too_long":  {apptest.C("STOR " + strings.Repeat("x", 5000) + "\r\n")},
		"ftp.response_command_too_long": {apptest.S("220 " + strings.Repeat("x", 5000) + "\r\n")},
		"ftp.file_before_port":          {apptest.C("RETR x\r\n")},
		"ftp.file_without_name":         {apptest.C("RETR\r\n")},
	} {
		p := New(Config{})
		apptest.Feed(t, p, says...)
		if tx := p.Txs()[0].(*Tx); !slices.Contains(tx.Events, event) || len(tx.Data) > maxLine {
			t.Errorf("%s: events %v, %d bytes kept", event, tx.Events, len(tx.Data))
		}
	}
	p := New(Config{})
	if err := p.Feed(app.ToServer, []byte(strings.Repeat("NOOP\r\n", maxTx+2)), 1); err != ErrTooManyTxs {
		t.Errorf("%d commands without reply: %v", maxTx+2, err)
	}
}

// TestFewTransactions holds that a session beyond its limit is read no further, in either direction.
func TestFewTransactions(t *testing.T) {
	p := New(Config{MaxTx: 1})
	if err := p.Feed(app.ToServer, []byte("PWD\r\nPWD\r\n"), 1); err != nil {
		t.Fatalf("one command beside the current one: %v", err)
	}
	if err := p.Feed(app.ToServer, []byte("PWD\r\nPWD\r\n"), 1); err != ErrTooManyTxs {
		t.Errorf("two commands beside the current one: %v", err)
	}
	apptest.Feed(t, p, apptest.S("257 here\r\n"), apptest.C("CWD x\r\n"))
	last := p.Txs()[len(p.Txs())-1].(*Tx)
	if len(p.Txs()) != 2 || !slices.Contains(last.Events, "ftp.too_many_transactions") || len(p.Txs()[0].(*Tx).Replies) != 0 {
		t.Errorf("%d commands, events %v, the first replied to %q", len(p.Txs()), last.Events, p.Txs()[0].(*Tx).Replies)
	}
}

func FuzzParser(f *testing.F) {
	f.Add(apptest.Encode(session()...))
	f.Add(apptest.Encode(apptest.C("EPSV\r\n"), apptest.S("229 (|||6446|)\r\n")))
	f.Fuzz(func(t *testing.T, data []byte) { apptest.Drive(t, New(Config{MaxLine: 64}), data) })
}
