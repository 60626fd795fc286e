package uplink

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weir-ips/weir/internal/collector/enrol"
	"github.com/weir-ips/weir/pkg/wire"
)

// enrolment gives the world a CA whose sensors' certificates live for life.
func (w *world) enrolment(life time.Duration) {
	w.t.Helper()
	ca, err := enrol.OpenCA(w.dir, "", "")
	if err != nil {
		w.t.Fatal(err)
	}
	list, err := enrol.OpenList(w.dir, ca)
	if err != nil {
		w.t.Fatal(err)
	}
	w.enrol = &enrol.Service{
		CA: ca, List: list, Life: life, Collector: w.key.Public().(ed25519.PublicKey), Taken: w.regs.Has,
		Record: func(string, string, map[string]any) {}, Log: slog.New(slog.DiscardHandler),
	}
}

// enrolled is a world that nobody enters without a certificate, and a way to get one.
func enrolled(t *testing.T, life time.Duration) (w *world, enroll func(sensor, token string) (creds string, err error)) {
	t.Helper()
	w = newWorld(t)
	w.enrolment(life)
	w.open = nil
	w.start()
	return w, func(sensor, token string) (string, error) {
		path := filepath.Join(w.dir, sensor+".creds")
		_, err := Enroll(context.Background(), "tls://"+w.listen, token, sensor, path)
		return path, err
	}
}

func (w *world) token(uses int) string {
	w.t.Helper()
	t, err := w.enrol.List.CreateToken("edge", uses, time.Minute)
	if err != nil {
		w.t.Fatal(err)
	}
	return t.String()
}

func TestEnroll(t *testing.T) {
	w, enroll := enrolled(t, time.Hour)
	token := w.token(1)
	creds, err := enroll("edge-1", token)
	if err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(creds); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("credentials %v, %v: want mode 0600", fi, err)
	}
	s := w.sensor("edge-1", func(o *Options) { o.Credentials = creds })
	v := drop("v-1", "203.0.113.7/32")
	v.Scope = "edge"
	w.add(v)
	eventually(t, "the group's verdict comes", func() bool { return s.has("v-1") && w.inSync(s) })
	s.Publish(alert(1, 1))
	eventually(t, "the alert goes", func() bool { return stored(t, w, 10) == 1 })

	_, err = enroll("edge-2", token)
	if err == nil || !strings.Contains(err.Error(), "used up") {
		t.Errorf("a token for one let two in: %v", err)
	}
	_, err = enroll("edge-1", w.token(1))
	if err == nil || !strings.Contains(err.Error(), "has a certificate until") {
		t.Errorf("a sensor's name was taken over: %v", err)
	}
	if text, err := os.ReadFile(filepath.Join(w.dir, "enrolment.json")); err != nil || strings.Contains(string(text), strings.Split(token, ".")[1]) {
		t.Errorf("the token's secret is on the collector's disk (%v)", err)
	}
}

// The token is shown to nobody but the collector that made it.
func TestEnrollAtAnImpostor(t *testing.T) {
	w, _ := enrolled(t, time.Hour)
	impostor, _ := enrolled(t, time.Hour)
	_, err := Enroll(context.Background(), "tls://"+impostor.listen, w.token(1), "edge-1", filepath.Join(w.dir, "x"))
	if err == nil || !strings.Contains(err.Error(), "another CA") {
		t.Errorf("enrolled at another collector: %v", err)
	}
}

