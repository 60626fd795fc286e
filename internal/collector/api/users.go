package api

import (
	"fmt"
	"net/http"
	"time"

	"github.com/weir-ips/weir/internal/collector/identity"
)

func (s *Server) listUsers(w http.ResponseWriter, r *http.Request) error {
	if err := query(r).err(); err != nil {
		return err
	}
	all, err := s.opt.Identity.Users(r.Context())
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]any{"users": all})
}

// invitation is the link that an account's owner chooses a password by.
type invitation struct {
	User      identity.User `json:"user"`
	Link      string        `json:"link"` // path on this host
	ExpiresAt time.Time     `json:"expires_at"`
}

func (s *Server) addUser(w http.ResponseWriter, r *http.Request) error {
	var q struct {
		Name  string   `json:"name"`
		Roles []string `json:"roles"`
	}
	if err := readJSON(r, &q); err != nil {
		return err
	}
	roles, err := readRoles(q.Roles)
	if err != nil {
		return err
	}
	u, err := s.opt.Identity.AddUser(r.Context(), q.Name, roles, s.actor(r))
	if err != nil {
		return err
	}
	if err := s.record(r, "user.add", u.Name, map[string]any{"after": u}); err != nil {
		return err
	}
	w.Header().Set("Location", prefix+"/users/"+u.Name)
	return s.invite(w, r, u, http.StatusCreated)
}

func readRoles(names []string) ([]identity.Role, error) {
	roles, err := identity.ParseRoles(names)
	if err != nil {
		return nil, invalid("roles", err.Error())
	}
	return roles, nil
}

func (s *Server) invite(w http.ResponseWriter, r *http.Request, u identity.User, status int) error {
	secret, expires, err := s.opt.Identity.Invite(r.Context(), u.Name)
	if err != nil {
		return err
	}
	return writeJSON(w, status, invitation{u, InvitePath(secret), expires})
}

// InvitePath is the page on which an invitation is used.
func InvitePath(secret string) string { return "/invite?link=" + secret }

func (s *Server) inviteUser(w http.ResponseWriter, r *http.Request) error {
	u, err := s.opt.Identity.User(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	if err := s.record(r, "user.invite", u.Name, nil); err != nil {
		return err
	}
	return s.invite(w, r, u, http.StatusCreated)
}

func (s *Server) changeUser(w http.ResponseWriter, r *http.Request) error {
	var q struct {
		Roles []string `json:"roles"`
		State string   `json:"state"` // active or disabled
	}
	if err := readJSON(r, &q); err != nil {
		return err
	}
	var c identity.UserChange
	if q.Roles != nil {
		roles, err := readRoles(q.Roles)
		if err != nil {
			return err
		}
		c.Roles = &roles
	}
	switch q.State {
	case "":
	case identity.StateActive, identity.StateDisabled:
		active := q.State == identity.StateActive
		c.Active = &active
	default:
		return invalid("state", fmt.Sprintf("%q is not one of active, disabled", q.State))
	}
	if c == (identity.UserChange{}) {
		return invalid("roles", "nothing is changed: give roles or state")
	}
	was, is, err := s.opt.Identity.ChangeUser(r.Context(), r.PathValue("name"), c)
	if err != nil {
		return err
	}
	if err := s.record(r, "user.change", is.Name, map[string]any{"before": was, "after": is}); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, is)
}

func (s *Server) removeUser(w http.ResponseWriter, r *http.Request) error {
	was, err := s.opt.Identity.RemoveUser(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	if err := s.record(r, "user.remove", was.Name, map[string]any{"before": was}); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) listTokens(w http.ResponseWriter, r *http.Request) error {
	p := query(r, "all")
	all := p.flag("all")
	if err := p.err(); err != nil {
		return err
	}
	owner, err := mine(r, all)
	if err != nil {
		return err
	}
	tokens, err := s.opt.Identity.Tokens(r.Context(), owner)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]any{"tokens": tokens})
}

// addToken makes a token that may no more than who asks for it. A token cannot make others: what it was given for would outlive it.
func (s *Server) addToken(w http.ResponseWriter, r *http.Request) error {
	var q struct {
		Name       string   `json:"name"`
		Roles      []string `json:"roles"`
		TTLSeconds int64    `json:"ttl_seconds"`
	}
	if err := readJSON(r, &q); err != nil {
		return err
	}
	roles, err := readRoles(q.Roles)
	if err != nil {
		return err
	}
	who := caller(r)
	if who.Kind == identity.KindToken {
		return fmt.Errorf("%w: a token cannot make tokens", errMayNot)
	}
	for _, role := range roles {
		if !who.May(role) {
			return fmt.Errorf("%w: you have not the role %s yourself", errMayNot, role)
		}
	}
	if q.TTLSeconds < 60 || q.TTLSeconds > int64(identity.MaxTokenLife/time.Second) {
		return invalid("ttl_seconds", fmt.Sprintf("from 60 to %d", int64(identity.MaxTokenLife/time.Second)))
	}
	text, t, err := s.opt.Identity.CreateToken(r.Context(), q.Name, roles, time.Duration(q.TTLSeconds)*time.Second, who.Name)
	if err != nil {
		return err
	}
	if err := s.record(r, "token.add", t.Name, map[string]any{"after": t}); err != nil {
		return err
	}
	return writeJSON(w, http.StatusCreated, struct {
		identity.Token
		Text string `json:"token"` // shown once
	}{t, text})
}

func (s *Server) removeToken(w http.ResponseWriter, r *http.Request) error {
	owner, err := mine(r, caller(r).May(identity.Admin))
	if err != nil {
		return err
	}
	was, err := s.opt.Identity.RevokeToken(r.Context(), r.PathValue("id"), owner)
	if err != nil {
		return err
	}
	if err := s.record(r, "token.remove", was.Name, map[string]any{"before": was}); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
