package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/weir-ips/weir/internal/collector/identity"
)

// Approvals is what waits for a second person.
type Approvals interface {
	Waiting() []Approval
	// Approve carries out what waits, in the names of both. *Refused if by is who asked for it.
	Approve(ctx context.Context, id, by string) (Approval, error)
	// Decline drops it.
	Decline(ctx context.Context, id, by string) (Approval, error)
}

// Approval is something that one person has asked for and another must agree to.
type Approval struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind"`    // verdict, never-block.add, never-block.remove, kill-switch
	Class     string    `json:"class"`   // why one person is not enough: a class of approvals.classes in collector.yaml
	Summary   string    `json:"summary"` // in words
	By        string    `json:"by"`
	At        time.Time `json:"at"`
	ExpiresAt time.Time `json:"expires_at"` // it is dropped if nobody has agreed by then

	Verdict *VerdictStatus `json:"verdict,omitempty"` // for kind verdict; once approved, what is in force
	Prefix  netip.Prefix   `json:"prefix,omitzero"`   // for never-block
	Reason  string         `json:"reason,omitempty"`
	Scopes  []string       `json:"scopes,omitempty"`  // for kill-switch
	Origins []string       `json:"origins,omitempty"` // likewise
	Rules   []uint32       `json:"rules,omitempty"`   // likewise
	TTL     int64          `json:"ttl_seconds,omitempty"`
}

// Awaiting is the error of what is kept until a second person agrees; it is answered as 202.
type Awaiting struct{ Approval }

func (a *Awaiting) Error() string {
	return fmt.Sprintf("%s waits for a second person (%s)", a.Summary, a.Class)
}

// orWait answers 202 where err says that something waits.
func (s *Server) orWait(w http.ResponseWriter, r *http.Request, err error) error {
	var wait *Awaiting
	if !errors.As(err, &wait) {
		return err
	}
	if err := s.record(r, "approval.ask", wait.ID, map[string]any{"after": wait.Approval}); err != nil {
		return err
	}
	w.Header().Set("Location", prefix+"/approvals")
	return writeJSON(w, http.StatusAccepted, wait.Approval)
}

func (s *Server) listApprovals(w http.ResponseWriter, r *http.Request) error {
	if err := query(r).err(); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]any{"approvals": orEmpty(s.opt.Approvals.Waiting())})
}

// mayApprove refuses tokens, which are nobody, and who has asked by a token of his own.
func (s *Server) mayApprove(r *http.Request, id string) error {
	who := caller(r)
	if who.Kind == identity.KindToken {
		return fmt.Errorf("%w: a second person must agree, and a token is none", errMayNot)
	}
	own, err := s.opt.Identity.Tokens(r.Context(), who.Name)
	if err != nil {
		return err
	}
	for _, a := range s.opt.Approvals.Waiting() {
		if a.ID == id && slices.ContainsFunc(own, func(t identity.Token) bool { return "token:"+t.Name == a.By }) {
			return &Refused{Reason: "your own token has asked for it: somebody else must agree"}
		}
	}
	return nil
}

// maxNote bounds what somebody writes to a decision about another's order, in bytes.
const maxNote = 500

func noteOf(text string) (string, error) {
	if text = strings.TrimSpace(text); len(text) > maxNote {
		return "", invalid("note", fmt.Sprintf("longer than %d bytes", maxNote))
	}
	return text, nil
}

func (s *Server) approve(w http.ResponseWriter, r *http.Request) error {
	var q struct {
		Note string `json:"note"`
	}
	if err := readOptionalJSON(r, &q); err != nil {
		return err
	}
	note, err := noteOf(q.Note)
	if err != nil {
		return err
	}
	if err := s.mayApprove(r, r.PathValue("id")); err != nil {
		return err
	}
	done, err := s.opt.Approvals.Approve(r.Context(), r.PathValue("id"), s.actor(r))
	if err != nil {
		return err
	}
	if err := s.record(r, "approval.approve", done.ID, map[string]any{"after": done, "note": note}); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, done)
}

func (s *Server) decline(w http.ResponseWriter, r *http.Request) error {
	p := query(r, "note")
	if err := p.err(); err != nil {
		return err
	}
	note, err := noteOf(p.values.Get("note"))
	if err != nil {
		return err
	}
	was, err := s.opt.Approvals.Decline(r.Context(), r.PathValue("id"), s.actor(r))
	if err != nil {
		return err
	}
	if err := s.record(r, "approval.decline", was.ID, map[string]any{"before": was, "note": note}); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
