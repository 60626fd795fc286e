package uplink

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/weir-ips/weir/pkg/wire"
)

// connect returns at once, connected or not; the library tries until it is, and again whenever the connection is lost, with
// jitter so that a fleet does not come back in one instant.
func (u *Uplink) connect(inbox chan *nats.Msg, joined chan struct{}) (*nats.Conn, error) {
	opts := []nats.Option{
		nats.Name(u.o.Sensor),
		nats.CustomInboxPrefix(wire.InboxPrefix(u.o.Sensor)),
		nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.IgnoreAuthErrorAbort(),
		nats.ReconnectWait(250 * time.Millisecond), nats.ReconnectJitter(750*time.Millisecond, 1500*time.Millisecond),
		nats.ReconnectBufSize(-1), // what cannot be sent now stays in the spool
		nats.Timeout(5 * time.Second), nats.PingInterval(5 * time.Second), nats.MaxPingsOutstanding(2),
		nats.ConnectHandler(func(nc *nats.Conn) { u.online(nc, joined) }),
		nats.ReconnectHandler(func(nc *nats.Conn) { u.reconnects.Add(1); u.online(nc, joined) }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { u.offline(err) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { u.o.Log.Warn("bus", "error", err) }),
	}
	auth, err := u.authentication()
	if err != nil {
		return nil, err
	}
	nc, err := nats.Connect(u.o.URL, append(opts, auth...)...)
	if err != nil {
		return nil, fmt.Errorf("connect to %q: %w", u.o.URL, err)
	}
	replies := wire.InboxPrefix(u.o.Sensor) + ".sync"
	for _, subject := range []string{wire.SubjectBeacon, wire.SubjectDeltas, wire.SubjectArming, wire.SubjectSurvey, replies} {
		sub, err := nc.ChanSubscribe(subject, inbox)
		if err != nil {
			nc.Close()
			return nil, fmt.Errorf("subscribe to %s: %w", subject, err)
		}
		u.subs = append(u.subs, sub)
	}
	u.follower.request = func(r *wire.SyncRequest) error {
		msg, err := r.Encode()
		if err != nil {
			return err
		}
		return nc.PublishRequest(wire.SubjectSync, replies, msg)
	}
	u.rules.request = func(r *wire.RulesRequest) error {
		msg, err := r.Encode()
		if err != nil {
			return err
		}
		return nc.PublishRequest(wire.SubjectRules, replies, msg)
	}
	return nc, nil
}

// authentication proves the key or shows the certificate of the credentials, if there are any.
func (u *Uplink) authentication() ([]nats.Option, error) {
	if u.creds == nil {
		return nil, nil
	}
	var opts []nats.Option
	if u.creds.Seed != "" {
		pair, err := nkeys.FromSeed([]byte(u.creds.Seed))
		if err != nil {
			return nil, fmt.Errorf("%s: seed: %w", u.o.Credentials, err)
		}
		public, err := pair.PublicKey()
		if err != nil {
			return nil, fmt.Errorf("%s: seed: %w", u.o.Credentials, err)
		}
		opts = append(opts, nats.Nkey(public, pair.Sign))
	}
	if u.identity != nil && u.creds.Seed == "" {
		opts = append(opts, nats.Nkey(wire.ProofKey, u.identity.prove))
	}
	secure, err := u.tlsConfig()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", u.o.Credentials, err)
	}
	if secure != nil {
		opts = append(opts, nats.Secure(secure))
	}
	return opts, nil
}

// tlsConfig is nil when the credentials say nothing of TLS: the URL's scheme then decides, with the system's CAs.
func (u *Uplink) tlsConfig() (*tls.Config, error) {
	c := u.creds
	if c.CA == "" && u.identity == nil {
		return nil, nil
	}
	t := &tls.Config{MinVersion: tls.VersionTLS13, ServerName: c.ServerName}
	if c.CA != "" {
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM([]byte(c.CA)) {
			return nil, errors.New("ca: no certificate in it")
		}
	}
	if u.identity != nil {
		t.GetClientCertificate = u.identity.certificate
	}
	return t, nil
}

func (u *Uplink) online(nc *nats.Conn, joined chan<- struct{}) {
	u.connected.Store(true)
	u.o.Log.Info("connected to the collector", "url", nc.ConnectedUrlRedacted())
	select {
	case joined <- struct{}{}:
	default:
	}
}

func (u *Uplink) offline(err error) {
	u.connected.Store(false)
	if err == nil || errors.Is(err, nats.ErrConnectionClosed) {
		return
	}
	u.o.Log.Warn("collector is away: alerts are spooled, verdicts stay until they expire", "error", err)
}

// reportHealth reports every wire.HealthEvery, and soon after the position in the verdict log has changed, so that the
// collector sees a verdict spread.
func (u *Uplink) reportHealth(ctx context.Context, nc *nats.Conn) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	next := time.Now().Add(rand.N(time.Second))
	var reported uint64
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			_, seq := u.Position()
			if u.connected.Load() && (now.After(next) || seq != reported) {
				reported, next = seq, now.Add(wire.HealthEvery-500*time.Millisecond)
				u.sendHealth(nc)
			}
		}
	}
}

func (u *Uplink) sendHealth(nc *nats.Conn) {
	h := u.health()
	if u.o.Health != nil {
		u.o.Health(h)
	}
	h.Truncate()
	msg, err := h.Encode()
	if err == nil {
		err = nc.Publish(wire.HealthSubject(u.o.Sensor), msg)
	}
	if err != nil {
		u.o.Log.Debug("no health report sent", "error", err)
	}
}
