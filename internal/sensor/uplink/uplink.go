// Package uplink is a sensor's connection to the collector: alerts go up through a bounded spool on disk, verdicts come down
// in order, health is reported. Without the collector everything else goes on: alerts are spooled, the least severe given up
// first when the spool is full, and verdicts stay until they expire.
package uplink

import (
	"log/slog"

	"github.com/weir-ips/weir/pkg/verdict"
	"github.com/weir-ips/weir/pkg/wire"
)

// Applier carries out the collector's verdicts. Calls come from one goroutine, in the order of the log. An error refuses
// the verdict: it is reported to the collector, and not offered again before the next Replace.
type Applier interface {
	Apply(v verdict.Verdict) error // add, or replace the one with the same ID
	Remove(id string) error
	// Replace makes vs the whole set of the collector's verdicts, by generation swap: those not in it go, and no verdict in
	// both sets lapses in between. The error is a join of *Refusal for single verdicts, or one for the whole.
	Replace(epoch, seq uint64, vs []verdict.Verdict) error
}

// Refusal is an Applier's error about one verdict.
type Refusal struct {
	ID  string
	Err error
}

func (r *Refusal) Error() string { return "verdict " + r.ID + ": " + r.Err.Error() }

// Unwrap returns the reason.
func (r *Refusal) Unwrap() error { return r.Err }

// Options says who the sensor is and how it reaches the collector. Sensor, URL, Dir and Applier are required.
type Options struct {
	Sensor      string
	Group       string // verdicts scoped to it apply here too
	URL         string // nats://host:port or tls://host:port, several separated by commas
	Credentials string // file made by `collector sensor add`; one that does not exist is as good as none
	Dir         string // the spool's: kept over restarts, used by one process at a time
	SpoolBytes  int64  // bound of the spool on disk; 256 MB if 0
	Applier     Applier
	Health      func(*wire.Health) // fills in what the sensor knows; identity, log position and uplink counters are set already
	Log         *slog.Logger       // nil: slog.DiscardHandler
}
