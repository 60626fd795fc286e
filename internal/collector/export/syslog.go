package export

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// syslog sends RFC 5424 messages: over UDP one a datagram (RFC 5426), over TCP and TLS with their length before them
// (RFC 6587 §3.4.1, RFC 5425).
type syslog struct {
	encoder
	network, address string
	secure           *tls.Config
	host             string

	conn net.Conn
}

func openSyslog(c *Config, version string) (Sink, error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, err
	}
	s := &syslog{encoder: encoder{c.Format, version}, network: u.Scheme, address: u.Host, host: hostname()}
	if u.Scheme == "tls" {
		s.network = "tcp"
		if s.secure, err = c.TLS.client(); err != nil {
			return nil, err
		}
		s.secure.ServerName = u.Hostname()
	}
	return s, nil
}

// hostname is RFC 5424's HOSTNAME: printable ASCII, at most 255 bytes, - for none.
func hostname() string {
	h, err := os.Hostname()
	if err != nil || h == "" || len(h) > 255 || strings.ContainsFunc(h, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "-"
	}
	return h
}

// maxDatagram is what every receiver on IPv6 and most elsewhere take, in bytes (RFC 5426 §3.2).
const maxDatagram = 8192

// Send implements Sink. What TCP has taken may be lost when the receiver dies: syslog acknowledges nothing.
func (s *syslog) Send(ctx context.Context, events []Event) error {
	if err := s.dial(ctx); err != nil {
		return err
	}
	var stream []byte
	for i := range events {
		lines, err := s.encode(&events[i])
		if err != nil {
			return fmt.Errorf("%w: %w", ErrRefused, err)
		}
		for _, line := range lines {
			msg := s.message(&events[i], line)
			if s.network != "udp" {
				stream = append(append(strconv.AppendInt(stream, int64(len(msg)), 10), ' '), msg...)
			} else if _, err := s.conn.Write(msg[:min(len(msg), maxDatagram)]); err != nil {
				return s.hangUp(err)
			}
		}
	}
	if len(stream) == 0 {
		return nil
	}
	if end, ok := ctx.Deadline(); ok {
		s.conn.SetWriteDeadline(end)
	}
	if _, err := s.conn.Write(stream); err != nil {
		return s.hangUp(err)
	}
	return nil
}

// dial connects unless there is a connection, which the receiver may have closed since.
func (s *syslog) dial(ctx context.Context) (err error) {
	if s.conn != nil && s.network == "tcp" && closed(s.conn) {
		s.hangUp(nil)
	}
	if s.conn != nil {
		return nil
	}
	d := net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	if s.secure != nil {
		s.conn, err = (&tls.Dialer{NetDialer: &d, Config: s.secure}).DialContext(ctx, s.network, s.address)
	} else {
		s.conn, err = d.DialContext(ctx, s.network, s.address)
	}
	if err != nil {
		s.conn = nil
	}
	return err
}

// closed finds out whether the other side has hung up; a receiver of syslog says nothing otherwise.
func closed(c net.Conn) bool {
	c.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := c.Read(make([]byte, 1))
	c.SetReadDeadline(time.Time{})
	timeout, ok := err.(net.Error)
	return err != nil && !(ok && timeout.Timeout())
}

func (s *syslog) hangUp(err error) error {
	if s.conn != nil {
		s.conn.Close()
	}
	s.conn = nil
	return err
}

// facility is local0; severities are RFC 5424's.
const facility = 16

// message is <PRI>1 TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA BOM MSG.
func (s *syslog) message(e *Event, line []byte) []byte {
	b := make([]byte, 0, len(line)+128)
	b = fmt.Appendf(b, "<%d>1 %s %s weir-collector %d %s - \ufeff", facility*8+syslogSeverity(e.Severity()),
		e.Time().UTC().Format("2006-01-02T15:04:05.000000Z"), s.host, os.Getpid(), e.Kind)
	return append(b, line...)
}

// syslogSeverity makes Suricata's worst a critical (2) and its least an informational (6).
func syslogSeverity(s uint8) int {
	switch s {
	case 1:
		return 2
	case 2:
		return 4
	case 3:
		return 5
	}
	return 6
}

// Close implements Sink.
func (s *syslog) Close() error {
	if s.conn == nil {
		return nil
	}
	return s.conn.Close()
}
