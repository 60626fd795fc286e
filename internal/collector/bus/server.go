package bus

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/weir-ips/weir/pkg/wire"
)

// Options is how the embedded server runs. Dir and Listen are required.
type Options struct {
	Dir       string         // JetStream's files
	Listen    string         // host:port for sensors; port 0 takes a free one
	TLS       *tls.Config    // nil: plain TCP
	Open      []netip.Prefix // sensors from these addresses need no credentials, and no TLS
	Sensors   *Registrations // sensors that have credentials
	Enrolment Enrolment      // sensors that have certificates, and tokens; nil: neither counts
	MaxBytes  int64          // of both streams on disk; 10 GB if 0
	Log       *slog.Logger   // nil: slog.DiscardHandler
}

const maxConnections = 20_000

// startTimeout is generous: a server that was killed checks its files first.
const startTimeout = 60 * time.Second

// Server is the embedded NATS server. Every message is on disk before it is acknowledged.
type Server struct {
	nats *server.Server
	auth *authenticator
}

// Start brings the server up and returns when it accepts connections.
func Start(o Options) (*Server, error) {
	host, port, err := splitListen(o.Listen)
	if err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 10 << 30
	}
	auth, err := newAuthenticator(&o)
	if err != nil {
		return nil, err
	}
	so := &server.Options{
		ServerName: "weir-collector", Host: host, Port: port, NoSigs: true,
		JetStream: true, StoreDir: o.Dir, SyncAlways: true, JetStreamMaxStore: o.MaxBytes, JetStreamMaxMemory: 64 << 20,
		MaxPayload: wire.MaxMessage, MaxPending: 64 << 20, MaxConn: maxConnections, MaxSubs: 64, WriteDeadline: 10 * time.Second,
		PingInterval: 20 * time.Second, MaxPingsOut: 2,
		CustomClientAuthentication: auth, AlwaysEnableNonce: true, AuthTimeout: 10,
	}
	if o.TLS != nil {
		so.TLSConfig, so.TLS, so.TLSTimeout = o.TLS, true, 10
		so.AllowNonTLS = len(o.Open) > 0 && o.TLS.ClientAuth != tls.RequireAndVerifyClientCert
	}
	ns, err := server.NewServer(so)
	if err != nil {
		return nil, fmt.Errorf("bus: %w", err)
	}
	ns.SetLogger(natsLog{o.Log.With("part", "bus")}, false, false)
	ns.Start()
	if !ns.ReadyForConnections(startTimeout) {
		ns.Shutdown()
		return nil, fmt.Errorf("bus: server on %s is not ready after %s (is the address in use, or %s not writable?)", o.Listen, startTimeout, o.Dir)
	}
	return &Server{nats: ns, auth: auth}, nil
}

// splitListen also finds out early whether the address can be had, since the server itself would only log that it cannot.
func splitListen(listen string) (host string, port int, err error) {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return "", 0, fmt.Errorf("bus: %w", err)
	}
	defer l.Close()
	host, p, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return "", 0, fmt.Errorf("bus: listen address %q: %w", listen, err)
	}
	port, err = strconv.Atoi(p)
	return host, port, err
}

// Addr is where sensors connect.
func (s *Server) Addr() string { return s.nats.Addr().String() }

// NetAddr is Addr as an address.
func (s *Server) NetAddr() net.Addr { return s.nats.Addr() }

// Connect opens the collector's own connection, inside the process and with every permission.
func (s *Server) Connect(opts ...nats.Option) (*nats.Conn, error) {
	opts = append([]nats.Option{
		nats.Name("collector"),
		nats.InProcessServer(s.nats),
		nats.Nkey(s.auth.public, s.auth.sign),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(100 * time.Millisecond),
	}, opts...)
	nc, err := nats.Connect("", opts...)
	if err != nil {
		return nil, fmt.Errorf("bus: connect to the embedded server: %w", err)
	}
	return nc, nil
}

// Expel closes the connections that were made with a key or a certificate that no longer lets anybody in.
func (s *Server) Expel() error {
	conns, err := s.nats.Connz(&server.ConnzOptions{Username: true, Limit: maxConnections})
	if err != nil {
		return fmt.Errorf("bus: list connections: %w", err)
	}
	var errs []error
	for _, c := range conns.Conns {
		key := nkeys.IsValidPublicUserKey(c.AuthorizedUser)
		if key && !s.auth.knows(c.AuthorizedUser) || !key && len(c.TLSPeerCerts) > 0 && !s.auth.stillGood(c.TLSPeerCerts[0].CertSha256) {
			errs = append(errs, s.nats.DisconnectClientByID(c.Cid))
		}
	}
	return errors.Join(errs...)
}

// Connections is the number of clients, the collector's own included.
func (s *Server) Connections() int { return s.nats.NumClients() }

// Shutdown stops the server and waits until its files are closed.
func (s *Server) Shutdown() {
	s.nats.Shutdown()
	s.nats.WaitForShutdown()
}

// natsLog turns the server's lines into log records. Its notices are of interest to nobody who uses Weir.
type natsLog struct{ log *slog.Logger }

func (l natsLog) Noticef(f string, v ...any) { l.log.Debug(fmt.Sprintf(f, v...)) }
func (l natsLog) Debugf(string, ...any)      {}
func (l natsLog) Tracef(string, ...any)      {}
func (l natsLog) Warnf(f string, v ...any)   { l.log.Warn(fmt.Sprintf(f, v...)) }
func (l natsLog) Errorf(f string, v ...any)  { l.log.Error(fmt.Sprintf(f, v...)) }

// Fatalf logs only: Start notices that the server is not ready.
func (l natsLog) Fatalf(f string, v ...any) { l.log.Error(fmt.Sprintf(f, v...)) }

// sign answers the server's challenge with the collector's own key.
func signer(pair nkeys.KeyPair) func([]byte) ([]byte, error) {
	return func(nonce []byte) ([]byte, error) { return pair.Sign(nonce) }
}
