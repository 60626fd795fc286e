package lab

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// HTTPServer answers every request with 200 and remembers what was asked, so that a test can tell what reached it.
type HTTPServer struct {
	Addr netip.AddrPort

	server *http.Server
	mu     sync.Mutex
	total  int
	lines  []string // request lines with the headers' values, newest last
	names  []string // by whom: source addresses, beside lines
}

const rememberRequests = 10_000

// StartHTTPServer serves HTTP at addr in the namespace.
func StartHTTPServer(n *Namespace, addr netip.AddrPort) (*HTTPServer, error) {
	l, err := n.Listen("tcp", addr.String())
	if err != nil {
		return nil, fmt.Errorf("lab: http server in %s: %w", n.Host, err)
	}
	s := &HTTPServer{Addr: addr}
	s.server = &http.Server{Handler: http.HandlerFunc(s.serve), ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10}
	go s.server.Serve(l)
	return s, nil
}

func (s *HTTPServer) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
	if err != nil {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", r.Method, r.RequestURI)
	for name, values := range r.Header {
		fmt.Fprintf(&b, "\n%s: %s", name, strings.Join(values, ", "))
	}
	fmt.Fprintf(&b, "\n\n%s", body)
	s.remember(b.String(), r.RemoteAddr)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.WriteString(w, "hello from behind the weir\n")
}

func (s *HTTPServer) remember(request, from string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total++
	if len(s.lines) == rememberRequests {
		s.lines, s.names = s.lines[1:], s.names[1:]
	}
	s.lines, s.names = append(s.lines, request), append(s.names, from)
}

// Requests is how many requests have arrived.
func (s *HTTPServer) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}

// Saw counts the remembered requests, of the last 10,000, whose line, headers or body contain text.
func (s *HTTPServer) Saw(text string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.lines {
		if strings.Contains(l, text) {
			n++
		}
	}
	return n
}

// SawFrom counts the remembered requests from a source address.
func (s *HTTPServer) SawFrom(ip netip.Addr) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range s.names {
		if ap, err := netip.ParseAddrPort(name); err == nil && ap.Addr().Unmap() == ip {
			n++
		}
	}
	return n
}

// Close stops the server and its connections.
func (s *HTTPServer) Close() error {
	if err := s.server.Close(); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("lab: http server: %w", err)
	}
	return nil
}
