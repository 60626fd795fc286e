package incident

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/weir-ips/weir/internal/collector/store"
)

// schema lays out the file: what is searched by has columns, the rest is JSON. Times are Unix nanoseconds. terms are what an
// incident is found by: addr:…, sid:…, sensor:….
const schema = `
CREATE TABLE incidents (
	id       TEXT PRIMARY KEY,
	rev      INTEGER NOT NULL,
	first    INTEGER NOT NULL,
	last     INTEGER NOT NULL,
	updated  INTEGER NOT NULL,
	state    TEXT NOT NULL,
	severity TEXT NOT NULL,
	kind     TEXT NOT NULL,
	assignee TEXT NOT NULL,
	active   BOOLEAN NOT NULL,
	title    TEXT NOT NULL,
	data     BLOB NOT NULL
);
CREATE INDEX incidents_updated ON incidents (updated);
CREATE INDEX incidents_last ON incidents (last);
CREATE TABLE terms (
	incident TEXT NOT NULL,
	term     TEXT NOT NULL,
	PRIMARY KEY (term, incident)
) WITHOUT ROWID;
CREATE INDEX terms_incident ON terms (incident);
PRAGMA user_version = 1;
`

const schemaVersion = 1

// kept is the JSON of an incident: the detail, and what correlation goes on with after a restart.
type kept struct {
	Detail
	Keys      []keptKey `json:"keys,omitempty"`
	Began     uint32    `json:"began"`
	Rivals    int       `json:"rivals,omitempty"`
	Handshake bool      `json:"handshake,omitempty"`
	Weight    int       `json:"weight"`
	Judged    bool      `json:"judged,omitempty"`
	Upto      uint64    `json:"upto,omitempty"` // greatest position of an alert it counts
}

type keptKey struct {
	By   string `json:"by"`
	Addr string `json:"addr,omitempty"`
	SID  uint32 `json:"sid,omitempty"`
}

func (in *live) encode() ([]byte, error) {
	k := kept{Detail: in.Detail, Began: in.began, Rivals: in.rivals, Handshake: in.handshake, Weight: in.weight, Judged: in.judged, Upto: in.upto}
	for _, x := range in.keys {
		kk := keptKey{By: string(x.by), SID: x.sid}
		if x.addr.IsValid() {
			kk.Addr = x.addr.String()
		}
		k.Keys = append(k.Keys, kk)
	}
	return json.Marshal(&k)
}

func revive(data []byte) (*live, error) {
	in := newLive("", time.Time{})
	k := kept{Detail: in.Detail}
	if err := json.Unmarshal(data, &k); err != nil {
		return nil, err
	}
	in.Detail, in.began, in.rivals, in.handshake, in.weight, in.judged = k.Detail, k.Began, k.Rivals, k.Handshake, k.Weight, k.Judged
	in.upto = k.Upto
	in.sources.Parties, in.targets.Parties = &in.Sources, &in.Targets
	for _, kk := range k.Keys {
		if len(kk.By) != 1 {
			continue
		}
		x := key{by: kk.By[0], sid: kk.SID}
		x.addr, _ = parseAddr(kk.Addr)
		in.keys = append(in.keys, x)
		if x.by == bySame && !in.target.IsValid() {
			in.target = x.addr
		}
	}
	return in, nil
}

// touch marks an incident as changed.
func (t *Tracker) touch(in *live) {
	t.rev++
	in.rev, in.dirty, in.touched = t.rev, true, t.opt.Now()
}

// written is one incident on its way to disk.
type written struct {
	in    *live
	rev   uint64
	data  []byte
	terms []string
	Incident
	gone []string
}

// flushStep is how many incidents are written at once: alerts wait while they are encoded.
const flushStep = 500

// Flush writes what has changed; what was considered before it is then counted once, whatever happens.
func (t *Tracker) Flush(ctx context.Context) error { return t.flush(ctx) }

// flush writes what has changed since the last time.
func (t *Tracker) flush(ctx context.Context) error {
	t.flushing.Lock()
	defer t.flushing.Unlock()
	for {
		all, err := t.changed()
		if err != nil || len(all) == 0 {
			return err
		}
		if err := t.put(ctx, all); err != nil {
			t.mu.Lock()
			defer t.mu.Unlock()
			for i := range all {
				all[i].in.dirty = true
			}
			t.stats.failures++
			return err
		}
		if len(all) < flushStep {
			return nil
		}
	}
}

// changed takes what is to be written.
func (t *Tracker) changed() ([]written, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []written
	for _, in := range t.active {
		if !in.dirty {
			continue
		}
		w, err := in.write()
		if err != nil {
			return nil, fmt.Errorf("incident %s: %w", in.ID, err)
		}
		in.dirty = false
		if all = append(all, w); len(all) == flushStep {
			break
		}
	}
	return all, nil
}

func (in *live) write() (written, error) {
	data, err := in.encode()
	w := written{in: in, rev: in.rev, data: data, Incident: in.Incident, gone: in.gone}
	for _, list := range [][]Party{in.Sources.List, in.Targets.List} {
		for _, p := range list {
			w.terms = append(w.terms, "addr:"+p.Name)
		}
	}
	for _, s := range in.Signatures {
		w.terms = append(w.terms, fmt.Sprintf("sid:%d", s.SID))
	}
	for _, s := range in.Sensors {
		w.terms = append(w.terms, "sensor:"+s.Name)
	}
	return w, err
}

