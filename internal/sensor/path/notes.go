package path

import "github.com/weir-ips/weir/pkg/flow"

// notes are what has been said once about a flow; Flow.Logged holds a *notes, made only for flows that need it.
type notes uint8

const (
	noteDrop          notes = 1 << iota // a drop of the first direction has been recorded; shifted by one, of the second
	_                                   // noteDrop << app.ToClient
	noteDecided                         // Hooks.Decided has been called
	noteUninteresting                   // Hooks.Uninteresting has been called
)

// once reports whether n is new to the flow, and notes it.
func (p *Path) once(f *flow.Flow, n notes) bool {
	seen, _ := f.Logged.(*notes)
	if seen == nil {
		seen = new(notes)
		f.Logged = seen
	}
	if *seen&n != 0 {
		return false
	}
	*seen |= n
	return true
}
