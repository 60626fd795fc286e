package victorialogs

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/weir-ips/weir/internal/collector/store"
)

// listed are the fields of an alert in lists.
const listed = "fields _time, _msg, id, sensor, sid, gid, rev, category, severity, action, src_ip, src_port, dest_ip, dest_port, proto, app_proto, flow_id"

// Search returns the newest alerts that f chooses, limit at most, from where cursor left off. It looks at the last hour first, and then
// at ever longer times before it.
func (s *Store) Search(ctx context.Context, f store.Filter, cursor string, limit int) (store.Page, error) {
	f = s.opt.Desk.Resolve(f)
	at, err := parseCursor(cursor)
	if err != nil {
		return store.Page{}, err
	}
	limit = min(max(limit, 1), store.MaxLimit)
	filters, err := s.compile(ctx, &f)
	if err != nil {
		return store.Page{}, err
	}
	from, to := span(&f)
	to = min(to, at.ts)
	page := store.Page{Alerts: []store.Alert{}}
	for length := time.Hour; to >= from && len(page.Alerts) <= limit; length *= 6 {
		start := max(min(to, time.Now().UnixNano())-int64(length), from)
		if length > 200*24*time.Hour {
			start = from
		}
		here := append([]string{during(start, to), at.filter()}, filters...)
		found, err := s.alerts(ctx, here, fmt.Sprintf("sort by (_time desc, id desc) limit %d | %s", limit+1-len(page.Alerts), listed))
		if err != nil {
			return store.Page{}, err
		}
		page.Alerts = append(page.Alerts, found...)
		to = start - 1
	}
	if len(page.Alerts) > limit {
		page.Alerts = page.Alerts[:limit]
		last := page.Alerts[limit-1]
		page.Next = position{last.Time.UnixNano(), last.ID}.String()
	}
	return page, s.judged(ctx, page.Alerts)
}

// Get returns an alert with its EVE record.
func (s *Store) Get(ctx context.Context, id string) (store.Alert, error) {
	found, err := s.alerts(ctx, []string{"id:=" + strconv.Quote(id)}, listed+", eve, stages | limit 1")
	if err != nil {
		return store.Alert{}, err
	}
	if len(found) == 0 {
		return store.Alert{}, fmt.Errorf("alert %s: %w", id, store.ErrNotFound)
	}
	if err := s.judged(ctx, found); err != nil {
		return store.Alert{}, err
	}
	found[0].Comments, err = s.opt.Desk.Comments(ctx, id)
	return found[0], err
}

// judged fills in what people decided.
func (s *Store) judged(ctx context.Context, alerts []store.Alert) error {
	ids := make([]string, len(alerts))
	for i := range alerts {
		ids[i] = alerts[i].ID
	}
	decided, err := s.opt.Desk.Of(ctx, ids)
	for i := range alerts {
		alerts[i].State = "open"
		if d, ok := decided[alerts[i].ID]; ok {
			alerts[i].State, alerts[i].Assignee = d.State, d.Assignee
		}
	}
	return err
}

// alerts runs a query whose rows are alerts.
func (s *Store) alerts(ctx context.Context, filters []string, pipes string) ([]store.Alert, error) {
	var all []store.Alert
	err := s.query(ctx, filters, pipes, func(row map[string]string) error {
		a, err := alertOf(row)
		all = append(all, a)
		return err
	})
	return all, err
}

// alertOf reads an entry.
func alertOf(row map[string]string) (a store.Alert, err error) {
	number := func(field string, bits int) (n uint64) {
		if text := row[field]; text != "" && err == nil {
			if n, err = strconv.ParseUint(text, 10, bits); err != nil {
				err = fmt.Errorf("%w: %s: %w", errAnswer, field, err)
			}
		}
		return n
	}
	addr := func(field string) netip.Addr {
		ip, _ := netip.ParseAddr(row[field]) // without it none
		return ip
	}
	a = store.Alert{
		ID: row["id"], Sensor: row["sensor"], SID: uint32(number("sid", 32)), GID: uint32(number("gid", 32)), Rev: uint32(number("rev", 32)),
		Signature: row["_msg"], Category: row["category"], Severity: uint8(number("severity", 8)), Action: row["action"],
		SrcIP: addr("src_ip"), SrcPort: uint16(number("src_port", 16)), DestIP: addr("dest_ip"), DestPort: uint16(number("dest_port", 16)),
		Proto: row["proto"], AppProto: row["app_proto"], FlowID: number("flow_id", 64),
	}
	if row["eve"] != "" {
		a.EVE = json.RawMessage(row["eve"])
	}
	if err == nil {
		a.Time, err = moment(row["_time"])
		a.ParseStages(row["stages"])
	}
	return a, err
}

func moment(text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return t, fmt.Errorf("%w: time: %w", errAnswer, err)
	}
	return t.UTC(), nil
}

// position is a place in the order of a search: newest first, and of one moment the greatest id first.
type position struct {
	ts int64
	id string
}

func (p position) String() string { return strconv.FormatInt(p.ts, 36) + "." + p.id }

// filter is true of what comes after p.
func (p position) filter() string {
	if p.ts == math.MaxInt64 {
		return everything
	}
	return "(" + during(0, p.ts-1) + " or id:string_range(\"\", " + strconv.Quote(p.id) + "))"
}

func parseCursor(text string) (position, error) {
	if text == "" {
		return position{ts: math.MaxInt64}, nil
	}
	ts, id, ok := strings.Cut(text, ".")
	t, err := strconv.ParseInt(ts, 36, 64)
	if !ok || err != nil || id == "" {
		return position{}, store.ErrCursor
	}
	return position{t, id}, nil
}
