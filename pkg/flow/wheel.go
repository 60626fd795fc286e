package flow

const (
	second     = int64(1e9)
	wheelSlots = 4096 // seconds; what is due later is looked at once a turn
)

// wheel remembers when flows are due, to the second. Touching a flow does not move it: when its slot comes up, it is due or
// put where it is due now, so a packet costs nothing here.
type wheel struct {
	slot [wheelSlots]uint32 // head of each list of flow numbers
	now  int64              // seconds; slots up to here are done
}

// arm puts f where it is due, at the Unix nanosecond due.
func (w *wheel) arm(t *table, f *Flow, due int64) {
	at := due/second + 1
	at = max(at, w.now+1)
	at = min(at, w.now+wheelSlots-1)
	s := uint32(at % wheelSlots)
	e := &f.entry
	e.slot, e.prev, e.next = s+1, 0, w.slot[s]
	if e.next != 0 {
		t.at(e.next).entry.prev = e.self
	}
	w.slot[s] = e.self
}

// disarm takes f out.
func (w *wheel) disarm(t *table, f *Flow) {
	e := &f.entry
	if e.slot == 0 {
		return
	}
	if e.prev == 0 {
		w.slot[e.slot-1] = e.next
	} else {
		t.at(e.prev).entry.next = e.next
	}
	if e.next != 0 {
		t.at(e.next).entry.prev = e.prev
	}
	e.slot, e.next, e.prev = 0, 0, 0
}

// advance turns the wheel to the Unix nanosecond now and calls due for every flow whose slot came up; due ends it or arms
// it again.
func (w *wheel) advance(t *table, now int64, due func(*Flow)) {
	to := now / second
	if w.now == 0 {
		w.now = to - 1
	}
	if to-w.now > wheelSlots {
		w.now = to - wheelSlots
	}
	for w.now < to {
		w.now++
		s := w.now % wheelSlots
		for i := w.slot[s]; i != 0; {
			f := t.at(i)
			i = f.entry.next
			w.disarm(t, f)
			due(f)
		}
	}
}
