package flow

import (
	"strings"
	"testing"

	"github.com/weir-ips/weir/pkg/flow/app"
)

func TestRecognised(t *testing.T) {
	zeros := func(n int) string { return strings.Repeat("\x00", n) }
	for _, c := range []struct {
		name string
		data string
		port uint16
		tcp  bool
		want app.Proto
	}{
		{"NTP client", "\x23" + zeros(47), 123, false, app.NTP},
		{"NTP control", "\x16" + zeros(11), 123, false, app.NTP},
		{"NTP of version 0", "\x03" + zeros(47), 123, false, app.Unknown},
		{"NTP elsewhere", "\x23" + zeros(47), 1123, false, app.Unknown},
		{"SNMP v1", "\x30\x26\x02\x01\x00\x04\x06public", 161, false, app.SNMP},
		{"SNMP v3, long length", "\x30\x81\x80\x02\x01\x03\x30\x00", 162, false, app.SNMP},
		{"SNMP of another version", "\x30\x26\x02\x01\x07\x04\x06public", 161, false, app.Unknown},
		{"SNMP, length beyond", "\x30\xff\x02\x01\x00\x04\x06", 161, false, app.Unknown},
		{"DHCP", "\x01\x01\x06\x00" + zeros(232) + "\x63\x82\x53\x63", 67, false, app.DHCP},
		{"BOOTP", "\x01\x01\x06\x00" + zeros(236), 67, false, app.Unknown},
		{"TFTP", "\x00\x01boot.img\x00octet\x00", 69, false, app.TFTP},
		{"TFTP without mode", "\x00\x01boot.imgoctet\x00", 69, false, app.Unknown},
		{"IKE 2", "initiato" + zeros(8) + "\x21\x20\x22\x08" + zeros(4) + "\x00\x00\x01\x00", 500, false, app.IKE},
		{"IKE behind NAT", zeros(4) + "initiato" + zeros(8) + "\x21\x10\x22\x08" + zeros(4) + "\x00\x00\x01\x00", 4500, false, app.IKE},
		{"ESP behind NAT", "\x01\x02\x03\x04" + zeros(40), 4500, false, app.Unknown},
		{"AS-REQ", "\x6a\x81\xcb\x30\x81\xc8\xa1\x03\x02\x01\x05", 88, false, app.KRB5},
		{"AS-REQ over TCP", "\x00\x00\x00\xce\x6a\x81\xcb\x30\x81\xc8\xa1\x03\x02\x01\x05", 88, true, app.KRB5},
		{"no Kerberos", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 88, false, app.Unknown},
		{"SIP request", "REGISTER sip:example.org SIP/2.0\r\n", 5060, false, app.SIP},
		{"SIP status", "SIP/2.0 401 Unauthorized\r\n", 9000, false, app.SIP},
		{"SSDP", "NOTIFY * HTTP/1.1\r\n", 1900, false, app.Unknown},
		{"nothing", "", 123, false, app.Unknown},
	} {
		got := app.Unknown
		for _, p := range Recognised() {
			if p.TCP == c.tcp && p.Probe(app.ToServer, []byte(c.data), c.port) == app.Yes {
				got = p.Proto
			}
		}
		if got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func FuzzRecognised(f *testing.F) {
	f.Add([]byte("\x30\x84\x00"), uint16(161))
	f.Add([]byte("\x00\x00\x00\x00"), uint16(4500))
	f.Fuzz(func(_ *testing.T, data []byte, port uint16) {
		for _, p := range Recognised() {
			p.Probe(app.ToServer, data, port)
		}
	})
}
