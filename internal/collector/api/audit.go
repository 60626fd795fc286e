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
	text, err := json.Marshal(detail)
	if err != nil {
		return fmt.Errorf("%w: %s %s: %w", errUnrecorded, action, object, err)
	}
	_, err = s.opt.Audit.Append(r.Context(), store.Entry{
		Actor: s.actor(r), Action: action, Object: object, Remote: r.RemoteAddr, Detail: text,
	})
	if err != nil {
		s.metrics.unrecorded.Inc()
		return fmt.Errorf("%w: %s %s: %w", errUnrecorded, action, object, err)
	}
	return nil
}

func (s *Server) listAudit(w http.ResponseWriter, r *http.Request) error {
	p := query(r, "actor", "action", "object", "before", "limit")
	f := store.AuditFilter{
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
	}
	return writeJSON(w, http.StatusOK, map[string]any{"sensors": orEmpty(all)})
}

// now is the time that verdicts count from, in whole milliseconds: what people read and type.
func (s *Server) now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }
