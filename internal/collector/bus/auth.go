package bus

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/weir-ips/weir/pkg/wire"
)

// Enrolment knows sensors by their certificates, and the tokens that let new ones ask for one.
type Enrolment interface {
	// Chain is the chain of a certificate that the CA has issued; nil for one of another, and one whose time is up.
	Chain(c *x509.Certificate) []*x509.Certificate
	// Admits names the sensor that a verified certificate chain lets in.
	Admits(chain []*x509.Certificate) (sensor string, ok bool)
	// TokenGood names the token if it may still be used.
	TokenGood(token string) (id string, ok bool)
	// Has reports whether a sensor is known by its certificate.
	Has(sensor string) bool
}

// authenticator decides who may connect and what each may say. A client shows a certificate, or proves an nkey (ed25519 over
// the server's nonce), or holds a token, which lets it ask for a certificate and nothing else; from an open address it may
// connect with none of them and is the sensor that its connection is named after.
type authenticator struct {
	open      []netip.Prefix
	sensors   *Registrations
	enrolment Enrolment // nil: none
	secure    bool      // TLS is offered: credentials over plain TCP count from open addresses only
	public    string    // the collector's own nkey, new at each start
	sign      func(nonce []byte) ([]byte, error)

	mu     sync.Mutex
	chains map[string][]*x509.Certificate // that let somebody in, by SHA-256 of the first in hex
}

func newAuthenticator(o *Options) (*authenticator, error) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		return nil, fmt.Errorf("bus: make the collector's key: %w", err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("bus: make the collector's key: %w", err)
	}
	return &authenticator{
		open: o.Open, sensors: o.Sensors, enrolment: o.Enrolment, secure: o.TLS != nil, public: public, sign: signer(pair),
		chains: map[string][]*x509.Certificate{},
	}, nil
}

// client is what somebody who wants to connect shows.
type client struct {
	key, sig string // nkey, and its signature of nonce; or wire.ProofKey, and a proof
	nonce    []byte
	token    string
	name     string // of the connection
	addr     netip.Addr
	secure   bool                // came over TLS
	chain    []*x509.Certificate // verified by TLS; the client's first
}

// Check implements server.Authentication.
func (a *authenticator) Check(c server.ClientAuthentication) bool {
	if c.Kind() != server.CLIENT {
		return false
	}
	opts := c.GetOpts()
	user := a.admit(&client{
		key: opts.Nkey, sig: opts.Sig, nonce: c.GetNonce(), token: opts.Token, name: opts.Name, addr: address(c.RemoteAddress()),
		secure: c.GetTLSConnectionState() != nil, chain: verifiedChain(c),
	})
	if user != nil {
		c.RegisterUser(user)
	}
	return user != nil
}

func address(a net.Addr) netip.Addr {
	if a == nil {
		return netip.Addr{}
	}
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}

// admit says who c is and what that one may do; nil refuses.
func (a *authenticator) admit(c *client) *server.User {
	switch {
	case c.key != "" && c.key != wire.ProofKey:
		return a.admitKey(c)
	case len(c.chain) > 0:
		return a.admitCertificate(c.chain)
	case c.key == wire.ProofKey:
		return a.admitProof(c)
	case c.token != "":
		return a.admitToken(c)
	}
	return a.admitOpen(c)
}

func (a *authenticator) admitKey(c *client) *server.User {
	if !proves(c.key, c.sig, c.nonce) {
		return nil
	}
	if a.public != "" && c.key == a.public {
		return &server.User{Username: "collector"}
	}
	if id, ok := a.sensors.ByKey(c.key); ok && a.private(c) {
		return sensorUser(id)
	}
	return nil
}

// private reports whether nobody on the way can listen, as far as the configuration cares.
func (a *authenticator) private(c *client) bool {
	return !a.secure || c.secure || a.isOpen(c.addr)
}

// maxChains bounds what is remembered of certificates; with more than that many connections some outlive their certificate.
const maxChains = 2 * maxConnections

