package ssh

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/app/apptest"
)

// packet wraps a payload as a clear binary packet.
func packet(payload string) string {
	pad := 8 - (5+len(payload))%8 + 4
	return string(binary.BigEndian.AppendUint32(nil, uint32(1+len(payload)+pad))) + string(byte(pad)) + payload + strings.Repeat("\x00", pad)
}

func kexInit(lists ...string) string {
	var b strings.Builder
	b.WriteString("\x14" + "0123456789abcdef")
	for _, l := range lists {
		b.Write(binary.BigEndian.AppendUint32(nil, uint32(len(l))))
		b.WriteString(l)
	}
	return packet(b.String() + "\x00\x00\x00\x00\x00")
}

func conversation() []apptest.Say {
	kex := kexInit("kex1,kex2", "hostkey", "c-enc", "s-enc", "c-mac", "s-mac", "c-comp", "s-comp", "", "")
	return []apptest.Say{
		apptest.S("welcome\r\nSSH-2.0-OpenSSH_9.2p1 Debian-2\r\n" + kex), apptest.C("SSH-2.0-libssh2_1.4\n" + kex),
		apptest.C(packet("\x15")), apptest.S(packet("\x15")), apptest.C("encrypted"), apptest.S("encrypted"),
	}
}

func TestConversation(t *testing.T) {
	for _, n := range []int{1, 5, 1 << 20} {
		p := New(Config{HASSH: true})
		apptest.Pieces(t, p, n, conversation()...)
		tx := p.Txs()[0].(*Tx)
		if string(tx.Server.Proto) != "2.0" || string(tx.Server.Software) != "OpenSSH_9.2p1" || string(tx.Client.Software) != "libssh2_1.4" {
			t.Errorf("pieces of %d: server %q %q, client %q", n, tx.Server.Proto, tx.Server.Software, tx.Client.Software)
		}
		// The MD5 sums are those of the strings, by md5sum(1).
		if tx.Client.HASSH != "kex1,kex2;c-enc;c-mac;c-comp" || tx.Client.HASSHMD5 != "4556dc86c5b8078bdb142fba8d1295b3" ||
			tx.Server.HASSH != "kex1,kex2;s-enc;s-mac;s-comp" || tx.Server.HASSHMD5 != "12ec7a14ef5c363cb945b309a5597af1" {
			t.Errorf("pieces of %d: client %s %s, server %s %s", n, tx.Client.HASSH, tx.Client.HASSHMD5, tx.Server.HASSH, tx.Server.HASSHMD5)
		}
		if !p.Encrypted() || len(tx.Events) > 0 {
			t.Errorf("pieces of %d: encrypted %v, events %v", n, p.Encrypted(), tx.Events)
		}
	}
}

func TestFaults(t *testing.T) {
	for _, c := range []struct{ data, event string }{
		{"SSH-2.0-" + strings.Repeat("x", 300) + "\r\n", "ssh.long_banner"},
		{"hello\r\n", "ssh.invalid_banner"},
		{"SSH-2.0\r\n", "ssh.invalid_banner"},
		{"SSH-2.0-x\r\n\xff\xff\xff\xff\x00\x00", "ssh.invalid_record"},
	} {
		p := New(Config{})
		p.Feed(app.ToServer, []byte(c.data), 1)
		if tx := p.Txs()[0].(*Tx); !slices.Contains(tx.Events, c.event) {
			t.Errorf("%.20q: events %v, want %s", c.data, tx.Events, c.event)
		}
	}
}

func FuzzParser(f *testing.F) {
	f.Add(apptest.Encode(conversation()...))
	f.Fuzz(func(t *testing.T, data []byte) { apptest.Drive(t, New(Config{HASSH: true}), data) })
}
