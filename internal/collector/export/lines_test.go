package export

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gosyslog "github.com/leodido/go-syslog/v4"
	"github.com/leodido/go-syslog/v4/octetcounting"
	"github.com/leodido/go-syslog/v4/rfc5424"
)

func TestFileRotatesAndFollows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "eve.json")
	s, err := openFile(checked(t, Config{Type: TypeFile, Path: path, MaxBytes: 4096, Keep: 2}), "1")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	e := alertEvent(t, 1, "203.0.113.9", "allowed")
	for range 40 {
		if err := s.Send(context.Background(), []Event{e}); err != nil {
			t.Fatal(err)
		}
	}
	for name, limit := range map[string]int{path: 4096, path + ".1": 6000, path + ".2": 6000} {
		data, err := os.ReadFile(name)
		if err != nil || len(data) > limit {
			t.Errorf("%s: %d bytes, %v", name, len(data), err)
		}
		for line := range strings.Lines(string(data)) {
			if !json.Valid([]byte(line)) || !strings.HasSuffix(line, "\n") {
				t.Errorf("%s: %q", name, line)
			}
		}
	}
	if _, err := os.Stat(path + ".3"); err == nil {
		t.Error("more files than to be kept")
	}
	os.Rename(path, path+".moved")
	if err := s.Send(context.Background(), []Event{e}); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != string(e.Alert.EVE)+"\n" {
		t.Errorf("after the file was moved away: %q, %v", data, err)
	}
}

func TestHTTPPostsLines(t *testing.T) {
	code := http.StatusOK
	var body, authorization string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		body, authorization = string(b), r.Header.Get("Authorization")
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(code)
	}))
	defer srv.Close()
	s, err := openHTTP(checked(t, Config{Type: TypeHTTP, URL: srv.URL, Secret: secret(t, "Splunk 123")}), "1")
	if err != nil {
		t.Fatal(err)
	}
	events := []Event{alertEvent(t, 1, "203.0.113.9", "allowed"), verdictEvent("add"), incidentEvent("open")}
	for _, c := range []struct {
		code    int
		refused bool
		pause   time.Duration
	}{{200, false, 0}, {302, true, 0}, {400, true, 0}, {401, false, 0}, {413, true, 0}, {429, false, 7 * time.Second}, {500, false, 0}, {503, false, 7 * time.Second}} {
		code = c.code
		err := s.Send(context.Background(), events)
		var asked *later
		errors.As(err, &asked)
		if (err == nil) != (c.code == 200) || errors.Is(err, ErrRefused) != c.refused || (asked != nil) != (c.pause > 0) || asked != nil && asked.after != c.pause {
			t.Errorf("%d: %v", c.code, err)
		}
	}
	lines := strings.Split(strings.TrimSpace(body), "\n")
	if len(lines) != 3 || lines[0] != string(events[0].Alert.EVE) || authorization != "Splunk 123" {
		t.Errorf("%d lines, authorization %q: %s", len(lines), authorization, body)
	}
	var v struct {
		EventType string                              `json:"event_type"`
		Verdict   struct{ Target, Op, Action string } `json:"weir_verdict"`
	}
	if err := json.Unmarshal([]byte(lines[1]), &v); err != nil || v.EventType != "weir_verdict" || v.Verdict.Target != "203.0.113.9" || v.Verdict.Action != "drop" {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestCEF(t *testing.T) {
	six := alertEvent(t, 1, "2001:db8::1", "blocked")
	for _, c := range []struct {
		e    Event
		want []string
	}{
		{alertEvent(t, 1, "203.0.113.9", "blocked"), []string{
			`CEF:0|Weir|Weir|1.2|1:2100498|GPL ATTACK_RESPONSE id check \| returned=root|6|rt=1772446831123 dvchost=edge-1 externalId=edge-1:boot:1:1 `,
			" act=blocked src=203.0.113.9 spt=40000 dst=10.0.0.1 dpt=80 proto=TCP app=http cn1Label=flow cn1=1001",
		}},
		{six, []string{" c6a2=2001:db8::1 ", " c6a2Label=Source IPv6 Address"}},
		{verdictEvent("add"), []string{"|verdict-add|drop 203.0.113.9 until 2026-03-02T11:20:30Z: scans = loud|6|", ` reason=scans \= loud `, " src=203.0.113.9"}},
		{incidentEvent("closed"), []string{"|incident|203.0.113.9 attacks 10.0.0.1|9|", " cnt=42 act=closed start="}},
	} {
		got := string(encoder{FormatCEF, "1.2"}.cef(&c.e))
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%q is not in %q", want, got)
			}
		}
	}
	hostile := verdictEvent("add")
	hostile.Verdict.Reason = "a\nCEF:0|x|y=z\\\r"
	if got := string(encoder{FormatCEF, "1"}.cef(&hostile)); strings.ContainsAny(got, "\r\n") || !strings.Contains(got, `reason=a\nCEF:0|x|y\=z\\\r`) {
		t.Errorf("%q", got)
	}
}

