package enrol

import (
	"crypto/tls"
	"net"
	"os"
	"sync"
)

// Console is the configuration of a web server whose certificate the CA signs and renews: for this machine's name, loopback, and
// names, which may be addresses. Browsers trust it once they trust the CA.
func (ca *CA) Console(names ...string) *tls.Config {
	dns, addrs := []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	if host, err := os.Hostname(); err == nil && host != "localhost" {
		dns = append([]string{host}, dns...)
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			addrs = append(addrs, ip)
		} else if n != "" {
			dns = append([]string{n}, dns...)
		}
	}
	var mu sync.Mutex
	var have *tls.Certificate
	return &tls.Config{MinVersion: tls.VersionTLS13, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		mu.Lock()
		defer mu.Unlock()
		if have != nil && ca.now().Before(have.Leaf.NotAfter.Add(-serverLife/3)) {
			return have, nil
		}
		c, err := ca.serverFor(dns, addrs)
		if err != nil {
			return nil, err
		}
		have = c
		return c, nil
	}}
}
