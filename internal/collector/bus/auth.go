package bus

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/netip"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/weir-ips/weir/pkg/wire"
)

// authenticator decides who may connect and what each may say. A client proves an nkey (ed25519 over the server's nonce);
// from an open address it may connect without one and is the sensor that its connection is named after.
type authenticator struct {
	open    []netip.Prefix
	sensors *Registrations
	public  string // the collector's own nkey, new at each start
	sign    func(nonce []byte) ([]byte, error)
}

func newAuthenticator(open []netip.Prefix, sensors *Registrations) (*authenticator, error) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		return nil, fmt.Errorf("bus: make the collector's key: %w", err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("bus: make the collector's key: %w", err)
	}
	return &authenticator{open: open, sensors: sensors, public: public, sign: signer(pair)}, nil
}

// Check implements server.Authentication.
func (a *authenticator) Check(c server.ClientAuthentication) bool {
	if c.Kind() != server.CLIENT {
		return false
	}
	opts := c.GetOpts()
	if opts.Nkey == "" {
		return a.admitOpen(c, opts.Name)
	}
	if !proves(opts.Nkey, opts.Sig, c.GetNonce()) {
		return false
	}
	if opts.Nkey == a.public {
		c.RegisterUser(&server.User{Username: "collector"})
		return true
	}
	id, ok := a.sensors.ByKey(opts.Nkey)
	if ok {
		c.RegisterUser(sensorUser(id))
	}
	return ok
}

// knows reports whether a client with this key would be admitted.
func (a *authenticator) knows(key string) bool {
	_, ok := a.sensors.ByKey(key)
	return ok || key == a.public
}

// admitOpen lets a sensor in by its address alone, unless it is one that has credentials.
func (a *authenticator) admitOpen(c server.ClientAuthentication, name string) bool {
	if wire.CheckName(name) != nil || a.sensors.Has(name) || !a.isOpen(c.RemoteAddress()) {
		return false
	}
	c.RegisterUser(sensorUser(name))
	return true
}

func (a *authenticator) isOpen(addr net.Addr) bool {
	if addr == nil {
		return false
	}
	ap, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return false
	}
	for _, p := range a.open {
		if p.Contains(ap.Addr().Unmap()) {
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

// sensorUser allows a sensor its own alerts and health, questions about the verdict log, and nothing else: a stolen sensor key
// can lie about what it saw, but not order a verdict.
func sensorUser(id string) *server.User {
	return &server.User{
		Username: id,
		Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: []string{
				wire.AlertsSubject(id), wire.HealthSubject(id), wire.SubjectSync, wire.SubjectRules,
			}},
			Subscribe: &server.SubjectPermission{Allow: []string{
				wire.SubjectDeltas, wire.SubjectBeacon, wire.ConfigSubject(id, ">"), wire.InboxPrefix(id) + ".>",
			}},
		},
	}
}
