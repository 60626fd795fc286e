package api

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/weir-ips/weir/internal/collector/store"
)

func readAll(t *testing.T, res *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Error(err)
	}
	return string(text)
}

// readUntil reads up to and with the text.
func readUntil(t *testing.T, res *http.Response, end string) string {
	t.Helper()
	var got strings.Builder
	b := make([]byte, 1)
	for !strings.HasSuffix(got.String(), end) {
		if _, err := io.ReadFull(res.Body, b); err != nil {
			t.Fatalf("%v after %q", err, got.String())
		}
		got.Write(b)
	}
	return got.String()
}

func auditOf(action string) store.AuditFilter { return store.AuditFilter{Action: action} }

func isError(err, want error) bool { return errors.Is(err, want) }

// withCertificate is a request over TLS with a client certificate.
func withCertificate(t *testing.T, name string, verified bool) *http.Request {
	t.Helper()
	cert := &x509.Certificate{Subject: pkix.Name{CommonName: name}}
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}}
	if verified {
		r.TLS.VerifiedChains = [][]*x509.Certificate{{cert}}
	}
	return r
}
