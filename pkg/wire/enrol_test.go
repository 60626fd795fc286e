package wire

import (
	"strings"
	"testing"
)

func TestToken(t *testing.T) {
	want := NewToken([]byte("certificate"))
	got, err := ParseToken(" " + want.String() + "\n")
	if err != nil || got != want {
		t.Errorf("%v comes back as %v, %v", want, got, err)
	}
	for _, bad := range []string{"", "a.b", want.ID + "." + want.Secret + ".AAAA", want.String()[:len(want.String())-4], "a b" + want.String(), strings.Repeat("a", 300)} {
		if got, err := ParseToken(bad); err == nil {
			t.Errorf("%q is taken for %v", bad, got)
		} else if strings.Contains(err.Error(), want.Secret) {
			t.Errorf("the error tells the secret: %v", err)
		}
	}
}

func FuzzEnrolment(f *testing.F) {
	r := EnrolRequest{Sensor: "edge", CSR: []byte{1, 2}}
	msg, err := r.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(msg)
	f.Add([]byte(NewToken(nil).String()))
	f.Add([]byte(`{"error":"no"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, err := DecodeEnrolRequest(data); err == nil && CheckName(r.Sensor) != nil {
			t.Errorf("sensor %q", r.Sensor)
		}
		if r, err := DecodeEnrolReply(data); err == nil && r.Error == "" && r.Certificate == "" {
			t.Error("neither error nor certificate")
		}
		if token, err := ParseToken(string(data)); err == nil && token.String() != strings.TrimSpace(string(data)) {
			t.Errorf("%q and %q are one token", data, token)
		}
	})
}
