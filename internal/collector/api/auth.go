package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/weir-ips/weir/internal/collector/identity"
)

// anyone marks routes that need no sign-in.
const anyone identity.Role = ""

var (
	errSignIn = errors.New("sign in, or send an API token")
	errMayNot = errors.New("not allowed")
)

type callerKey struct{}

// caller is who makes the request; on routes for anyone it may be nobody, with an empty name.
func caller(r *http.Request) *identity.Principal {
	p, _ := r.Context().Value(callerKey{}).(*identity.Principal)
	if p == nil {
		return &identity.Principal{}
	}
	return p
}

// actor is who changes are recorded under.
func (s *Server) actor(r *http.Request) string { return caller(r).Actor() }

type originKey struct{}

// OriginOf is the address that the request behind ctx came from, for the audit log; "" without a request.
func OriginOf(ctx context.Context) string {
	origin, _ := ctx.Value(originKey{}).(string)
	return origin
}

// admit finds out who calls and whether they may do what asks for role.
func (s *Server) admit(r *http.Request, role identity.Role) (*http.Request, error) {
	who, err := s.authenticate(r)
	if err != nil && (role != anyone || !errors.Is(err, errSignIn)) {
		return nil, err
	}
	if role != anyone && !who.May(role) {
		s.metrics.refused.Inc()
		return nil, fmt.Errorf("%w: this needs the role %s; %s has %v", errMayNot, role, who.Actor(), who.Roles)
	}
	ctx := context.WithValue(r.Context(), originKey{}, r.RemoteAddr)
	return r.WithContext(context.WithValue(ctx, callerKey{}, who)), nil
}

// authenticate tries, in this order: API token, session, client certificate. Who has none of them is let in only while nobody
// has an account and only this machine can ask.
func (s *Server) authenticate(r *http.Request) (*identity.Principal, error) {
	book := s.opt.Identity
	if text := r.Header.Get("Authorization"); text != "" {
		kind, token, _ := strings.Cut(text, " ")
		if !strings.EqualFold(kind, "Bearer") {
			return nil, fmt.Errorf("%w: Authorization is Bearer and a token", errSignIn)
		}
		return orSignIn(book.Bearer(r.Context(), strings.TrimSpace(token), remoteIP(r)))
	}
	if c, err := r.Cookie(cookieName(r)); err == nil {
		p, err := orSignIn(book.Resume(r.Context(), c.Value))
		if !errors.Is(err, errSignIn) {
			return p, err
		}
	}
	if name := certified(r); name != "" {
		u, err := book.User(r.Context(), name)
		if errors.Is(err, identity.ErrNotFound) || err == nil && u.State == identity.StateDisabled {
			return nil, fmt.Errorf("%w: the certificate of %q is good, but nobody of that name has an active account", errSignIn, name)
		}
		return &identity.Principal{Name: u.Name, Kind: identity.KindCertificate, Roles: u.Roles}, err
	}
	open, err := s.open(r)
	if err != nil || !open {
		return nil, errors.Join(err, errSignIn)
	}
	return &identity.Principal{Name: s.opt.User, Kind: identity.KindOpen, Roles: []identity.Role{identity.Admin}}, nil
}

// open reports whether the caller need not sign in yet. Who comes through a proxy, or by a name that somebody made to point to
// this machine, is not somebody on this machine.
func (s *Server) open(r *http.Request) (bool, error) {
	relayed := r.Header.Get("Forwarded") != "" || r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Via") != ""
	if !s.opt.Open || s.opt.Provider != nil || relayed || !isLoopback(r.Host) {
		return false, nil
	}
	return s.opt.Identity.Empty(r.Context())
}

func orSignIn(p identity.Principal, err error) (*identity.Principal, error) {
	if errors.Is(err, identity.ErrDenied) {
		return nil, fmt.Errorf("%w: %w", errSignIn, err)
	}
	return &p, err
}

// certified is the common name of a client certificate that TLS has verified.
func certified(r *http.Request) string {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return ""
	}
	return r.TLS.PeerCertificates[0].Subject.CommonName
}

func remoteIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

func originOf(r *http.Request) identity.Origin {
	return identity.Origin{Remote: remoteIP(r), Agent: r.UserAgent()}
}

// cookieName has over TLS the prefix by which browsers keep it from other hosts and from plain HTTP.
func cookieName(r *http.Request) string {
	if r.TLS != nil {
		return "__Host-weir"
	}
	return "weir"
}

// setCookie hands a session to a browser: not to scripts, and not with requests that other sites cause. An empty secret takes
// it back.
func setCookie(w http.ResponseWriter, r *http.Request, secret string) {
	c := &http.Cookie{Name: cookieName(r), Value: secret, Path: "/", HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode}
	if secret == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// guarded serves h, which is outside the API, to those who have role.
func (s *Server) guarded(role identity.Role, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		admitted, err := s.admit(r, role)
		if err != nil {
			s.fail(&recorder{ResponseWriter: w}, r, err)
			return
		}
		h.ServeHTTP(w, admitted)
	})
}
