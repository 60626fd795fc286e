package collector

import (
	"context"
	"fmt"
	"net"

	"github.com/weir-ips/weir/internal/collector/export"
	vlog "github.com/weir-ips/weir/internal/collector/log"
	"github.com/weir-ips/weir/internal/collector/store"
	"github.com/weir-ips/weir/internal/strictyaml"
	"github.com/weir-ips/weir/pkg/wire"
)

func (c *Config) checkExports(doc *strictyaml.Document) (faults []error) {
	names := map[string]bool{}
	for i := range c.Exports {
		x := &c.Exports[i]
		key, reason := x.Check()
		if key == "" && names[x.Name] {
			key, reason = "name", fmt.Sprintf("%q is the name of another export", x.Name)
		}
		if names[x.Name] = true; key != "" {
			faults = append(faults, doc.Errorf(fmt.Sprintf("exports[%d].%s", i, key), "%s", reason))
		}
	}
	if key, reason := c.CrowdSec.Check(); key != "" {
		faults = append(faults, doc.Errorf("crowdsec."+key, "%s", reason))
	}
	return faults
}

// openExports opens what collector.yaml names; those that people have added are opened when the settings are.
func (c *collector) openExports(context.Context) (err error) {
	if c.spool, err = export.OpenSpool(c.cfg.Data); err != nil {
		return err
	}
	c.exports = &outlets{version: c.o.Version, log: c.o.Log.With("part", "exports"), metrics: c.metrics, works: newWorks(), spool: c.spool}
	for _, cfg := range c.cfg.Exports {
		if err := c.exports.open(addedExport{Config: cfg}); err != nil {
			return err
		}
	}
	if c.cfg.CrowdSec.Listen == "" {
		return nil
	}
	if c.crowdsec, err = net.Listen("tcp", c.cfg.CrowdSec.Listen); err != nil {
		return fmt.Errorf("crowdsec.listen: %w", err)
	}
	return nil
}

// serveCrowdSec answers bouncers until ctx ends.
func (c *collector) serveCrowdSec(ctx context.Context) error {
	if c.crowdsec == nil {
		return nil
	}
	s, err := export.NewCrowdSec(&c.cfg.CrowdSec, c.log)
	if err != nil {
		return err
	}
	return s.Serve(ctx, c.crowdsec, c.cfg.CrowdSec.TLS)
}

// fresh takes what was new to the store.
func (c *collector) fresh(events []wire.Event, at []uint64) { c.make(events, at, false) }

// again takes what the store had when this collector began to lead, and nobody may have made anything of.
func (c *collector) again(events []wire.Event, at []uint64) { c.make(events, at, true) }

func (c *collector) make(events []wire.Event, at []uint64, again bool) {
	c.engine.Consider(events)
	c.incidents.ConsiderAt(events, at, again)
	if c.exports.none() {
		return
	}
	out := make([]export.Event, len(events))
	for i := range events {
		a := store.FromEvent(&events[i])
		out[i] = export.Event{Kind: export.KindAlert, Alert: &a}
	}
	c.exports.offer(out, at, again)
}

func (c *collector) exportVerdicts(changes []vlog.Change) {
	if c.exports.none() {
		return
	}
	out := make([]export.Event, len(changes))
	for i, ch := range changes {
		out[i] = export.Event{Kind: export.KindVerdict, Verdict: &export.VerdictChange{Verdict: ch.Verdict, Op: string(ch.Op), By: ch.By, At: ch.At}}
	}
	c.exports.offer(out, nil, false)
}

// retryExport puts what a destination refused back into its queue.
func (c *collector) retryExport(ctx context.Context, name, by string) (int, error) {
	x, err := c.exports.find(name)
	if err != nil {
		return 0, err
	}
	n, err := x.Retry(ctx)
	if err != nil {
		return n, err
	}
	return n, c.govern.note(ctx, by, "export.retry", name, map[string]any{"events": n})
}
