package incident

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-ips/weir/internal/collector/store"
)

// MaxLimit is the most incidents that one page holds.
const MaxLimit = 500

func parseAddr(s string) (netip.Addr, error) { return netip.ParseAddr(s) }

// List returns incidents, the latest changed first, limit at most, from where cursor left off.
func (t *Tracker) List(ctx context.Context, f Filter, cursor string, limit int) (Page, error) {
	if err := t.flush(ctx); err != nil { // what is read is what there is
		return Page{}, err
	}
	where, args := f.clause()
	if cursor != "" {
		updated, id, ok := strings.Cut(cursor, ".")
		at, err := strconv.ParseInt(updated, 36, 64)
		if !ok || err != nil {
			return Page{}, store.ErrCursor
		}
		where, args = append(where, "(updated < ? OR updated = ? AND id < ?)"), append(args, at, at, id)
	}
	limit = min(max(limit, 1), MaxLimit)
	rows, err := t.db.QueryContext(ctx, "SELECT updated, data FROM incidents WHERE "+strings.Join(append(where, "TRUE"), " AND ")+
		" ORDER BY updated DESC, id DESC LIMIT ?", append(args, limit+1)...)
	if err != nil {
		return Page{}, fmt.Errorf("incidents: %w", err)
	}
	defer rows.Close()
	page := Page{Incidents: []Incident{}}
	var last int64
	for rows.Next() {
		var updated int64
		var data []byte
		if err := rows.Scan(&updated, &data); err != nil {
			return Page{}, fmt.Errorf("incidents: %w", err)
		}
		if len(page.Incidents) == limit {
			page.Next = strconv.FormatInt(last, 36) + "." + page.Incidents[limit-1].ID
			break
		}
		in, err := revive(data)
		if err != nil {
			return Page{}, fmt.Errorf("incidents: %w", err)
		}
		last = updated
		page.Incidents = append(page.Incidents, in.Incident)
	}
	return page, rows.Err()
}

func (f *Filter) clause() (where []string, args []any) {
	and := func(text string, values ...any) { where, args = append(where, text), append(args, values...) }
	among := func(column string, names []string) {
		if len(names) > 0 {
			values := make([]any, len(names))
			for i, n := range names {
				values[i] = n
			}
			and(column+" IN (?"+strings.Repeat(", ?", len(names)-1)+")", values...)
		}
	}
	among("state", f.States)
	among("severity", f.Severities)
	if f.Kind != "" {
		and("kind = ?", f.Kind)
	}
	switch f.Assignee {
	case "":
	case "-":
		and("assignee = ''")
	default:
		and("assignee = ?", f.Assignee)
	}
	for prefix, value := range map[string]string{"addr:": f.Address, "sensor:": f.Sensor, "sid:": sidText(f.SID)} {
		if value != "" {
			and("id IN (SELECT incident FROM terms WHERE term = ?)", prefix+value)
		}
	}
	if !f.Since.IsZero() {
		and("last >= ?", f.Since.UnixNano())
	}
	if !f.Until.IsZero() {
		and("first < ?", f.Until.UnixNano())
	}
	if f.Text != "" {
		and("replace(lower(title), lower(CAST(? AS TEXT)), '') <> lower(title)", f.Text)
	}
	if f.Active {
		and("active")
	}
	return where, args
}

func sidText(sid uint32) string {
	if sid == 0 {
		return ""
	}
	return strconv.FormatUint(uint64(sid), 10)
}

// Get returns one incident; store.ErrNotFound if there is none of that id.
func (t *Tracker) Get(ctx context.Context, id string) (Detail, error) {
	t.mu.Lock()
	in := t.active[id]
	if in != nil {
		d := in.copied()
		t.mu.Unlock()
		return d, nil
	}
	t.mu.Unlock()
	in, err := t.load(ctx, id)
	if err != nil {
		return Detail{}, err
	}
	return in.Detail, nil
}

// copied shares nothing with the incident that changes on.
func (in *live) copied() Detail {
	d := in.Detail
	d.Incident = in.Incident.copied()
	d.Timeline, d.Members = slices.Clone(d.Timeline), slices.Clone(d.Members)
	return d
}

func (i Incident) copied() Incident {
	i.Stages, i.Signatures, i.Sensors, i.Vectors = slices.Clone(i.Stages), slices.Clone(i.Signatures), slices.Clone(i.Sensors), slices.Clone(i.Vectors)
	i.Sources.List, i.Targets.List = slices.Clone(i.Sources.List), slices.Clone(i.Targets.List)
	return i
}

func (t *Tracker) load(ctx context.Context, id string) (*live, error) {
	var data []byte
	err := t.db.QueryRowContext(ctx, "SELECT data FROM incidents WHERE id = ?", id).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("incident %s: %w", id, store.ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("incident %s: %w", id, err)
	}
	in, err := revive(data)
	if err != nil {
		return nil, fmt.Errorf("incident %s: %w", id, err)
	}
	return in, nil
}

// Changed returns incidents that changed after rev, limit at most, and the rev to ask with next; rev 0 only asks for that.
func (t *Tracker) Changed(ctx context.Context, rev uint64, limit int) ([]Incident, uint64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.follows {
		return t.changedElsewhere(ctx, rev, limit)
	}
	if rev == 0 || t.rev <= rev {
		return nil, t.rev, nil
	}
	var some []*live
	for _, in := range t.active {
		if in.rev > rev {
			some = append(some, in)
		}
	}
	slices.SortFunc(some, func(a, b *live) int { return int(b.rev) - int(a.rev) })
	all := []Incident{}
	for _, in := range some[:min(len(some), limit)] {
		all = append(all, in.Incident.copied())
	}
	return all, t.rev, nil
}

// changedElsewhere asks the database what the collector that leads has written.
func (t *Tracker) changedElsewhere(ctx context.Context, rev uint64, limit int) ([]Incident, uint64, error) {
	var newest int64
	if err := t.db.QueryRowContext(ctx, "SELECT coalesce(max(rev), 0) + 1 FROM incidents").Scan(&newest); err != nil {
		return nil, rev, fmt.Errorf("incidents: %w", err)
	}
	if rev == 0 || uint64(newest) <= rev {
		return nil, uint64(newest), nil
	}
	rows, err := t.db.QueryContext(ctx, "SELECT data FROM incidents WHERE rev >= ? AND rev < ? ORDER BY rev DESC LIMIT ?", int64(rev), newest, limit)
	if err != nil {
		return nil, rev, fmt.Errorf("incidents: %w", err)
	}
	defer rows.Close()
	all := []Incident{}
	for rows.Next() {
		var data []byte
		if err := rows.Scan(&data); err != nil {
			return nil, rev, fmt.Errorf("incidents: %w", err)
		}
		in, err := revive(data)
		if err != nil {
			return nil, rev, fmt.Errorf("incidents: %w", err)
		}
		all = append(all, in.Incident)
	}
	return all, uint64(newest), rows.Err()
}
