package feeds

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// outward is a client that goes nowhere near a host's own services: whoever may name a feed's address must not make the collector ask for
// an instance's credentials. Redirects and names lead through the same check.
func outward() *http.Client {
	d := &net.Dialer{Timeout: 10 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("feeds: %s: %w", address, err)
		}
		if a := to.Addr().Unmap(); a.IsLinkLocalUnicast() || a.IsMulticast() || metadata6().Contains(a) {
			return fmt.Errorf("feeds: %s is link-local: lists do not come from there", a)
		}
		return nil
	}}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext = d.DialContext
	return &http.Client{Transport: t}
}

// metadata6 holds what AWS serves to instances over IPv6: metadata, time and names.
func metadata6() netip.Prefix { return netip.MustParsePrefix("fd00:ec2::/32") }