func (a *authenticator) admitCertificate(chain []*x509.Certificate) *server.User {
	if a.enrolment == nil || len(chain) == 0 {
		return nil
	}
	id, ok := a.enrolment.Admits(chain)
	if !ok {
		return nil
	}
	a.mu.Lock()
	if len(a.chains) >= maxChains {
		a.forgetUseless()
	}
	if len(a.chains) < maxChains {
		a.chains[fingerprint(chain[0])] = chain
	}
	a.mu.Unlock()
	return sensorUser(id)
}

// admitProof takes a certificate that was proved outside of TLS, to a server that does not ask for it there.
func (a *authenticator) admitProof(c *client) *server.User {
	if a.enrolment == nil || !c.secure {
		return nil
	}
	cert, err := wire.ProvenCertificate(c.sig, c.nonce)
	if err != nil {
		return nil
	}
	return a.admitCertificate(a.enrolment.Chain(cert))
}

func (a *authenticator) forgetUseless() {
	for hash, chain := range a.chains {
		if _, ok := a.enrolment.Admits(chain); !ok {
			delete(a.chains, hash)
		}
	}
}

func (a *authenticator) admitToken(c *client) *server.User {
	if a.enrolment == nil || !c.secure {
		return nil
	}
	if id, ok := a.enrolment.TokenGood(c.token); ok {
		return tokenUser(id)
	}
	return nil
}

// stillGood reports whether the certificate with this fingerprint would let its holder in again.
func (a *authenticator) stillGood(hash string) bool {
	a.mu.Lock()
	chain, known := a.chains[hash]
	a.mu.Unlock()
	if !known {
		return true // it let nobody in: the connection has a key
	}
	_, ok := a.enrolment.Admits(chain)
	return ok
}

func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

func verifiedChain(c server.ClientAuthentication) []*x509.Certificate {
	if s := c.GetTLSConnectionState(); s != nil && len(s.VerifiedChains) > 0 {
		return s.VerifiedChains[0]
	}
	return nil
}

// knows reports whether a client with this key would be admitted.
func (a *authenticator) knows(key string) bool {
	_, ok := a.sensors.ByKey(key)
	return ok || key == a.public
}

// admitOpen lets a sensor in by its address alone, unless it is one that has credentials.
func (a *authenticator) admitOpen(c *client) *server.User {
	if wire.CheckName(c.name) != nil || a.sensors.Has(c.name) || a.enrolment != nil && a.enrolment.Has(c.name) || !a.isOpen(c.addr) {
		return nil
	}
	return sensorUser(c.name)
}

func (a *authenticator) isOpen(addr netip.Addr) bool {
	for _, p := range a.open {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// proves checks the signature of nonce; clients send it in either base64 alphabet.
func proves(public, sig string, nonce []byte) bool {
	raw, err := base64.RawURLEncoding.DecodeString(sig)
	if err != nil {
		if raw, err = base64.StdEncoding.DecodeString(sig); err != nil {
			return false
		}
	}
	key, err := nkeys.FromPublicKey(public)
	return err == nil && len(nonce) > 0 && key.Verify(nonce, raw) == nil
}

// sensorUser allows a sensor its own alerts, tallies, findings and health, questions about the verdict log, and nothing else: a stolen sensor key
// can lie about what it saw, but not order a verdict.
func sensorUser(id string) *server.User {
	return &server.User{
		Username: id,
		Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: []string{
				wire.AlertsSubject(id), wire.HealthSubject(id), wire.TallySubject(id), wire.FindingsSubject(id), wire.SubjectSync, wire.SubjectRules, wire.RenewSubject(id),
			}},
			Subscribe: &server.SubjectPermission{Allow: []string{
				wire.SubjectDeltas, wire.SubjectBeacon, wire.SubjectArming, wire.SubjectSurvey, wire.ConfigSubject(id, ">"), wire.InboxPrefix(id) + ".>",
			}},
		},
	}
}

// tokenUser may ask for a certificate.
func tokenUser(id string) *server.User {
	return &server.User{
		Username: "token " + id,
		Permissions: &server.Permissions{
			Publish:   &server.SubjectPermission{Allow: []string{wire.EnrolSubject(id)}},
			Subscribe: &server.SubjectPermission{Allow: []string{wire.InboxPrefix("token-"+id) + ".>"}},
		},
	}
}
