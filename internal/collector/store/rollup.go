package store

import (
	"database/sql"
	"time"
)

const (
	minute = int64(time.Minute)
	period = int64(10 * time.Minute)
)

// rollup adds up a transaction's alerts, so that each counter is written once.
type rollup struct {
	totals  map[totalKey]int64
	minutes map[minuteKey]int64
	groups  map[groupKey]*groupCount
	targets map[targetKey]int64
	sigs    map[int64]int64
}

type totalKey struct {
	minute   int64
	severity uint8
	action   int64
}

type minuteKey struct{ minute, sig, sensor, action, proto, app int64 }

type groupKey struct {
	period, sig int64
	src         addressKey
}

type targetKey struct {
	period int64
	dst    addressKey
}

// addressKey is an address column that can be a map's key: four or sixteen bytes, or none.
type addressKey string

type groupCount struct{ n, first, last int64 }

func newRollup() *rollup {
	return &rollup{
		totals: map[totalKey]int64{}, minutes: map[minuteKey]int64{}, groups: map[groupKey]*groupCount{},
		targets: map[targetKey]int64{}, sigs: map[int64]int64{},
	}
}

func floor(ts, step int64) int64 {
	q := ts / step
	if ts%step < 0 {
		q--
	}
	return q * step
}

func (u *rollup) add(r *row) {
	m, p := floor(r.ts, minute), floor(r.ts, period)
	u.totals[totalKey{m, r.severity, r.action}]++
	u.minutes[minuteKey{m, r.sig, r.sensor, r.action, r.proto, r.app}]++
	u.targets[targetKey{p, keyOf(r.dst)}]++
	u.sigs[r.sig]++
	k := groupKey{p, r.sig, keyOf(r.src)}
	g := u.groups[k]
	if g == nil {
		g = &groupCount{first: r.ts, last: r.ts}
		u.groups[k] = g
	}
	g.n++
	g.first, g.last = min(g.first, r.ts), max(g.last, r.ts)
}

func keyOf(v any) addressKey {
	if n, ok := v.(int64); ok {
		return addressKey([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
	}
	return addressKey(v.([]byte))
}

func (k addressKey) column() any {
	if len(k) == 4 {
		return int64(k[0])<<24 | int64(k[1])<<16 | int64(k[2])<<8 | int64(k[3])
	}
	return []byte(k)
}

// store adds the counts to the file's.
func (u *rollup) store(tx *sql.Tx) error {
	add := adder{tx: tx}
	add.prepare(`INSERT INTO totals VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n`)
	for k, n := range u.totals {
		add.exec(k.minute, k.severity, k.action, n)
	}
	add.prepare(`INSERT INTO minutes VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n`)
	for k, n := range u.minutes {
		add.exec(k.minute, k.sig, k.sensor, k.action, k.proto, k.app, n)
	}
	add.prepare(`INSERT INTO groups VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
		n = n + excluded.n, first = min(first, excluded.first), last = max(last, excluded.last)`)
	for k, g := range u.groups {
		add.exec(k.period, k.sig, k.src.column(), g.n, g.first, g.last)
	}
	add.prepare(`INSERT INTO targets VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n`)
	for k, n := range u.targets {
		add.exec(k.period, k.dst.column(), n)
	}
	add.prepare(`UPDATE signatures SET total = total + ? WHERE n = ?`)
	for sig, n := range u.sigs {
		add.exec(n, sig)
	}
	return add.done()
}

// adder runs one prepared statement after another and keeps the first error.
type adder struct {
	tx   *sql.Tx
	stmt *sql.Stmt
	err  error
}

func (a *adder) prepare(text string) {
	if a.done() == nil {
		a.stmt, a.err = a.tx.Prepare(text)
	}
}

func (a *adder) exec(args ...any) {
	if a.err == nil {
		_, a.err = a.stmt.Exec(args...)
	}
}

func (a *adder) done() error {
	if a.stmt != nil {
		a.stmt.Close()
		a.stmt = nil
	}
	return a.err
}
