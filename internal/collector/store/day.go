package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// day is one file of alerts. The writer goroutine owns everything but r, which any goroutine may read through view.
type day struct {
	path    string
	start   time.Time // of the UTC day
	codec   *codec
	w       *sql.DB
	r       *sql.DB
	inUse   sync.RWMutex // readers hold it; close takes it
	gone    bool         // closed; guarded by inUse
	last    uint64       // newest Seq in the file
	written time.Time
	names   *names
	insert  *sql.Stmt // rowsAtOnce rows
	single  *sql.Stmt
}

// rowsAtOnce is how many rows one statement inserts: the cost of a call is spread over them.
const rowsAtOnce = 64

// fileName is a day's file, as a layout of package time.
const fileName = "alerts-2006-01-02.db"

const alertColumns = "seq, id, ts, sig, sensor, action, proto, app, src, sport, dst, dport, flow, stages"

func openDay(path string, c *codec) (_ *day, err error) {
	start, err := time.Parse(fileName, filepath.Base(path))
	if err != nil {
		return nil, fmt.Errorf("%s: not named for a day: %w", path, err)
	}
	d := &day{path: path, start: start, codec: c, names: newNames(), written: modTime(path)}
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	if d.w, err = openWriter(path, daySchema, dayVersion, dayUpgrades...); err != nil {
		return nil, err
	}
	d.w.SetConnMaxIdleTime(idleConn)
	if d.r, err = openReader(path); err != nil {
		return nil, err
	}
	if err = d.w.QueryRow("SELECT coalesce(max(seq), 0) FROM alerts").Scan(&d.last); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	row := "(?" + strings.Repeat(",?", strings.Count(alertColumns, ",")) + ")"
	into := "INSERT INTO alerts (" + alertColumns + ") VALUES "
	if d.insert, err = d.w.Prepare(into + row + strings.Repeat(","+row, rowsAtOnce-1)); err != nil {
		return nil, fmt.Errorf("prepare %s: %w", path, err)
	}
	if d.single, err = d.w.Prepare(into + row); err != nil {
		return nil, fmt.Errorf("prepare %s: %w", path, err)
	}
	return d, nil
}

// modTime is when a file or its log was last written to; now for one that is yet to be made.
func modTime(path string) time.Time {
	var newest time.Time
	for _, p := range []string{path, path + "-wal"} {
		if info, err := os.Stat(p); err == nil && info.ModTime().After(newest) {
			newest = info.ModTime()
		}
	}
	if newest.IsZero() {
		return time.Now()
	}
	return newest
}

func (d *day) close() error {
	d.inUse.Lock()
	defer d.inUse.Unlock()
	if d.gone {
		return nil
	}
	d.gone = true
	var errs []error
	for _, s := range []*sql.Stmt{d.insert, d.single} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	for _, db := range []*sql.DB{d.r, d.w} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

// view calls f with the reading pool, keeping the file open meanwhile. A day that retention gave up is empty, no error.
func (d *day) view(f func(*sql.DB) error) error {
	d.inUse.RLock()
	defer d.inUse.RUnlock()
	if d.gone {
		return nil
	}
	return f(d.r)
}

// span is the day in Unix nanoseconds, both ends included.
func (d *day) span() (from, to int64) {
	return d.start.UnixNano(), d.start.AddDate(0, 0, 1).UnixNano() - 1
}

func (d *day) size() int64 {
	var n int64
	for _, p := range []string{d.path, d.path + "-wal"} {
		if info, err := os.Stat(p); err == nil {
			n += info.Size()
		}
	}
	return n
}

// append keeps those of items that are new and returns them with their Seq, counted from next.
func (d *day) append(items []item, next uint64) (kept []item, err error) {
	ctx := context.Background() // a transaction begun is carried through
	tx, err := d.w.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			tx.Rollback()
			d.names.forget() // what the transaction named is gone
		}
	}()
	if kept, err = unknown(ctx, tx, items); err != nil || len(kept) == 0 {
		return nil, errors.Join(err, tx.Rollback())
	}
	counts := newRollup()
	rows := make([]row, len(kept))
	stored := time.Now()
	for i := range kept {
		if kept[i].Stages != nil {
			kept[i].Stages.Stored = stored
		}
		kept[i].Seq = next + uint64(i)
		if rows[i], err = d.names.row(tx, &kept[i].Alert); err != nil {
			return nil, err
		}
		counts.add(&rows[i])
	}
	if err = d.insertRows(tx, rows); err != nil {
		return nil, err
	}
	if err = d.insertEVE(tx, kept); err != nil {
		return nil, err
	}
	if err = counts.store(tx); err != nil {
		return nil, err
	}
	if err = tx.Commit(); err != nil {
		return nil, err
	}
	d.last, d.written = next+uint64(len(kept))-1, time.Now()
	return kept, nil
}

