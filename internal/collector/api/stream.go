package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/weir-ips/weir/internal/collector/identity"
	"github.com/weir-ips/weir/internal/collector/store"
)

const (
	maxStreams  = 256
	streamEvery = 100 * time.Millisecond // at most ten batches a second
	streamBatch = 200                    // alerts in a batch; the rest is skipped and counted
	heartbeat   = 15 * time.Second

	incidentsEvery = time.Second
	readmitEvery   = 5 * time.Second  // how soon a stream ends whose owner has signed out
	streamWrite    = 10 * time.Second // a client that takes no bytes for so long is gone
)

var errBusy = fmt.Errorf("%d streams are open", maxStreams)

// streamAlerts sends alerts as they arrive, as server-sent events:
//
//	id: 4711
//	event: alerts
//	data: {"alerts":[…newest first…],"skipped":0}
//
// Incidents that have changed come beside them, as events of the type incidents, which have no id:
//
//	event: incidents
//	data: {"incidents":[…latest changed first…]}
//
// The id is the order of arrival; a client that comes back with it in Last-Event-ID goes on from there. skipped counts the
// alerts that match and were left out because there were too many to send; the least severe are left out first.
func (s *Server) streamAlerts(w http.ResponseWriter, r *http.Request) error {
	p := query(r, listParams...)
	f := p.filter(time.Now())
	at, err := s.streamStart(r)
	if err != nil {
		p.bad("Last-Event-ID", err.Error())
	}
	if err := p.err(); err != nil {
		return err
	}
	select {
	case s.streams <- struct{}{}:
		s.metrics.streams.Inc()
		defer func() { <-s.streams; s.metrics.streams.Dec() }()
	default:
		return errBusy
	}
	_, rev, err := s.opt.Incidents.Changed(r.Context(), 0, 0) // before the greeting: who has read it is told all that changes from then on
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	out := &eventWriter{w: w, control: http.NewResponseController(w)}
	if err := out.comment("Weir alerts"); err != nil {
		return err
	}
	return s.follow(r, out, f, at, rev)
}

// streamStart is where the stream goes on: after the event the client had last, else after what there is now.
func (s *Server) streamStart(r *http.Request) (uint64, error) {
	last, err := s.last(r.Context())
	if err != nil {
		return 0, err
	}
	text := r.Header.Get("Last-Event-ID")
	if text == "" {
		return last, nil
	}
	at, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, errors.New("not the id of an event of this stream")
	}
	return min(at, last), nil // beyond the end: the store was emptied meanwhile
}

func (s *Server) follow(r *http.Request, out *eventWriter, f store.Filter, at, rev uint64) (err error) {
	tick := time.NewTicker(streamEvery)
	defer tick.Stop()
	ctx := r.Context()
	quiet, admitted, told := time.Now(), time.Now(), time.Now()
	for {
		if time.Since(admitted) > readmitEvery {
			if _, err := s.admit(r, identity.Viewer); err != nil {
				return nil // signed out, or the account was taken away
			}
			admitted = time.Now()
		}
		if time.Since(told) >= incidentsEvery {
			if rev, err = s.sendIncidents(ctx, out, rev); err != nil {
				return nil // the client went away
			}
			told = time.Now()
		}
		got, err := s.after(ctx, f, at)
		if err != nil {
			return err
		}
		switch {
		case got.Matched > 0:
			skipped := got.Matched - uint64(len(got.Alerts))
			s.metrics.skipped.Add(float64(skipped))
			err, quiet = out.alerts(got.Last, batch{got.Alerts, skipped}), time.Now()
		case time.Since(quiet) > heartbeat:
			err, quiet = out.comment("still here"), time.Now()
		}
		if err != nil {
			return nil // the client went away
		}
		at = got.Last
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		case <-s.stop:
			return nil
		}
	}
}

// sendIncidents sends those that have changed, the latest first.
func (s *Server) sendIncidents(ctx context.Context, out *eventWriter, rev uint64) (uint64, error) {
	changed, rev, err := s.opt.Incidents.Changed(ctx, rev, streamBatch)
	if err != nil || len(changed) == 0 {
		return rev, err
	}
	data, err := json.Marshal(map[string]any{"incidents": changed})
	if err != nil {
		return rev, err
	}
	return rev, out.send("event: incidents\ndata: %s\n\n", data)
}

// after also bounds what coming back after a long absence may cost: then everything missed counts as skipped.
func (s *Server) after(ctx context.Context, f store.Filter, at uint64) (store.Arrivals, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	got, err := s.opt.Alerts.After(ctx, f, at, streamBatch)
	if !errors.Is(err, context.DeadlineExceeded) {
		return got, err
	}
	last, err := s.last(context.WithoutCancel(ctx))
	return store.Arrivals{Matched: last - at, Last: last}, err
}

// last is the newest alert there is, in the order of arrival.
func (s *Server) last(ctx context.Context) (uint64, error) {
	head, err := s.opt.Alerts.After(ctx, store.Filter{}, math.MaxInt64, 0)
	return head.Last, err
}

// batch is the data of an event.
type batch struct {
	Alerts  []store.Alert `json:"alerts"`
	Skipped uint64        `json:"skipped"`
}

// eventWriter writes server-sent events, each at once and within streamWrite.
type eventWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func (e *eventWriter) alerts(id uint64, b batch) error {
	if b.Alerts == nil {
		b.Alerts = []store.Alert{}
	}
	data, err := json.Marshal(b)
	if err != nil {
		return err
	}
	return e.send("id: %d\nevent: alerts\ndata: %s\n\n", id, data)
}

func (e *eventWriter) comment(text string) error { return e.send(": %s\n\n", text) }

func (e *eventWriter) send(format string, args ...any) error {
	if err := e.control.SetWriteDeadline(time.Now().Add(streamWrite)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := fmt.Fprintf(e.w, format, args...); err != nil {
		return err
	}
	return e.control.Flush()
}
