package smtp

import (
	"fmt"
	"testing"

	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/app/apptest"
)

// TestAMailsHeaderComesFirst feeds a mail line by line: rules about its header need not wait for its end.
func TestAMailsHeaderComesFirst(t *testing.T) {
	p := New(DefaultConfig())
	feed := func(dir app.Direction, text string) {
		if err := p.Feed(dir, []byte(text), 1); err != nil {
			t.Fatal(err)
		}
	}
	feed(app.ToServer, "MAIL FROM:<a@b>\r\nDATA\r\n")
	feed(app.ToClient, "220 x\r\n250 ok\r\n354 go\r\n")
	for _, c := range []struct {
		text string
		step uint8
	}{{"From: a@b\r\n", Started}, {"\r\n", Header}, {"text\r\n", Header}, {".\r\n", Complete}} {
		feed(app.ToServer, c.text)
		if got := p.Txs()[0].Base().Progress[app.ToServer]; got != c.step {
			t.Errorf("after %q: step %d, want %d", c.text, got, c.step)
		}
	}
}

// TestLinks: the latest link comes first.
func TestLinks(t *testing.T) {
	p := New(DefaultConfig())
	apptest.Pieces(t, p, 7, apptest.S("220 x\r\n"), apptest.C("DATA\r\n"), apptest.S("354 x\r\n"),
		apptest.C("Subject: x\r\n\r\nhttp://one.example/ and http://two.example/\r\n.\r\n"))
	if got := fmt.Sprintf("%s", p.Txs()[0].(*Tx).Mail.URLs); got != "[two.example/ one.example/]" {
		t.Errorf("links %s", got)
	}
}