// unknown leaves out items whose id is in the file or earlier in items.
func unknown(ctx context.Context, tx *sql.Tx, items []item) ([]item, error) {
	ids := make([]string, len(items))
	for i := range items {
		ids[i] = items[i].ID
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	known := make(map[string]struct{}, len(items))
	rows, err := tx.QueryContext(ctx, "SELECT id FROM alerts WHERE id IN (SELECT value FROM json_each(?))", string(list))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		known[id] = struct{}{}
	}
	fresh := make([]item, 0, len(items))
	for _, it := range items {
		if _, old := known[it.ID]; !old {
			known[it.ID] = struct{}{}
			fresh = append(fresh, it)
		}
	}
	return fresh, rows.Err()
}

func (d *day) insertRows(tx *sql.Tx, rows []row) error {
	insert, single := tx.Stmt(d.insert), tx.Stmt(d.single)
	args := make([]any, 0, rowsAtOnce*14)
	for len(rows) > 0 {
		stmt, n := single, 1
		if len(rows) >= rowsAtOnce {
			stmt, n = insert, rowsAtOnce
		}
		args = args[:0]
		for i := range rows[:n] {
			args = rows[i].appendArgs(args)
		}
		if _, err := stmt.Exec(args...); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// insertEVE stores the records of kept, whose Seq have no gaps, in frames.
func (d *day) insertEVE(tx *sql.Tx, kept []item) error {
	for len(kept) > 0 {
		first := kept[0].Seq
		frame, n := d.codec.encode(kept)
		if _, err := tx.Exec("INSERT INTO eve (first, frame) VALUES (?, ?)", int64(first), frame); err != nil {
			return err
		}
		kept = kept[n:]
	}
	return nil
}

// row is an alert as its file keeps it.
type row struct {
	seq, ts                         int64
	id                              string
	sig, sensor, action, proto, app int64
	severity                        uint8
	src, dst                        any // see address
	sport, dport                    uint16
	flow                            int64
	stages                          string
}

func (r *row) appendArgs(args []any) []any {
	return append(args, r.seq, r.id, r.ts, r.sig, r.sensor, r.action, r.proto, r.app,
		r.src, int64(r.sport), r.dst, int64(r.dport), r.flow, r.stages)
}

// address is ip as a column value: an integer for IPv4, 16 bytes for IPv6, no bytes when unknown.
func address(ip netip.Addr) any {
	switch {
	case ip.Is4():
		b := ip.As4()
		return int64(b[0])<<24 | int64(b[1])<<16 | int64(b[2])<<8 | int64(b[3])
	case ip.Is6():
		b := ip.As16()
		return b[:]
	default:
		return []byte{}
	}
}

// ipOf undoes address.
func ipOf(v any) netip.Addr {
	switch v := v.(type) {
	case int64:
		return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
	case []byte:
		ip, _ := netip.AddrFromSlice(v)
		return ip
	default:
		return netip.Addr{}
	}
}
