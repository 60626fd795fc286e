package smtp

import (
	"crypto/md5"
	"testing"

	"github.com/weir-ips/weir/pkg/flow/app/apptest"
)

// TestBodyHash: the hash of a mail's body is of the bytes as sent, with the dots that hide the mail's end (RFC 5321 §4.5.2) and the
// headers of its parts, however the mail is cut into segments.
func TestBodyHash(t *testing.T) {
	c := DefaultConfig()
	c.Mail.BodyMD5 = true
	for _, m := range []struct{ header, body string }{
		{"Subject: x\r\n\r\n", "one\r\n..two\r\n.three\r\n...\r\n"},
		{"Content-Type: multipart/mixed; boundary=X\r\n\r\n", "--X\r\nContent-Type: text/plain\r\n\r\ntext\r\n--X--\r\n"},
	} {
		want := md5.Sum([]byte(m.body))
		for _, n := range []int{1, 2, 3, 5, 1 << 20} {
			p := New(c)
			apptest.Pieces(t, p, n, apptest.S("220 x\r\n"), apptest.C("DATA\r\n"), apptest.S("354 x\r\n"), apptest.C(m.header+m.body+".\r\n"), apptest.S("250 x\r\n"))
			if got := p.Txs()[0].(*Tx).Mail.BodyMD5; string(got) != string(want[:]) {
				t.Errorf("%q in pieces of %d: %x, want %x", m.body, n, got, want)
			}
		}
	}
}
