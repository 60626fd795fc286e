package bus

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/weir-ips/weir/pkg/wire"
)

// Callout answers the servers of a cluster that ask who a client is (auth_callout in their configuration): by the same rules as
// the embedded server, with the same permissions.
type Callout struct {
	auth    *authenticator
	issuer  nkeys.KeyPair
	account string
	log     *slog.Logger
}

// CalloutOptions is what a Callout needs.
type CalloutOptions struct {
	Issuer    string // file of the seed (SA…) whose public key the servers know as issuer
	Account   string // that sensors are in
	Open      []netip.Prefix
	Sensors   *Registrations
	Enrolment Enrolment
	Log       *slog.Logger
}

const (
	calloutSubject = "$SYS.REQ.USER.AUTH"
	// calloutLife is how long an admission counts. A client is asked again then, so one whose credentials were taken away is
	// disconnected at the latest after it.
	calloutLife = 10 * time.Minute
)

// NewCallout reads the issuer's seed.
func NewCallout(o CalloutOptions) (*Callout, error) {
	issuer, err := seedFile(o.Issuer)
	if err != nil {
		return nil, err
	}
	if public, err := issuer.PublicKey(); err != nil || !nkeys.IsValidPublicAccountKey(public) {
		return nil, fmt.Errorf("bus: %s is not the seed of an account (SA…)", o.Issuer)
	}
	return &Callout{
		auth:   &authenticator{open: o.Open, sensors: o.Sensors, enrolment: o.Enrolment, secure: true, chains: map[string][]*x509.Certificate{}},
		issuer: issuer, account: o.Account, log: o.Log,
	}, nil
}

// Run answers until ctx ends.
func (c *Callout) Run(ctx context.Context, nc *nats.Conn) error {
	sub, err := nc.QueueSubscribe(calloutSubject, "collector", func(m *nats.Msg) {
		answer, err := c.answer(m.Data)
		if err == nil {
			err = m.Respond([]byte(answer))
		}
		if err != nil {
			c.log.Warn("a server's question about a client is not answered", "error", err)
		}
	})
	if err != nil {
		return fmt.Errorf("bus: answer %s: %w", calloutSubject, err)
	}
	<-ctx.Done()
	return sub.Unsubscribe()
}

func (c *Callout) answer(question []byte) (string, error) {
	q, err := jwt.DecodeAuthorizationRequestClaims(string(question))
	if err != nil {
		return "", err
	}
	who, err := clientOf(q)
	if err != nil {
		return "", err
	}
	a := jwt.NewAuthorizationResponseClaims(q.UserNkey)
	a.Audience = q.Server.ID
	user, until := c.admit(who)
	if user == nil {
		a.Error = "not admitted"
	} else if a.Jwt, err = c.claims(q.UserNkey, user, until).Encode(c.issuer); err != nil {
		return "", err
	}
	return a.Encode(c.issuer)
}

// admit says who a client is, and until when it counts: no longer than its certificate.
func (c *Callout) admit(who *client) (user *server.User, until time.Time) {
	user, until = c.auth.admit(who), time.Now().Add(calloutLife)
	if who.key == wire.ProofKey && user != nil {
		if cert, err := wire.ProvenCertificate(who.sig, who.nonce); err == nil && cert.NotAfter.Before(until) {
			until = cert.NotAfter
		}
	}
	return user, until
}

// claims puts a user's permissions into the form of a cluster.
func (c *Callout) claims(key string, user *server.User, until time.Time) *jwt.UserClaims {
	u := jwt.NewUserClaims(key)
	u.Name, u.Audience, u.Expires = user.Username, c.account, until.Unix()
	u.Permissions.Pub.Allow = user.Permissions.Publish.Allow
	u.Permissions.Sub.Allow = user.Permissions.Subscribe.Allow
	return u
}

func clientOf(q *jwt.AuthorizationRequestClaims) (*client, error) {
	o := &q.ConnectOptions
	c := &client{key: o.Nkey, sig: o.SignedNonce, nonce: []byte(q.ClientInformation.Nonce), token: o.Token, name: o.Name, secure: q.TLS != nil}
	if a, err := netip.ParseAddr(q.ClientInformation.Host); err == nil {
		c.addr = a.Unmap()
	}
	if q.TLS == nil || len(q.TLS.VerifiedChains) == 0 {
		return c, nil
	}
	for _, text := range q.TLS.VerifiedChains[0] {
		block, _ := pem.Decode([]byte(text))
		if block == nil {
			return nil, errors.New("a certificate is not PEM")
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		c.chain = append(c.chain, cert)
	}
	return c, nil
}