// upsert leaves what was written meanwhile: a person's change may overtake what was gathered before it.
const upsert = `INSERT INTO incidents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
	rev = excluded.rev, first = excluded.first, last = excluded.last, updated = excluded.updated, state = excluded.state, severity = excluded.severity,
	kind = excluded.kind, assignee = excluded.assignee, active = excluded.active, title = excluded.title, data = excluded.data
	WHERE excluded.rev >= incidents.rev`

func (t *Tracker) put(ctx context.Context, all []written) error {
	return t.db.InTx(ctx, func(tx *store.Tx) error {
		for i := range all {
			if err := putOne(ctx, tx, &all[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

func putOne(ctx context.Context, tx *store.Tx, w *written) error {
	_, err := tx.ExecContext(ctx, upsert, w.ID, int64(w.rev), w.First.UnixNano(), w.Last.UnixNano(),
		w.Updated.UnixNano(), w.State, w.Severity, w.Kind, w.Assignee, w.Active, w.Title, w.data)
	if err != nil {
		return err
	}
	for _, term := range w.terms {
		if _, err := tx.ExecContext(ctx, "INSERT INTO terms VALUES (?, ?) ON CONFLICT DO NOTHING", w.ID, term); err != nil {
			return err
		}
	}
	for _, id := range w.gone {
		if err := forget(ctx, tx, id); err != nil {
			return err
		}
	}
	return nil
}

func forget(ctx context.Context, tx *store.Tx, id string) error {
	for _, q := range []string{"DELETE FROM incidents WHERE id = ?", "DELETE FROM terms WHERE incident = ?"} {
		if _, err := tx.ExecContext(ctx, q, id); err != nil {
			return err
		}
	}
	return nil
}

// restore takes up the incidents that were active when the collector that led stopped.
func (t *Tracker) restore(ctx context.Context) error {
	rows, err := t.db.QueryContext(ctx, "SELECT data FROM incidents WHERE active ORDER BY updated DESC LIMIT ?", maxActive)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var data []byte
		if err := rows.Scan(&data); err != nil {
			return err
		}
		in, err := revive(data)
		if err != nil {
			return err
		}
		t.adopt(in)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if err := t.db.QueryRowContext(ctx, "SELECT coalesce(max(rev), 0) + 1 FROM incidents").Scan(&t.rev); err != nil || !t.db.Shared() {
		return err
	}
	t.rev += fence
	return nil
}

// fence is how far ahead of every rev in a shared database one that takes over begins, in changes: those that the leader before it made
// and could not write do not undo what is written now.
const fence = 1 << 32

func (t *Tracker) adopt(in *live) {
	t.active[in.ID] = in
	t.begun[in.began]++
	for _, k := range in.keys {
		if t.index[k] == nil { // the latest changed comes first
			t.index[k] = in
		}
	}
	if in.target.IsValid() {
		if t.byTarget[in.target] == nil {
			t.byTarget[in.target] = map[*live]bool{}
		}
		t.byTarget[in.target][in] = true
	}
}

// linger is how long an incident that has ended is still told to followers, who ask every few seconds.
const linger = 20 * time.Second

// sweep ends incidents that no alert has joined for long.
func (t *Tracker) sweep() {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.opt.Now().UTC()
	for _, in := range t.active {
		rest := t.opt.Quiet
		if in.Kind == Flood && in.over() {
			rest = min(rest, floodRest)
		}
		if in.Active && now.Sub(in.Updated) > rest {
			in.Active, in.Ongoing = false, false
			in.say(now, "over", "", "no alert for %s", rest)
			t.touch(in)
		}
		if !in.Active && !in.dirty && now.Sub(in.touched) > linger {
			t.drop(in)
		}
	}
}

func (t *Tracker) endOldest() {
	var oldest *live
	for _, in := range t.active {
		if oldest == nil || in.Updated.Before(oldest.Updated) {
			oldest = in
		}
	}
	oldest.Active, oldest.Ongoing = false, false
	t.stats.crowded++
	w, err := oldest.write()
	if err == nil {
		err = t.put(context.Background(), []written{w})
	}
	if err != nil {
		t.stats.failures++
	}
	t.drop(oldest)
}

// retire resolves what nobody took up and forgets what is too old.
func (t *Tracker) retire(ctx context.Context) error {
	now := t.opt.Now().UTC()
	ids, err := t.ids(ctx, "SELECT id FROM incidents WHERE state = ? AND NOT active AND updated < ? LIMIT 1000", StateOpen, now.Add(-t.opt.AutoClose).UnixNano())
	if err != nil {
		return err
	}
	for _, id := range ids {
		if _, err := t.Change(ctx, id, Change{State: StateResolved, Resolution: Quiet}); err != nil {
			return err
		}
	}
	ids, err = t.ids(ctx, "SELECT id FROM incidents WHERE NOT active AND last < ? AND updated < ? LIMIT 1000", now.Add(-t.opt.Keep).UnixNano(), now.Add(-t.opt.Keep).UnixNano())
	if err != nil || len(ids) == 0 {
		return err
	}
	return t.db.InTx(ctx, func(tx *store.Tx) error {
		for _, id := range ids {
			if err := forget(ctx, tx, id); err != nil {
				return err
			}
		}
		return nil
	})
}

func (t *Tracker) ids(ctx context.Context, query string, args ...any) ([]string, error) {
	rows, err := t.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		all = append(all, id)
	}
	return all, rows.Err()
}
