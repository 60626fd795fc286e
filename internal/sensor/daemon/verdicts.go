package daemon

import (
	"errors"

	"github.com/weir-ips/weir/internal/sensor/uplink"
	"github.com/weir-ips/weir/pkg/verdict"
)

// applier carries out the collector's verdicts.
type applier Daemon

// Apply adds a verdict or replaces the one with its ID.
func (a *applier) Apply(v verdict.Verdict) error { return a.enforcer.Apply(v) }

// Remove lifts a verdict; one that has expired meanwhile is gone already.
func (a *applier) Remove(id string) error { return a.enforcer.Remove(id) }

// Replace makes vs the whole of what the collector wants. What this sensor decided by itself stays.
func (a *applier) Replace(epoch, seq uint64, vs []verdict.Verdict) error {
	err := a.enforcer.Replace(epoch, seq, vs)
	var errs []error
	for _, r := range refusals(err) {
		errs = append(errs, &uplink.Refusal{ID: r.ID, Err: r})
	}
	if err != nil && len(errs) == 0 {
		return err
	}
	return errors.Join(errs...)
}

// scopeLocal marks what a sensor decided for itself.
const scopeLocal = "local"

// refusals finds the guard's refusals in a joined error.
func refusals(err error) []*verdict.Refusal {
	var r *verdict.Refusal
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []*verdict.Refusal
		for _, e := range joined.Unwrap() {
			all = append(all, refusals(e)...)
		}
		return all
	}
	if errors.As(err, &r) {
		return []*verdict.Refusal{r}
	}
	return nil
}
