package enrol

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-ips/weir/pkg/wire"
)

func open(t *testing.T, dir string) *List {
	t.Helper()
	ca, err := OpenCA(dir, "", "")
	if err != nil {
		t.Fatal(err)
	}
	l, err := OpenList(dir, ca)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *List) certify(t *testing.T, sensor string, life time.Duration) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c, err := l.ca.sensorCertificate(sensor, key.Public(), life)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCAIsKept(t *testing.T) {
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	if !a.ca.Certificate.Equal(b.ca.Certificate) {
		t.Error("a second start made another CA")
	}
	if fi, err := os.Stat(filepath.Join(dir, caKeyFile)); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("key: %v, %v", fi, err)
	}
	if err := os.Remove(filepath.Join(dir, caKeyFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenCA(dir, filepath.Join(dir, caFile), filepath.Join(dir, caKeyFile)); err == nil {
		t.Error("a CA without its key opened")
	}
}

// However many ask at once, through however many processes, a token lets in as many as it says.
func TestTokenUses(t *testing.T) {
	dir := t.TempDir()
	lists := []*List{open(t, dir), open(t, dir)}
	token, err := lists[0].CreateToken("edge", 3, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if id, ok := lists[1].TokenGood(token.String()); !ok || id != token.ID {
		t.Fatalf("another process does not know the token: %q, %v", id, ok)
	}
	forged := token
	forged.Secret = wire.NewToken(nil).Secret
	if _, ok := lists[1].TokenGood(forged.String()); ok {
		t.Error("a token with another secret is good")
	}
	var in atomic.Int32
	var wg sync.WaitGroup
	for i := range 10 {
		name := string(rune('a' + i))
		c := lists[0].certify(t, name, time.Hour)
		wg.Go(func() {
			if _, err := lists[i%2].enrol(token.ID, name, c); err == nil {
				in.Add(1)
			} else if !errors.Is(err, ErrRefused) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if in.Load() != 3 {
		t.Errorf("%d were let in, want 3", in.Load())
	}
	if len(lists[0].Sensors()) != 3 || len(lists[0].Tokens()) != 0 {
		t.Errorf("%d sensors, %d tokens are left", len(lists[0].Sensors()), len(lists[0].Tokens()))
	}
}

func TestTokenExpires(t *testing.T) {
	l := open(t, t.TempDir())
	token, err := l.CreateToken("", 1, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	c := l.certify(t, "edge", time.Hour)
	l.now = func() time.Time { return time.Now().Add(time.Minute) }
	if _, ok := l.TokenGood(token.String()); ok {
		t.Error("good after its time")
	}
	if _, err := l.enrol(token.ID, "edge", c); !errors.Is(err, ErrRefused) {
		t.Errorf("enrolled after its time: %v", err)
	}
}

func TestAdmits(t *testing.T) {
	l, stranger := open(t, t.TempDir()), open(t, t.TempDir())
	token, err := l.CreateToken("", 2, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	c := l.certify(t, "edge", time.Hour)
	unlisted := l.certify(t, "edge", time.Hour)
	if _, err := l.enrol(token.ID, "edge", c); err != nil {
		t.Fatal(err)
	}
	chain := func(c *x509.Certificate, ca *CA) []*x509.Certificate { return []*x509.Certificate{c, ca.Certificate} }
	admits := func(what string, chain []*x509.Certificate, want bool) {
		t.Helper()
		if id, ok := l.Admits(chain); ok != want || ok && id != "edge" {
			t.Errorf("%s: %q, %v; want %v", what, id, ok, want)
		}
	}
	admits("the listed one", chain(c, l.ca), true)
	admits("of our CA but not listed", chain(unlisted, l.ca), false)
	admits("none", nil, false)
	next, third := l.certify(t, "edge", time.Hour), l.certify(t, "edge", time.Hour)
	for _, c := range []*x509.Certificate{next, third} {
		if _, err := l.renew("edge", c); err != nil {
			t.Fatal(err)
		}
	}
	admits("the one before", chain(next, l.ca), true)
	admits("the one before that", chain(c, l.ca), false)
	external := stranger.certify(t, "edge", time.Hour)
	admits("of another CA that TLS trusts", chain(external, stranger.ca), true)
	l.now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	admits("expired", chain(third, l.ca), false)
	l.now = time.Now
	if err := l.Remove("edge", true); err != nil {
		t.Fatal(err)
	}
	admits("removed", chain(third, l.ca), false)
	admits("removed, of another CA", chain(external, stranger.ca), false)
}
