package quic

import (
	"encoding/hex"
	"testing"

	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/app/apptest"
)

// RFC 9001 appendix A: the client's Initial with its keys.
const rfcID = "8394c8f03e515708"

func TestKeys(t *testing.T) {
	id, _ := hex.DecodeString(rfcID)
	pair := initialKeys(version1, id)
	for dir, want := range [...]string{"fa044b2f42a3fd3b46fb255c", "0ac1493ca1905853b0bba03e"} {
		if got := hex.EncodeToString(pair[dir].iv[:]); got != want {
			t.Errorf("direction %d: iv %s, want %s (RFC 9001 A.1)", dir, got, want)
		}
	}
}

// seal makes a client's Initial packet of frames, as RFC 9001 §5 says.
func seal(version uint32, dir app.Direction, id, frames string) string {
	k := initialKeys(version, []byte(id))[dir]
	first := byte(0xc3)
	if version == version2 {
		first = 0xd3
	}
	dst := id
	if dir == app.ToClient {
		dst = ""
	}
	header := []byte{first, byte(version >> 24), byte(version >> 16), byte(version >> 8), byte(version), byte(len(dst))}
	header = append(append(header, dst...), 0, 0)
	size := 4 + len(frames) + 16
	header = append(header, 0x40|byte(size>>8), byte(size))
	at := len(header)
	header = append(header, 0, 0, 0, 2)
	nonce := k.iv
	nonce[11] ^= 2
	packet := append(append([]byte{}, header...), k.aead.Seal(nil, nonce[:], []byte(frames), header)...)
	var mask [16]byte
	k.hp.Encrypt(mask[:], packet[at+4:at+20])
	packet[0] ^= mask[0] & 0x0f
	for i := range 4 {
		packet[at+i] ^= mask[1+i]
	}
	return string(packet)
}

const clientHello = "\x01\x00\x00\x43\x03\x03" + "0123456789abcdef0123456789abcdef" + "\x00\x00\x02\x13\x01\x01\x00" +
	"\x00\x18\x00\x00\x00\x06\x00\x04\x00\x00\x01a\x00\x2b\x00\x03\x02\x03\x04\x00\x10\x00\x03\x00\x01\x00"

const serverHello = "\x02\x00\x00\x2e\x03\x03" + "0123456789abcdef0123456789abcdef" + "\x00\x13\x01\x00\x00\x06\x00\x2b\x00\x02\x03\x04"

// crypto is a CRYPTO frame.
func crypto(at int, data string) string {
	return "\x06" + string([]byte{0x40 | byte(at>>8), byte(at), 0x40 | byte(len(data)>>8), byte(len(data))}) + data
}

func TestHellos(t *testing.T) {
	for _, version := range []uint32{version1, version2, 0xff00001d} {
		p := New(Config{JA3: true, JA4: true})
		apptest.Feed(t, p,
			// The second half comes first, in a packet with other frames around it.
			apptest.C(seal(version, app.ToServer, "connection", "\x01"+crypto(30, clientHello[30:])+"\x00\x00")),
			apptest.C(seal(version, app.ToServer, "connection", "\x02\x05\x00\x01\x03\x00\x00"+crypto(0, clientHello[:40]))),
			apptest.S(seal(version, app.ToClient, "connection", crypto(0, serverHello))))
		if len(p.Txs()) != 2 {
			t.Fatalf("version %x: %d transactions, want 2", version, len(p.Txs()))
		}
		c, s := p.Txs()[0].(*Tx), p.Txs()[1].(*Tx)
		if string(c.SNI) != "a" || !c.Client || c.Version != version || c.JA3 != "771,4865,0-43-16,," || c.JA4[:6] != "q13d01" || s.JA3 != "771,4865,43" {
			t.Errorf("version %x: sni %q version %x ja3 %q ja4 %q ja3s %q events %v %v", version, c.SNI, c.Version, c.JA3, c.JA4, s.JA3, c.Events, s.Events)
		}
		if !p.Encrypted() {
			t.Errorf("version %x: something is said to be left", version)
		}
	}
}

func TestRetry(t *testing.T) {
	p := New(Config{})
	hello := crypto(0, clientHello)
	apptest.Feed(t, p,
		apptest.C(seal(version1, app.ToServer, "first", hello)),
		apptest.S("\xf0\x00\x00\x00\x01\x00\x06secondtoken and tag of the retry"),
		apptest.C(seal(version1, app.ToServer, "second", hello)),
		apptest.S(seal(version1, app.ToClient, "second", crypto(0, serverHello))))
	if len(p.Txs()) != 3 {
		t.Errorf("%d transactions, want the hello twice and the answer", len(p.Txs()))
	}
}

func TestProbe(t *testing.T) {
	for data, want := range map[string]app.Match{
		seal(version1, app.ToServer, "x", "\x01\x01\x01\x01"): app.Yes,
		"\xc3Q046\x50abcdefgh":                                app.Yes,
		"\xc3\x01\x02\x03\x04\x00\x00":                        app.No,
		"\x40\x00\x00\x00\x01\x00\x00":                        app.No,
		"":                                                    app.No,
	} {
		if got := Probe(app.ToServer, []byte(data), 0, 443); got != want {
			t.Errorf("%.10x: %d, want %d", data, got, want)
		}
	}
}

func FuzzParser(f *testing.F) {
	f.Add(apptest.Encode(apptest.C(seal(version1, app.ToServer, "id", crypto(0, clientHello))), apptest.S(seal(version1, app.ToClient, "id", crypto(0, serverHello)))))
	f.Add(apptest.Encode(apptest.C("\xc3Q046\x50abcdefgh\x01\x00\x00\x00" + "0123456789ab" + "\xa0\x01\x00\x20CHLO\x01\x00\x00\x00SNI\x00\x01\x00\x00\x00a")))
	f.Fuzz(func(t *testing.T, data []byte) { apptest.Drive(t, New(Config{JA3: true, JA4: true}), data) })
}

// FuzzFrames reaches what lies behind the encryption.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("\x02\x05\x00\x01\x03\x00\x00" + crypto(0, clientHello)))
	f.Fuzz(func(t *testing.T, data []byte) {
		p := New(Config{JA3: true, JA4: true})
		for dir := range app.Direction(2) {
			p.frames(dir, version1, data)
		}
	})
}
