package victorialogs

import (
	"bytes"
	"context"
	"encoding/json"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/weir-ips/weir/internal/collector/store"
	"github.com/weir-ips/weir/pkg/wire"
)

const (
	maxLine = 256<<10 - 1 // bytes: the server passes longer ones over (-insert.maxLineSizeBytes)
	maxBody = 4 << 20     // bytes of a request, about
	unsure  = time.Minute // after so long another collector may have inserted meanwhile
)

// Insert keeps those of events that are new, and returns them. Each id is asked for first, so that an event that was inserted and not
// acknowledged, by whichever collector, is not inserted twice.
func (s *Store) Insert(ctx context.Context, events []wire.Event) ([]wire.Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	alerts, index := s.sort(events)
	if len(alerts) == 0 {
		return nil, nil
	}
	if time.Since(s.last) > unsure {
		if err := s.settle(ctx); err != nil {
			return nil, err
		}
	}
	have, err := s.there(ctx, alerts)
	if err != nil {
		return nil, err
	}
	var fresh []store.Alert
	var kept []wire.Event
	for i, a := range alerts {
		if have[a.ID] {
			s.known.Add(a.ID, struct{}{})
			continue
		}
		fresh, kept = append(fresh, a), append(kept, events[index[i]])
	}
	if err := s.send(ctx, fresh); err != nil {
		s.last = time.Time{} // some may be there
		return nil, err
	}
	for i := range fresh {
		s.known.Add(fresh[i].ID, struct{}{})
		fresh[i].EVE, fresh[i].Stages = nil, nil
	}
	s.last = time.Now()
	s.recent.Add(fresh)
	s.stored.Add(uint64(len(fresh)))
	s.duplicates.Add(uint64(len(alerts) - len(fresh)))
	return kept, nil
}

// Doubt says that another may have inserted: the next Insert has the server show all that it has taken before it asks.
func (s *Store) Doubt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = time.Time{}
}

// sort makes alerts of events, without those that this collector has just inserted, and says which event each was.
func (s *Store) sort(events []wire.Event) (alerts []store.Alert, index []int) {
	within := make(map[string]bool, len(events))
	for i := range events {
		a := store.FromEvent(&events[i])
		switch {
		case !a.Valid():
			s.refused.Add(1)
		case within[a.ID] || s.known.Contains(a.ID):
			s.duplicates.Add(1)
		default:
			within[a.ID] = true
			s.truncated.Add(a.Trim())
			alerts, index = append(alerts, a), append(index, i)
		}
	}
	return alerts, index
}

// settle has the server find what it was sent a moment ago, perhaps by another collector.
func (s *Store) settle(ctx context.Context) error {
	_, err := s.call(ctx, "/internal/force_flush", nil, nil)
	return err
}

// there says which of the alerts the server has.
func (s *Store) there(ctx context.Context, alerts []store.Alert) (map[string]bool, error) {
	first, last := alerts[0].Time, alerts[0].Time
	ids := make([]string, len(alerts))
	for i, a := range alerts {
		ids[i] = a.ID
		if a.Time.Before(first) {
			first = a.Time
		}
		if a.Time.After(last) {
			last = a.Time
		}
	}
	have := map[string]bool{}
	err := s.query(ctx, []string{during(first.UnixNano(), last.UnixNano()), among("id", ids)}, "fields id", func(row map[string]string) error {
		have[row["id"]] = true
		return nil
	})
	return have, err
}

func (s *Store) send(ctx context.Context, alerts []store.Alert) error {
	now := time.Now()
	arrived := strconv.FormatInt(now.UnixMilli(), 10)
	var body bytes.Buffer
	for i := range alerts {
		if alerts[i].Stages != nil {
			alerts[i].Stages.Stored = now
		}
		line, err := s.line(&alerts[i], arrived)
		if err != nil {
			return err
		}
		body.Write(line)
		body.WriteByte('\n')
		if body.Len() < maxBody && i+1 < len(alerts) {
			continue
		}
		_, err = s.call(ctx, "/insert/jsonline?_stream_fields=weir,sensor", bytes.NewReader(body.Bytes()), map[string]string{"Content-Type": "application/stream+json"})
		if err != nil {
			return err
		}
		body.Reset()
	}
	return nil
}

// line is an alert as the server takes it. Every value is a text.
func (s *Store) line(a *store.Alert, arrived string) ([]byte, error) {
	number := func(n uint64) string { return strconv.FormatUint(n, 10) }
	fields := map[string]string{
		"weir": "alert", "_time": a.Time.UTC().Format(time.RFC3339Nano), "_msg": a.Signature, "id": a.ID, "sensor": a.Sensor,
		"sid": number(uint64(a.SID)), "gid": number(uint64(a.GID)), "rev": number(uint64(a.Rev)), "category": a.Category, "severity": number(uint64(a.Severity)),
		"action": a.Action, "src_ip": address(a.SrcIP), "src_port": number(uint64(a.SrcPort)), "dest_ip": address(a.DestIP), "dest_port": number(uint64(a.DestPort)),
		"proto": a.Proto, "app_proto": a.AppProto, "flow_id": number(a.FlowID), "arrived": arrived,
		"stages": a.FormatStages(), "signature_words": strings.Join(store.Tokens(a.Signature), " "), "category_words": strings.Join(store.Tokens(a.Category), " "), "eve": string(a.EVE),
	}
	line, err := json.Marshal(fields)
	if err == nil && len(line) > maxLine {
		s.truncated.Add(1)
		delete(fields, "eve")
		line, err = json.Marshal(fields)
	}
	return line, err
}

func address(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
