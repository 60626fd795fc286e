package store

import (
	"database/sql"
	"errors"
)

// names gives texts the numbers that a day's rows carry. It belongs to the writer goroutine.
type names struct {
	byName map[string]int64
	bySig  map[signature]int64
}

// signature is everything about an alert that its rule determines.
type signature struct {
	sid, gid, rev  uint32
	severity       uint8
	text, category string
}

// maxNames bounds the cache, not the file: beyond it numbers are looked up again.
const maxNames = 1 << 16

func newNames() *names {
	return &names{byName: map[string]int64{}, bySig: map[signature]int64{}}
}

func (t *names) forget() {
	clear(t.byName)
	clear(t.bySig)
}

// row turns a into columns.
func (t *names) row(tx *sql.Tx, a *Alert) (row, error) {
	if len(t.byName)+len(t.bySig) > maxNames {
		t.forget()
	}
	r := row{
		seq: int64(a.Seq), ts: a.Time.UnixNano(), id: a.ID, severity: a.Severity,
		src: address(a.SrcIP), dst: address(a.DestIP), sport: a.SrcPort, dport: a.DestPort, flow: int64(a.FlowID), stages: a.FormatStages(),
	}
	var err error
	if r.sig, err = t.signature(tx, signature{a.SID, a.GID, a.Rev, a.Severity, a.Signature, a.Category}); err != nil {
		return row{}, err
	}
	for _, f := range []struct {
		n    *int64
		text string
	}{{&r.sensor, a.Sensor}, {&r.action, a.Action}, {&r.proto, a.Proto}, {&r.app, a.AppProto}} {
		if *f.n, err = t.name(tx, f.text); err != nil {
			return row{}, err
		}
	}
	return r, nil
}

func (t *names) name(tx *sql.Tx, text string) (int64, error) {
	if n, ok := t.byName[text]; ok {
		return n, nil
	}
	if _, err := tx.Exec("INSERT INTO names (name) VALUES (?) ON CONFLICT DO NOTHING", text); err != nil {
		return 0, err
	}
	var n int64
	if err := tx.QueryRow("SELECT n FROM names WHERE name = ?", text).Scan(&n); err != nil {
		return 0, err
	}
	t.byName[text] = n
	return n, nil
}

func (t *names) signature(tx *sql.Tx, s signature) (int64, error) {
	if n, ok := t.bySig[s]; ok {
		return n, nil
	}
	key := []any{s.sid, s.gid, s.rev, s.severity, s.text, s.category}
	var n int64
	err := tx.QueryRow(`SELECT n FROM signatures
		WHERE sid = ? AND gid = ? AND rev = ? AND severity = ? AND signature = ? AND category = ?`, key...).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		n, err = t.addSignature(tx, s, key)
	}
	if err != nil {
		return 0, err
	}
	t.bySig[s] = n
	return n, nil
}

func (t *names) addSignature(tx *sql.Tx, s signature, key []any) (int64, error) {
	res, err := tx.Exec(`INSERT INTO signatures (sid, gid, rev, severity, signature, category) VALUES (?, ?, ?, ?, ?, ?)`, key...)
	if err != nil {
		return 0, err
	}
	n, err := res.LastInsertId()
	if err != nil {
		return 0, err
	}
	_, err = tx.Exec("INSERT INTO signatures_text (rowid, signature, category) VALUES (?, ?, ?)", n, s.text, s.category)
	return n, err
}