// certificate is a server's for 127.0.0.1, signed by itself, and the file a client trusts it by.
func certificate(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, path
}

// TestSyslog has every transport's messages read by a parser of somebody else's.
func TestSyslog(t *testing.T) {
	pair, ca := certificate(t)
	for _, network := range []string{"udp", "tcp", "tls"} {
		t.Run(network, func(t *testing.T) {
			got := make(chan *rfc5424.SyslogMessage, 10)
			address, hangUp := receiver(t, network, pair, got)
			s, err := openSyslog(checked(t, Config{Type: TypeSyslog, URL: network + "://" + address, TLS: TLS{CA: ca}}), "1")
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			send := func() {
				t.Helper()
				if err := s.Send(context.Background(), []Event{alertEvent(t, 1, "203.0.113.9", "allowed"), incidentEvent("open")}); err != nil {
					t.Fatal(err)
				}
				for _, want := range []struct {
					severity uint8
					id       string
				}{{4, "alert"}, {2, "incident"}} {
					select {
					case m := <-got:
						if *m.Severity != want.severity || *m.Facility != facility || *m.MsgID != want.id || *m.Appname != "weir-collector" || !strings.HasPrefix(*m.Message, "\ufeffCEF:0|Weir|") {
							t.Errorf("%+v %s", m, *m.Message)
						}
					case <-time.After(20 * time.Second):
						t.Fatal("no message")
					}
				}
			}
			send()
			hangUp()
			eventually(t, "the sender notices", func() bool { return network == "udp" || closed(s.(*syslog).conn) })
			send()
		})
	}
}

// receiver parses what arrives; hangUp closes the connection of the last sender.
func receiver(t *testing.T, network string, pair tls.Certificate, got chan<- *rfc5424.SyslogMessage) (address string, hangUp func()) {
	t.Helper()
	if network == "udp" {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		go func() {
			buf := make([]byte, 1<<16)
			for {
				n, _, err := c.ReadFrom(buf)
				if err != nil {
					return
				}
				m, err := rfc5424.NewParser().Parse(buf[:n])
				if err != nil {
					t.Errorf("%v: %q", err, buf[:n])
					return
				}
				got <- m.(*rfc5424.SyslogMessage)
			}
		}()
		return c.LocalAddr().String(), func() {}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if network == "tls" {
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}})
	}
	t.Cleanup(func() { l.Close() })
	conns := make(chan net.Conn, 10)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns <- c
			go octetcounting.NewParser(gosyslog.WithListener(func(r *gosyslog.Result) {
				if m, ok := r.Message.(*rfc5424.SyslogMessage); ok && r.Error == nil {
					got <- m
				} else if r.Error != nil && !errors.Is(r.Error, net.ErrClosed) {
					t.Logf("connection ended: %v", r.Error)
				}
			})).Parse(bufio.NewReader(c))
		}
	}()
	return l.Addr().String(), func() { (<-conns).Close() }
}
