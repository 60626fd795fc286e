package enrol

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weir-ips/weir/pkg/wire"
)

// Service answers requests for certificates. All fields are required.
type Service struct {
	CA        *CA
	List      *List
	Life      time.Duration     // of sensors' certificates
	Collector ed25519.PublicKey // that sensors check verdicts with
	Taken     func(sensor string) bool
	Record    func(action, sensor string, detail map[string]any) // to the audit log
	Log       *slog.Logger
}

// Run answers until ctx ends.
func (s *Service) Run(ctx context.Context, nc *nats.Conn) error {
	for _, subject := range []string{wire.SubjectEnrol, wire.SubjectRenew} {
		sub, err := nc.QueueSubscribe(subject, "collector", s.answer)
		if err != nil {
			return fmt.Errorf("answer %s: %w", subject, err)
		}
		defer sub.Unsubscribe()
	}
	<-ctx.Done()
	return nil
}

func (s *Service) answer(m *nats.Msg) {
	reply, err := s.certify(m)
	if err != nil {
		s.Log.Warn("no certificate issued", "subject", m.Subject, "error", err)
		reply = &wire.EnrolReply{Error: "the collector could not issue a certificate: see its log"}
		if errors.Is(err, ErrRefused) || errors.Is(err, wire.ErrMalformed) {
			reply.Error = err.Error()
		}
	}
	msg, err := reply.Encode()
	if err == nil {
		err = m.Respond(msg)
	}
	if err != nil {
		s.Log.Warn("answer to a request for a certificate not sent", "subject", m.Subject, "error", err)
	}
}

// certify trusts the subject, which permissions tie to the token or the certificate that the connection was made with.
func (s *Service) certify(m *nats.Msg) (*wire.EnrolReply, error) {
	req, err := wire.DecodeEnrolRequest(m.Data)
	if err != nil {
		return nil, err
	}
	key, err := requestedKey(req.CSR)
	if err != nil {
		return nil, err
	}
	what, name, _ := strings.Cut(m.Subject, ".")
	if what == "renew" && name != req.Sensor {
		return nil, fmt.Errorf("%w: %q asks for the certificate of %q", ErrRefused, name, req.Sensor)
	}
	if what == "enrol" && s.Taken(req.Sensor) {
		return nil, fmt.Errorf("%w: sensor %q has other credentials: `collector sensor remove` it first, or choose another name", ErrRefused, req.Sensor)
	}
	c, err := s.CA.sensorCertificate(req.Sensor, key, s.Life)
	if err != nil {
		return nil, err
	}
	note := func() (string, error) { return s.List.renew(name, c) }
	if what == "enrol" {
		note = func() (string, error) { return s.List.enrol(name, req.Sensor, c) }
	}
	group, err := note()
	if err != nil {
		return nil, err
	}
	s.Log.Info("certificate issued", "sensor", req.Sensor, "until", c.NotAfter, "by", what)
	if what == "enrol" {
		s.Record("sensor.enrol", req.Sensor, map[string]any{"token": name, "group": group, "until": c.NotAfter})
	}
	return &wire.EnrolReply{Certificate: encode("CERTIFICATE", c.Raw), CA: s.CA.PEM, Collector: s.Collector, Group: group}, nil
}

// requestedKey takes the key of a request that its holder has signed. Only P-256 is certified.
func requestedKey(der []byte) (*ecdsa.PublicKey, error) {
	csr, err := x509.ParseCertificateRequest(der)
	if err == nil {
		err = csr.CheckSignature()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: certificate request: %w", wire.ErrMalformed, err)
	}
	key, ok := csr.PublicKey.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("%w: certificate request: only ECDSA keys on P-256 are certified", ErrRefused)
	}
	return key, nil
}
