package export

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-ips/weir/internal/collector/store"
)

// maxQueueBytes bounds what a destination's queue keeps on disk.
const maxQueueBytes = 256 << 20

// rowEvents is how many events a row of the spool holds at most: a destination takes whole rows into memory.
const rowEvents = 200

// queue holds events for a destination on disk, bounded in number and bytes. It is safe for concurrent use; take, done and bury are one
// goroutine's.
type queue struct {
	export string
	limit  int
	spool  *Spool
	more   chan struct{} // holds one token while there may be something new
	faults atomic.Uint64
	dead   atomic.Int64

	mu     sync.Mutex
	events int
	bytes  int64
	upto   uint64 // greatest position of an event in it, ever

	rows  []row // taken, oldest first
	taken int   // events of them that the last take returned
}

// row is one of the spool.
type row struct {
	seq, bytes int64
	skip       int
	events     []Event
}

func (s *Spool) queue(export string, limit int) (*queue, error) {
	q := &queue{export: export, limit: limit, spool: s, more: make(chan struct{}, 1)}
	if err := s.load(q); err != nil {
		return nil, err
	}
	if q.events > 0 {
		q.more <- struct{}{}
	}
	return q, nil
}

// had reports whether an event at this position, or one after it, was in the queue.
func (q *queue) had(at uint64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return at <= q.upto
}

// put takes events in, as many as there is room for, and returns how many that were. They are at positions up to upto.
func (q *queue) put(events []Event, upto uint64) (taken int) {
	if len(events) == 0 {
		return 0
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.bytes >= maxQueueBytes {
		return 0
	}
	events = events[:min(len(events), max(q.limit-q.events, 0))]
	var bytes int64
	err := q.spool.db.InTx(context.Background(), func(tx *store.Tx) (err error) {
		for rest := events; len(rest) > 0; rest = rest[min(len(rest), rowEvents):] {
			text, err := encode(rest[:min(len(rest), rowEvents)])
			if err != nil {
				return err
			}
			bytes += int64(len(text))
			if _, err := tx.ExecContext(context.Background(), "INSERT INTO waiting (export, n, bytes, events) VALUES (?, ?, ?, ?)",
				q.export, min(len(rest), rowEvents), len(text), text); err != nil {
				return err
			}
		}
		if upto > q.upto {
			_, err = tx.ExecContext(context.Background(), "INSERT INTO positions VALUES (?, ?) ON CONFLICT (export) DO UPDATE SET upto = excluded.upto", q.export, int64(upto))
		}
		return err
	})
	if err != nil {
		q.faults.Add(1)
		return 0
	}
	q.events, q.bytes, q.upto = q.events+len(events), q.bytes+bytes, max(q.upto, upto)
	select {
	case q.more <- struct{}{}:
	default:
	}
	return len(events)
}

// encode leaves records as sensors wrote them.
func encode(events []Event) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(events)
	return b.Bytes(), err
}

// take returns at most n events, oldest first. They stay in the queue until done or bury; take alone returns the same again.
func (q *queue) take(n int) []Event {
	have, last := 0, int64(0)
	for i := range q.rows {
		have += len(q.rows[i].events) - q.rows[i].skip
		last = q.rows[i].seq
	}
	for have < n {
		r, err := q.read(last)
		if err != nil {
			q.faults.Add(1)
			break
		}
		if r == nil {
			break
		}
		q.rows = append(q.rows, *r)
		have, last = have+len(r.events)-r.skip, r.seq
	}
	var out []Event
	for i := range q.rows {
		ready := q.rows[i].events[q.rows[i].skip:]
		out = append(out, ready[:min(len(ready), n-len(out))]...)
	}
	q.taken = len(out)
	return out
}

