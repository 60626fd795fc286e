package api

import (
	"errors"
	"net/http"
	"time"

	"github.com/weir-ips/weir/internal/collector/identity"
)

// sessionAnswer says who is signed in and how one signs in.
type sessionAnswer struct {
	SignedIn  bool            `json:"signed_in"`
	Name      string          `json:"name,omitempty"`
	Kind      string          `json:"kind,omitempty"`
	Roles     []identity.Role `json:"roles"`
	May       []identity.Role `json:"may"` // every role whose rights the roles include
	ID        string          `json:"id,omitempty"`
	ExpiresAt time.Time       `json:"expires_at,omitzero"`
	Open      bool            `json:"open"`               // nobody needs to sign in yet: there is no account, and only this machine can ask
	Warning   string          `json:"warning,omitempty"`  // to be shown while open
	Setup     bool            `json:"setup"`              // there is no account: the first-run link makes one
	Provider  string          `json:"provider,omitempty"` // name of the OpenID provider that also signs people in, at /login/oidc
}

const openWarning = "Nobody has an account yet, so everybody on this machine may do everything here. Open the first-run link that the collector printed, or make one with `collector user invite`."

func (s *Server) sessionOf(r *http.Request, p *identity.Principal) (sessionAnswer, error) {
	a := sessionAnswer{
		SignedIn: p.Name != "", Name: p.Name, Kind: p.Kind, Roles: orEmpty(p.Roles), May: []identity.Role{}, ID: p.Session, ExpiresAt: p.Expires,
		Open: p.Kind == identity.KindOpen,
	}
	for _, role := range identity.Roles() {
		if p.May(role) {
			a.May = append(a.May, role)
		}
	}
	if a.Open {
		a.Warning = openWarning
	}
	if s.opt.Provider != nil {
		a.Provider = s.opt.Provider.Name()
	}
	var err error
	a.Setup, err = s.opt.Identity.Empty(r.Context())
	return a, err
}

func (s *Server) getSession(w http.ResponseWriter, r *http.Request) error {
	a, err := s.sessionOf(r, caller(r))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, a)
}

func (s *Server) signIn(w http.ResponseWriter, r *http.Request) error {
	var q struct {
		Name     string `json:"name"`
		Password string `json:"password"`
	}
	if err := readJSON(r, &q); err != nil {
		return err
	}
	p, err := s.login(w, r, q.Name, q.Password)
	if err != nil {
		return err
	}
	a, err := s.sessionOf(r, &p)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, a)
}

// login begins a session and hands its cookie over. Failures are recorded too, as far as the limiter lets anybody try.
func (s *Server) login(w http.ResponseWriter, r *http.Request, name, password string) (identity.Principal, error) {
	secret, p, err := s.opt.Identity.Login(r.Context(), name, password, originOf(r))
	switch {
	case errors.Is(err, identity.ErrDenied):
		return p, errors.Join(err, s.recordAs(r, "anonymous", "session.refuse", shorten(name), nil))
	case err != nil:
		return p, err
	}
	setCookie(w, r, secret)
	return p, s.recordAs(r, p.Name, "session.begin", p.Session, map[string]any{"kind": p.Kind})
}

func (s *Server) signOut(w http.ResponseWriter, r *http.Request) error {
	setCookie(w, r, "")
	if p := caller(r); p.Session != "" {
		if err := s.opt.Identity.EndSession(r.Context(), p.Session, ""); err != nil && !errors.Is(err, identity.ErrNotFound) {
			return err
		}
		if err := s.record(r, "session.end", p.Session, nil); err != nil {
			return err
		}
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// acceptInvitation is how somebody chooses a password: the first account's, or the one that the link is for.
func (s *Server) acceptInvitation(w http.ResponseWriter, r *http.Request) error {
	var q struct {
		Invitation string `json:"invitation"`
		Name       string `json:"name"`
		Password   string `json:"password"`
	}
	if err := readJSON(r, &q); err != nil {
		return err
	}
	p, err := s.accept(w, r, q.Invitation, q.Name, q.Password)
	if err != nil {
		return err
	}
	a, err := s.sessionOf(r, &p)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusCreated, a)
}

func (s *Server) accept(w http.ResponseWriter, r *http.Request, invitation, name, password string) (identity.Principal, error) {
	u, err := s.opt.Identity.Accept(r.Context(), invitation, name, password)
	if err != nil {
		return identity.Principal{}, err
	}
	if err := s.recordAs(r, u.Name, "user.accept", u.Name, map[string]any{"after": u}); err != nil {
		return identity.Principal{}, err
	}
	return s.login(w, r, u.Name, password)
}

func (s *Server) changePassword(w http.ResponseWriter, r *http.Request) error {
	var q struct {
		Old string `json:"old"`
		New string `json:"new"`
	}
	if err := readJSON(r, &q); err != nil {
		return err
	}
	p := caller(r)
	if p.Kind != identity.KindLocal {
		return &Refused{"only who has signed in with a password can change it"}
	}
	if err := s.opt.Identity.SetPassword(r.Context(), p.Name, q.Old, q.New, p.Session); err != nil {
		if errors.Is(err, identity.ErrDenied) {
			return invalid("old", "is not your password")
		}
		return err
	}
	if err := s.record(r, "user.password", p.Name, nil); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// mine is the name that a list is narrowed to: an admin may see everybody's.
func mine(r *http.Request, all bool) (string, error) {
	p := caller(r)
	if all && !p.May(identity.Admin) {
		return "", errMayNot
	}
	if all {
		return "", nil
	}
	return p.Name, nil
}

func (s *Server) listSessions(w http.ResponseWriter, r *http.Request) error {
	p := query(r, "all")
	all := p.flag("all")
	if err := p.err(); err != nil {
		return err
	}
	name, err := mine(r, all)
	if err != nil {
		return err
	}
	sessions, err := s.opt.Identity.Sessions(r.Context(), name)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]any{"sessions": sessions})
}

func (s *Server) endSession(w http.ResponseWriter, r *http.Request) error {
	name, err := mine(r, caller(r).May(identity.Admin))
	if err != nil {
		return err
	}
	if err := s.opt.Identity.EndSession(r.Context(), r.PathValue("id"), name); err != nil {
		return err
	}
	if err := s.record(r, "session.end", r.PathValue("id"), nil); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