func TestCertificateRenewsItself(t *testing.T) {
	w, enroll := enrolled(t, 5*time.Second)
	creds, err := enroll("edge-1", w.token(1))
	if err != nil {
		t.Fatal(err)
	}
	first, err := wire.LoadCredentials(creds)
	if err != nil {
		t.Fatal(err)
	}
	s := w.sensor("edge-1", func(o *Options) { o.Credentials = creds })
	eventually(t, "connected", s.Connected)
	eventually(t, "a new certificate and key are in the file", func() bool {
		now, err := wire.LoadCredentials(creds)
		return err == nil && now.Certificate != first.Certificate && now.Key != first.Key
	})
	_, expires := s.identity.due()
	time.Sleep(time.Until(expires.Add(-500 * time.Millisecond))) // by now the first has expired
	w.stop()
	w.start()
	eventually(t, "it connects with the new one", func() bool { return w.inSync(s) })
	_, expires = s.identity.due()
	time.Sleep(time.Until(expires)) // the connection outlives its certificate, and is made anew
	if err := w.server.Expel(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is back", func() bool { return s.Connected() && w.inSync(s) })
}

func TestRemovedSensorIsDisconnected(t *testing.T) {
	w, enroll := enrolled(t, time.Hour)
	creds, err := enroll("edge-1", w.token(1))
	if err != nil {
		t.Fatal(err)
	}
	other, err := enroll("edge-2", w.token(1))
	if err != nil {
		t.Fatal(err)
	}
	s := w.sensor("edge-1", func(o *Options) { o.Credentials = creds })
	stays := w.sensor("edge-2", func(o *Options) { o.Credentials = other })
	eventually(t, "both are connected", func() bool { return s.Connected() && stays.Connected() })
	if err := w.enrol.List.Remove("edge-1", false); err != nil {
		t.Fatal(err)
	}
	if err := w.server.Expel(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the removed one is disconnected", func() bool { return !s.Connected() })
	time.Sleep(1500 * time.Millisecond) // longer than a reconnect takes
	if s.Connected() || !stays.Connected() {
		t.Errorf("connected: removed %v, other %v", s.Connected(), stays.Connected())
	}
	if _, err := enroll("edge-1", w.token(1)); err != nil {
		t.Errorf("it cannot enrol again: %v", err)
	}
}

// A token's holder may ask for a certificate and nothing else; a certificate's holder may not act as another sensor.
func TestCertificatesPermissions(t *testing.T) {
	w, enroll := enrolled(t, time.Hour)
	creds, err := enroll("edge-1", w.token(1))
	if err != nil {
		t.Fatal(err)
	}
	c, err := wire.LoadCredentials(creds)
	if err != nil {
		t.Fatal(err)
	}
	u := &Uplink{creds: c}
	if u.identity, err = openIdentity(creds, c, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	secure, err := u.tlsConfig()
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := wire.ParseToken(w.token(1))
	if err != nil {
		t.Fatal(err)
	}
	for who, o := range map[string]nats.Option{"certificate": nats.Secure(secure), "token": func(o *nats.Options) error {
		o.Token = parsed.String()
		return nats.Secure(pinned(parsed.Pin))(o)
	}} {
		refused := make(chan error, 16)
		nc, err := nats.Connect("tls://"+w.listen, o, nats.Name("edge-2"),
			nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
		if err != nil {
			t.Fatal(who, err)
		}
		defer nc.Close()
		for _, subject := range []string{wire.AlertsSubject("edge-2"), wire.RenewSubject("edge-2"), wire.DeltaSubject("all"), wire.SubjectBeacon} {
			if err := nc.Publish(subject, nil); err != nil {
				t.Fatal(who, err)
			}
			select {
			case err := <-refused:
				if !strings.Contains(strings.ToLower(err.Error()), "permissions violation") {
					t.Errorf("%s: publish to %s: %v", who, subject, err)
				}
			case <-time.After(2 * time.Second):
				t.Errorf("%s: may publish to %s", who, subject)
			}
		}
	}
}

// Where TLS is offered, a key proved over plain TCP does not let a sensor in: what it says could be read on the way.
func TestPlainTCPFromElsewhere(t *testing.T) {
	w, _ := enrolled(t, time.Hour)
	s := w.sensor("edge", func(o *Options) { o.Credentials = w.credentials("edge", "", w.enrol.Collector) })
	time.Sleep(500 * time.Millisecond)
	if s.Connected() {
		t.Error("connected without TLS")
	}
}
