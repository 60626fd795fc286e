package enforce

import (
	"errors"
	"slices"

	"github.com/weir-ips/weir/pkg/verdict"
)

// Hold is the kill switch for a part: verdicts of these origins, or that these rules asked for, go on counting what they would stop and
// stop nothing. What lets traffic through is not held.
type Hold struct {
	Origins []verdict.Origin
	Rules   []uint32
}

// covers reports whether v is held.
func (h *Hold) covers(v *verdict.Verdict) bool {
	return v.Stops() && (slices.Contains(h.Origins, v.Origin) || v.Rule != 0 && slices.Contains(h.Rules, v.Rule))
}

// Hold puts h in the place of the last: what is held no longer is carried out again.
func (e *Enforcer) Hold(h Hold) error {
	e.lock()
	defer e.mu.Unlock()
	was := e.held
	e.held = Hold{slices.Clone(h.Origins), slices.Clone(h.Rules)}
	var errs []error
	for entry := range e.table.All() {
		if was.covers(&entry.Verdict) != h.covers(&entry.Verdict) {
			entry.Written = false
			errs = append(errs, e.sync(entry.Match.Subject()))
		}
	}
	return errors.Join(errs...)
}
