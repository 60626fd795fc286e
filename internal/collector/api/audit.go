package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/weir-ips/weir/internal/collector/store"
)

var errUnrecorded = errors.New("change not recorded in the audit log")

// record puts a change that was made into the audit log.
func (s *Server) record(r *http.Request, action, object string, detail any) error {
	return s.recordAs(r, s.actor(r), action, object, detail)
}

// recordAs is record under another name than the caller's.
func (s *Server) recordAs(r *http.Request, actor, action, object string, detail any) error {
	if detail == nil {
		detail = struct{}{}
	}
	text, err := json.Marshal(detail)
	if err != nil {
		return fmt.Errorf("%w: %s %s: %w", errUnrecorded, action, object, err)
	}
	_, err = s.opt.Audit.Append(r.Context(), store.Entry{
		Actor: actor, Action: action, Object: object, Remote: r.RemoteAddr, Detail: text,
	})
	if err != nil {
		s.metrics.unrecorded.Inc()
		return fmt.Errorf("%w: %s %s: %w", errUnrecorded, action, object, err)
	}
	return nil
}

// shorten bounds what strangers can put into the audit log.
func shorten(text string) string {
	if len(text) > maxParam {
		return text[:maxParam] + "…"
	}
	return text
}

func (s *Server) listAudit(w http.ResponseWriter, r *http.Request) error {
	now := time.Now().UTC()
	p := query(r, "actor", "action", "object", "q", "since", "until", "before", "limit")
	f := store.AuditFilter{
		Text: p.text("q"), Since: p.moment("since", now), Until: p.moment("until", now),
		Actor: p.text("actor"), Action: p.text("action"), Object: p.text("object"),
		Before: uint64(p.number("before", 1, 1<<62, 0)), Limit: int(p.number("limit", 1, store.MaxLimit, 100)),
	}
	if err := p.err(); err != nil {
		return err
	}
	entries, err := s.opt.Audit.List(r.Context(), f)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, map[string]any{"entries": orEmpty(entries)})
}

func (s *Server) listSensors(w http.ResponseWriter, r *http.Request) error {
	if err := query(r).err(); err != nil {
		return err
	}
	all, err := s.opt.Sensors.List(r.Context())
	if err != nil {
		return err
	}
	for i := range all {
		if all[i].Drops == nil {
			all[i].Drops = map[string]uint64{}
		}
		if all[i].Counters == nil {
			all[i].Counters = map[string]uint64{}
		}
		if all[i].Maps == nil {
			all[i].Maps = map[string]MapFill{}
		}
		if all[i].Spool.Shed == nil {
			all[i].Spool.Shed = map[string]uint64{}
		}
		all[i].Refused = orEmpty(all[i].Refused)
	}
	return writeJSON(w, http.StatusOK, map[string]any{"sensors": orEmpty(all)})
}

// now is the time that verdicts count from, in whole milliseconds: what people read and type.
func (s *Server) now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }
