package api

import (
	"errors"
	"net/http"
	"time"

	"github.com/weir-ips/weir/internal/collector/identity"
)

// CallbackPath is where the OpenID provider sends people back to.
const CallbackPath = "/login/oidc/callback"

// stateLife is how long somebody may take at the provider.
const stateLife = 10 * time.Minute

func stateCookie(r *http.Request) string {
	if r.TLS != nil {
		return "__Secure-weir-oidc"
	}
	return "weir-oidc"
}

// toProvider sends the browser to the OpenID provider. What the answer must match is in a cookie that only the way back gets.
func (s *Server) toProvider(w http.ResponseWriter, r *http.Request) error {
	if s.opt.Provider == nil {
		return ErrNotFound
	}
	attempt, err := s.opt.Provider.Begin(r.Context())
	if err != nil {
		return s.providerFailed(w, err)
	}
	http.SetCookie(w, &http.Cookie{
		Name: stateCookie(r), Value: attempt.Secret, Path: CallbackPath, MaxAge: int(stateLife / time.Second), HttpOnly: true, Secure: r.TLS != nil,
		SameSite: http.SameSiteLaxMode, // the way back begins at the provider's site
	})
	http.Redirect(w, r, attempt.URL, http.StatusSeeOther)
	return nil
}

func (s *Server) fromProvider(w http.ResponseWriter, r *http.Request) error {
	if s.opt.Provider == nil {
		return ErrNotFound
	}
	secret := ""
	if c, err := r.Cookie(stateCookie(r)); err == nil {
		secret = c.Value
	}
	http.SetCookie(w, &http.Cookie{Name: stateCookie(r), Path: CallbackPath, MaxAge: -1, HttpOnly: true, Secure: r.TLS != nil})
	p, err := s.opt.Provider.Finish(r.Context(), secret, r.URL.Query())
	if err != nil {
		return s.providerFailed(w, errors.Join(err, s.recordAs(r, "anonymous", "session.refuse", "oidc", map[string]any{"why": err.Error()})))
	}
	session, p, err := s.opt.Identity.Begin(r.Context(), p, originOf(r))
	if err != nil {
		return s.providerFailed(w, err)
	}
	setCookie(w, r, session)
	if err := s.recordAs(r, p.Name, "session.begin", p.Session, map[string]any{"kind": p.Kind, "roles": p.Roles}); err != nil {
		return err
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

// providerFailed shows what is the caller's to know; the rest is logged.
func (s *Server) providerFailed(w http.ResponseWriter, err error) error {
	s.opt.Log.Warn("sign-in by OpenID failed", "error", err)
	status, text := http.StatusBadGateway, "The provider could not be asked. The collector's log says more."
	if errors.Is(err, identity.ErrDenied) || errors.Is(err, identity.ErrRefused) {
		status, text = http.StatusForbidden, "The provider's answer does not let you in: "+err.Error()
	}
	return s.show(w, status, signinPage{Title: "Sign in", Problem: text})
}
