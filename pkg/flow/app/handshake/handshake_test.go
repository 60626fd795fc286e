package handshake

import (
	"slices"
	"testing"
)

// hello is a ClientHello's body with GREASE values (RFC 8701) among real ones.
const hello = "\x03\x03" + "0123456789abcdef0123456789abcdef" + "\x00" +
	"\x00\x06\x2a\x2a\x13\x01\x13\x02" + "\x01\x00" +
	"\x00\x44" +
	"\x1a\x1a\x00\x00" +
	"\x00\x00\x00\x10\x00\x0e\x00\x00\x0bexample.org" +
	"\x00\x0a\x00\x06\x00\x04\x3a\x3a\x00\x1d" +
	"\x00\x0b\x00\x02\x01\x00" +
	"\x00\x0d\x00\x06\x00\x04\x04\x03\x08\x04" +
	"\x00\x10\x00\x05\x00\x03\x02h2" +
	"\x00\x2b\x00\x05\x04\x03\x04\x03\x03"

func parse(t *testing.T, body string) (Hello, []string) {
	t.Helper()
	var events []string
	h, ok := Client([]byte(body), func(e string) { events = append(events, e) })
	if !ok {
		t.Fatalf("the hello is not taken, events %v", events)
	}
	return h, events
}

func TestFingerprints(t *testing.T) {
	h, events := parse(t, hello)
	text, hash := h.JA3()
	if text != "771,4865-4866,0-10-11-13-16-43,29,0" || hash != "171cd0d398cf929f8fa2e3d771ca4bea" {
		t.Errorf("JA3 %s %s", text, hash)
	}
	if ja4 := h.JA4('t'); ja4 != "t13d0206h2_62ed6f6ca7ad_fb71836bce29" {
		t.Errorf("JA4 %s", ja4)
	}
	if string(h.SNI) != "example.org" || string(h.ALPN[0]) != "h2" || len(events) > 0 {
		t.Errorf("sni %q alpn %q events %v", h.SNI, h.ALPN, events)
	}
}

func TestServer(t *testing.T) {
	body := "\x03\x03" + "0123456789abcdef0123456789abcdef" + "\x00\x13\x01\x00\x00\x06\x00\x2b\x00\x02\x03\x04"
	h, ok := Server([]byte(body), func(string) {})
	text, _ := h.JA3S()
	if !ok || h.Agreed() != 0x0304 || text != "771,4865,43" {
		t.Errorf("ok %v version %x JA3S %s", ok, h.Agreed(), text)
	}
}

func TestServerNameFaults(t *testing.T) {
	base := "\x03\x03" + "0123456789abcdef0123456789abcdef" + "\x00\x00\x02\x13\x01\x01\x00"
	for _, c := range []struct{ exts, event string }{
		{"\x00\x09\x00\x00\x00\x05\x00\x03\x01\x00\x00", "invalid_sni_type"},
		{"\x00\x09\x00\x00\x00\x05\x00\x03\x00\x00\x09", "invalid_sni_length"},
		{"\x00\x14\x00\x00\x00\x06\x00\x04\x00\x00\x01a\x00\x00\x00\x06\x00\x04\x00\x00\x01b", "multiple_sni_extensions"},
	} {
		if _, events := parse(t, base+c.exts); !slices.Contains(events, c.event) {
			t.Errorf("%s: events %v", c.event, events)
		}
	}
}

func TestShort(t *testing.T) {
	for n := range len(hello) {
		if _, ok := Client([]byte(hello[:n]), func(string) {}); ok && n != 45 { // without the extension block a hello is whole
			t.Errorf("a hello cut at %d is taken", n)
		}
	}
}

func TestOffered(t *testing.T) {
	for _, c := range []struct {
		version  uint16
		versions []uint16
		want     uint16
	}{
		{0x0303, nil, 0x0303},
		{0x0303, []uint16{0x8a8a, 0x0304, 0x0303}, 0x0304},
		{0x0303, []uint16{0x7f1c, 0x0302}, 0x0302},
		{0x0302, []uint16{0x7f1c}, 0x0302},
	} {
		if got := (&Hello{Version: c.version, Versions: c.versions}).Offered(); got != c.want {
			t.Errorf("%x of %x is %x, want %x", c.version, c.versions, got, c.want)
		}
	}
}
