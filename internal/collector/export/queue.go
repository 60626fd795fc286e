package export

import "sync"

// maxQueueBytes bounds what a destination's queue keeps in memory.
const maxQueueBytes = 64 << 20

// queue holds events for a destination, bounded in number and bytes. It is safe for concurrent use.
type queue struct {
	limit int
	more  chan struct{} // holds one token while there may be something new

	mu     sync.Mutex
	events []Event
	bytes  int64
}

func newQueue(limit int) *queue { return &queue{limit: limit, more: make(chan struct{}, 1)} }

// put takes e in, unless the queue is full.
func (q *queue) put(e Event) bool {
	q.mu.Lock()
	ok := len(q.events) < q.limit && q.bytes < maxQueueBytes
	if ok {
		q.events = append(q.events, e)
		q.bytes += e.size()
	}
	q.mu.Unlock()
	if ok {
		select {
		case q.more <- struct{}{}:
		default:
		}
	}
	return ok
}

// take removes at most n events, oldest first.
func (q *queue) take(n int) []Event {
	q.mu.Lock()
	defer q.mu.Unlock()
	n = min(n, len(q.events))
	out := append([]Event(nil), q.events[:n]...)
	for i := range out {
		q.bytes -= out[i].size()
	}
	rest := copy(q.events, q.events[n:])
	clear(q.events[rest:])
	q.events = q.events[:rest]
	return out
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.events)
}
