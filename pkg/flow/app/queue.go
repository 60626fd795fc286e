package app

// Queue holds a parser's live transactions, oldest first, and numbers them.
type Queue struct {
	txs  []Tx
	next uint64
}

// Add appends tx, numbers it and notes when it started.
func (q *Queue) Add(tx Tx, now int64) {
	b := tx.Base()
	b.ID, b.Start = q.next, now
	q.next++
	q.txs = append(q.txs, tx)
}

// All returns the transactions; the slice is valid until the next call of Add or Free.
func (q *Queue) All() []Tx { return q.txs }

// Len is how many transactions are live.
func (q *Queue) Len() int { return len(q.txs) }

// Seen is how many transactions there have been.
func (q *Queue) Seen() uint64 { return q.next }

// Close makes one direction of all transactions complete: nothing more will come.
func (q *Queue) Close(dir Direction) {
	for _, t := range q.txs {
		if b := t.Base(); !b.Complete[dir] {
			b.Complete[dir] = true
			b.Touched[dir] = true
		}
	}
}

// Free drops the oldest n.
func (q *Queue) Free(n int) {
	n = min(n, len(q.txs))
	kept := copy(q.txs, q.txs[n:])
	clear(q.txs[kept:])
	q.txs = q.txs[:kept]
}
