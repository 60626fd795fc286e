package api

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Steering is what overrules verdicts. Its methods write the audit log themselves.
type Steering interface {
	KillSwitch() KillSwitch
	// Kill puts k in the place of the switch; with nothing in its lists, dropping resumes everywhere. The reason may be empty.
	Kill(ctx context.Context, k KillSwitch, by string) error
	NeverBlock() []Protected
	// Protect puts a prefix on the list and lifts what stops any of it.
	Protect(ctx context.Context, p Protected) (lifted int, err error)
	Unprotect(ctx context.Context, prefix netip.Prefix, by string) error
	// Rollback makes the verdicts in force those after log entry to.
	Rollback(ctx context.Context, to uint64, by string) (RolledBack, error)
	// Position is the last entry of the verdict log.
	Position() (epoch, seq uint64)
}

// KillSwitch says where nothing is dropped, and what stops nothing anywhere.
type KillSwitch struct {
	Scopes  []string  `json:"scopes"`  // all, sensors or groups
	Origins []string  `json:"origins"` // rule, flood, feed: their verdicts count and stop nothing
	Rules   []uint32  `json:"rules"`   // signatures, likewise
	Reason  string    `json:"reason,omitempty"`
	By      string    `json:"by,omitempty"`
	At      time.Time `json:"at,omitzero"`
}

// Protected is a prefix that is never blocked.
type Protected struct {
	Prefix netip.Prefix `json:"prefix"`
	Source string       `json:"source"` // configured (collector.yaml), added (while it runs), or sensor:<id> (found there)
	Reason string       `json:"reason"`
	By     string       `json:"by"`
	At     time.Time    `json:"at,omitzero"`
}

// RolledBack says what a rollback did, in verdicts.
type RolledBack struct {
	Removed  int    `json:"removed"`
	Restored int    `json:"restored"`
	Skipped  int    `json:"skipped"` // in force then, and not allowed now
	Seq      uint64 `json:"seq"`     // where the log stands
}

func (s *Server) getKillSwitch(w http.ResponseWriter, r *http.Request) error {
	if err := query(r).err(); err != nil {
		return err
	}
	k := s.opt.Steering.KillSwitch()
	k.Scopes, k.Origins, k.Rules = orEmpty(k.Scopes), orEmpty(k.Origins), orEmpty(k.Rules)
	return writeJSON(w, http.StatusOK, k)
}

func (s *Server) putKillSwitch(w http.ResponseWriter, r *http.Request) error {
	var q struct {
		Scopes  *[]string `json:"scopes"`
		Origins []string  `json:"origins"`
		Rules   []uint32  `json:"rules"`
		Reason  string    `json:"reason"`
	}
	if err := readJSON(r, &q); err != nil {
		return err
	}
	if q.Scopes == nil {
		return invalid("scopes", `where nothing is to be dropped: ["all"], sensors or groups; [] with no origins and rules switches it off`)
	}
	if q.Reason = strings.TrimSpace(q.Reason); len(q.Reason) > maxReason {
		return invalid("reason", fmt.Sprintf("longer than %d bytes", maxReason))
	}
	for _, o := range q.Origins {
		if !slices.Contains([]string{"rule", "flood", "feed"}, o) {
			return invalid("origins", fmt.Sprintf("%q is not one of rule, flood, feed", o))
		}
	}
	order := KillSwitch{Scopes: *q.Scopes, Origins: q.Origins, Rules: q.Rules, Reason: q.Reason}
	if err := s.opt.Steering.Kill(r.Context(), order, s.actor(r)); err != nil {
		return s.orWait(w, r, err)
	}
	return s.getKillSwitch(w, r)
}

func (s *Server) listNeverBlock(w http.ResponseWriter, r *http.Request) error {
	p := query(r, "address")
	address := p.prefix("address")
	if err := p.err(); err != nil {
		return err
	}
	all := []Protected{}
	for _, e := range s.opt.Steering.NeverBlock() {
		if !address.IsValid() || e.Prefix.Overlaps(address) {
			all = append(all, e)
		}
	}
	return writeJSON(w, http.StatusOK, map[string]any{"prefixes": all})
}

func (s *Server) addNeverBlock(w http.ResponseWriter, r *http.Request) error {
	var q struct {
		Prefix string `json:"prefix"`
		Reason string `json:"reason"`
	}
	if err := readJSON(r, &q); err != nil {
		return err
	}
	var p params
	prefix, err := parsePrefix(q.Prefix)
	if err != nil {
		p.bad("prefix", err.Error())
	}
	if q.Reason = strings.TrimSpace(q.Reason); q.Reason == "" || len(q.Reason) > maxReason {
		p.bad("reason", fmt.Sprintf("say why, in 1 to %d bytes: the list outlives memories", maxReason))
	}
	if err := p.err(); err != nil {
		return err
	}
	added := Protected{Prefix: prefix, Source: "added", Reason: q.Reason, By: s.actor(r), At: s.now().UTC()}
	lifted, err := s.opt.Steering.Protect(r.Context(), added)
	if err != nil {
		return s.orWait(w, r, err)
	}
	return writeJSON(w, http.StatusCreated, struct {
		Protected
		Lifted int `json:"lifted"`
	}{added, lifted})
}

func (s *Server) removeNeverBlock(w http.ResponseWriter, r *http.Request) error {
	p := query(r, "prefix")
	prefix := p.prefix("prefix")
	if err := p.err(); err != nil {
		return err
	}
	if !prefix.IsValid() {
		return invalid("prefix", "say which one to take off the list")
	}
	if err := s.opt.Steering.Unprotect(r.Context(), prefix, s.actor(r)); err != nil {
		return s.orWait(w, r, err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) rollback(w http.ResponseWriter, r *http.Request) error {
	var q struct {
		To *uint64 `json:"to"`
	}
	if err := readJSON(r, &q); err != nil {
		return err
	}
	if q.To == nil {
		return invalid("to", "seq of the last log entry that is to count")
	}
	done, err := s.opt.Steering.Rollback(r.Context(), *q.To, s.actor(r))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, done)
}
