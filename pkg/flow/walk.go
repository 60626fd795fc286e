package flow

// Walk visits up to limit places of the table from place from on, and returns where to go on; 0 says that there are no more.
// visit must keep nothing of the Flow and change nothing in it. Flows that come or end between two calls may be missed.
func (t *Tracker) Walk(from uint32, limit int, visit func(*Flow)) (next uint32) {
	n := uint32(t.table.count)
	for i := from; i < n; i++ {
		if limit--; limit < 0 {
			return i
		}
		if f := t.table.at(i + 1); f.entry.self != 0 {
			visit(f)
		}
	}
	return 0
}