// read returns the row after the one numbered last; nil if there is none. One that cannot be read is left out.
func (q *queue) read(last int64) (*row, error) {
	rows, err := q.spool.db.Query("SELECT seq, skip, bytes, events FROM waiting WHERE export = ? AND seq > ? ORDER BY seq LIMIT 1", q.export, last)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	if !rows.Next() {
		return nil, rows.Err()
	}
	r := new(row)
	var text []byte
	if err := rows.Scan(&r.seq, &r.skip, &r.bytes, &text); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &r.events); err != nil || r.skip > len(r.events) {
		q.faults.Add(1)
		r.events, r.skip = nil, 0
	}
	return r, nil
}

// done removes what was taken.
func (q *queue) done() { q.remove(func(*store.Tx) error { return nil }) }

// bury removes what was taken, and keeps it as a dead letter.
func (q *queue) bury(batch []Event, why error) {
	text, err := encode(batch)
	if err != nil {
		q.faults.Add(1)
		q.done()
		return
	}
	q.remove(func(tx *store.Tx) error {
		_, err := tx.ExecContext(context.Background(), "INSERT INTO dead (export, at, reason, n, bytes, events) VALUES (?, ?, ?, ?, ?, ?)",
			q.export, time.Now().UnixNano(), fmt.Sprintf("%.500v", why), len(batch), len(text), text)
		if err == nil { // the oldest go
			_, err = tx.ExecContext(context.Background(), `DELETE FROM dead WHERE seq IN (SELECT seq FROM (SELECT seq, sum(n) OVER newer AS events, sum(bytes) OVER newer AS size
				FROM dead WHERE export = ? WINDOW newer AS (ORDER BY seq DESC)) WHERE events > ? OR size > ?)`, q.export, maxDead, maxDeadBytes)
		}
		return err
	})
	if err := q.spool.countDead(q); err != nil {
		q.faults.Add(1)
	}
}

// remove takes what was taken out, and does more with it, in one transaction. If that fails it is out of memory, and comes again after a
// restart.
func (q *queue) remove(more func(*store.Tx) error) {
	left := q.taken
	var gone int
	var bytes, last int64
	for gone < len(q.rows) && left >= len(q.rows[gone].events)-q.rows[gone].skip {
		left -= len(q.rows[gone].events) - q.rows[gone].skip
		bytes, last = bytes+q.rows[gone].bytes, q.rows[gone].seq
		gone++
	}
	err := q.spool.db.InTx(context.Background(), func(tx *store.Tx) error {
		if _, err := tx.ExecContext(context.Background(), "DELETE FROM waiting WHERE export = ? AND seq <= ?", q.export, last); err != nil {
			return err
		}
		if left > 0 {
			if _, err := tx.ExecContext(context.Background(), "UPDATE waiting SET skip = ? WHERE seq = ?", q.rows[gone].skip+left, q.rows[gone].seq); err != nil {
				return err
			}
		}
		return more(tx)
	})
	if err != nil {
		q.faults.Add(1)
	}
	clear(q.rows[:gone])
	q.rows = q.rows[gone:]
	if left > 0 {
		q.rows[0].skip += left
	}
	q.mu.Lock()
	q.events, q.bytes, q.taken = q.events-q.taken, q.bytes-bytes, 0
	q.mu.Unlock()
}

// again puts a destination's dead letters back into its queue and returns how many events that were.
func (q *queue) again(ctx context.Context) (int, error) {
	letters, err := q.spool.DeadLetters(ctx, q.export, maxDead)
	if err != nil {
		return 0, err
	}
	n := 0
	for i := range letters {
		if put := q.put(letters[i].Events, 0); put < len(letters[i].Events) {
			return n, fmt.Errorf("export %s: the queue is full: %d events are back in it", q.export, n+put)
		}
		n += len(letters[i].Events)
	}
	if _, err := q.spool.db.ExecContext(ctx, "DELETE FROM dead WHERE export = ?", q.export); err != nil {
		return n, fmt.Errorf("dead letters: %w", err)
	}
	return n, q.spool.countDead(q)
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.events
}
