package path

import (
	"github.com/weir-ips/weir/pkg/event"
	"github.com/weir-ips/weir/pkg/flow"
)

// memory is what the Path keeps of a flow in Flow.Logged. It is made only for flows that need it.
type memory struct {
	said      note
	appEvents flow.AppEventSet // recorded
	macs      event.MACs
	txEvents  map[uint64]int // events recorded of each transaction that has any
}

// note is something that is said once about a flow.
type note uint8

const (
	noteDrop          note = 1 << iota // a drop of the first direction has been recorded; shifted by one, of the second
	_                                  // noteDrop << app.ToClient
	noteDecided                        // Hooks.Decided has been called
	noteUninteresting                  // Hooks.Uninteresting has been called
)

func memoryOf(f *flow.Flow) *memory {
	m, _ := f.Logged.(*memory)
	if m == nil {
		m = new(memory)
		f.Logged = m
	}
	return m
}

// once reports whether n is new to the flow, and notes it.
func once(f *flow.Flow, n note) bool {
	m := memoryOf(f)
	if m.said&n != 0 {
		return false
	}
	m.said |= n
	return true
}
