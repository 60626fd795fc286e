package capture

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
)

func bytesOf(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestHairpin(t *testing.T) {
	const (
		ip4    = "45000020000040004011 0000 0a4d0901 0a4d090a 1000 17c1 000c beef 01020304"
		ip4rev = "45000020000040004011 0000 0a4d090a 0a4d0901 1000 17c1 000c beef 01020304"
		v6     = "6000000000041140 20010db8000000000000000000000001 fd770000000000000000000000000002 aabbccdd"
		v6rev  = "6000000000041140 fd770000000000000000000000000002 20010db8000000000000000000000001 aabbccdd"
		macs   = "020000000001 020000000002"
		rev    = "020000000002 020000000001"
	)
	for name, tt := range map[string]struct{ in, want string }{
		"IPv4":           {macs + "0800" + ip4, rev + "0800" + ip4rev},
		"IPv4 in VLAN":   {macs + "8100 0064 0800" + ip4, rev + "8100 0064 0800" + ip4rev},
		"IPv4 in QinQ":   {macs + "88a8 0064 8100 0065 0800" + ip4, rev + "88a8 0064 8100 0065 0800" + ip4rev},
		"IPv6":           {macs + "86dd" + v6, rev + "86dd" + v6rev},
		"three tags":     {macs + "8100 0064 8100 0064 8100 0064 0800" + ip4, ""},
		"ARP":            {macs + "0806" + ip4, ""},
		"IPv4 cut short": {macs + "0800 45000020000040004011 0000 0a4d0901 0a4d", ""},
		"no EtherType":   {macs, ""},
		"empty":          {"", ""},
	} {
		b := bytesOf(t, tt.in)
		ok := hairpin(b)
		want := tt.want
		if want == "" {
			want = tt.in // left alone
		}
		if ok != (tt.want != "") || !bytes.Equal(b, bytesOf(t, want)) {
			t.Errorf("%s: %v\n got %x\nwant %s", name, ok, b, want)
		}
	}
}

// FuzzHairpin: there and back again is no change.
func FuzzHairpin(f *testing.F) {
	f.Add(bytesOf(f, "020000000001020000000002 0800 4500002000004000401100000a4d09010a4d090a"))
	f.Add(bytesOf(f, "020000000001020000000002 8100 0064 86dd 6000000000041140 20010db8000000000000000000000001 fd770000000000000000000000000002"))
	f.Fuzz(func(t *testing.T, data []byte) {
		b := bytes.Clone(data)
		first := hairpin(b)
		if !first && !bytes.Equal(b, data) {
			t.Fatal("a frame that cannot be returned was changed")
		}
		if first != hairpin(b) || !bytes.Equal(b, data) {
			t.Fatalf("% x became % x", data, b)
		}
	})
}
