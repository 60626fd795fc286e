package keyword

import (
	"fmt"
	"strings"
	"time"

	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/tls"
	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

// certTimes are the forms of a point in time, in UTC; what is left out is its beginning.
var certTimes = [...]string{"2006", "2006-01", "2006-01-02", "2006-01-02 15", "2006-01-02 15:04", "2006-01-02 15:04:05",
	"2006-01-02T15", "2006-01-02T15:04", "2006-01-02T15:04:05"}

func parseCertTime(s string) (uint64, error) {
	s = strings.TrimSpace(s)
	for _, form := range certTimes {
		if t, err := time.Parse(form, s); err == nil && t.Unix() >= 0 {
			return uint64(t.Unix()), nil
		}
	}
	return 0, fmt.Errorf("%q is not a time such as 2024, 2024-05-01 or 2024-05-01T10:20:30", s)
}

// parseCertRange reads a point in time, < or > one, or A<>B. Ends belong to it, as in Suricata.
func parseCertRange(arg string) (compare, error) {
	arg = strings.TrimSpace(strings.Trim(strings.TrimSpace(arg), `"`))
	if from, to, ok := strings.Cut(arg, "<>"); ok {
		a, err := parseCertTime(from)
		if err != nil {
			return compare{}, err
		}
		b, err := parseCertTime(to)
		if err == nil && b <= a {
			err = fmt.Errorf("%s does not come after %s", to, from)
		}
		return compare{op: opBetween, a: max(a, 1) - 1, b: b + 1}, err
	}
	op := opEqual
	switch rest := strings.TrimLeft(arg, "<>"); {
	case len(arg)-len(rest) > 1:
	case strings.HasPrefix(arg, "<"):
		op, arg = opLessEqual, rest
	case strings.HasPrefix(arg, ">"):
		op, arg = opGreaterEqual, rest
	}
	n, err := parseCertTime(arg)
	return compare{op: op, a: n}, err
}

func certTime(name, doc string, get func(*tls.Certificate) int64) Keyword {
	sources := []valueSource{{app.TLS, app.ToClient, tls.ServerCertDone, func(tx app.Tx, i int) (uint64, bool) {
		h := tlsSide(tx, app.ToClient)
		if i > 0 || h.Leaf == nil || get(h.Leaf) < 0 {
			return 0, false
		}
		return uint64(get(h.Leaf)), true
	}}}
	return Keyword{Name: name, Family: FamilyPacket, Arg: "[<|>]TIME or TIME<>TIME", Doc: doc, setup: func(c *compiler, o *syntax.Option) error {
		t, err := parseCertRange(o.Value)
		if err != nil {
			return err
		}
		return c.values(name, sources, t.holds)
	}}
}

var (
	tlsNotBefore = certTime("tls_cert_notbefore", "when the certificate's time begins, UTC", func(l *tls.Certificate) int64 { return l.NotBefore }).or("tls.cert_notbefore")
	tlsNotAfter  = certTime("tls_cert_notafter", "when the certificate's time ends, UTC", func(l *tls.Certificate) int64 { return l.NotAfter }).or("tls.cert_notafter")
)
