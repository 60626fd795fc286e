package collector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weir-ips/weir/internal/collector/api"
	"github.com/weir-ips/weir/internal/collector/export"
	"github.com/weir-ips/weir/internal/telemetry"
)

// addedExport is a destination that a person has added while the collector runs. Its secret is in the settings' file, which only the
// service can read.
type addedExport struct {
	export.Config
	By string
	At time.Time
}

// outlet is a destination at work.
type outlet struct {
	*export.Exporter
	addedExport
	counters prometheus.Collector
}

// outlets is api.Exports: the destinations of collector.yaml and those that people have added.
type outlets struct {
	version string
	log     *slog.Logger
	metrics *prometheus.Registry
	works   *works
	spool   *export.Spool
	govern  *governor // set once there is one

	opening sync.Mutex // one opens or shuts at a time
	mu      sync.RWMutex
	all     []*outlet
}

// open begins to queue for a destination, unless that is so already; run delivers.
func (o *outlets) open(a addedExport) error {
	o.opening.Lock()
	defer o.opening.Unlock()
	if _, err := o.find(a.Name); err == nil {
		return nil
	}
	x, err := export.New(a.Config, o.spool, o.version, o.log)
	if err != nil {
		return err
	}
	counters := &telemetry.Stats{
		Prefix: "weir_collector_export", Const: prometheus.Labels{"export": a.Name}, Gauges: []string{"Waiting", "Failing", "Dead"},
		Read: func() any { return x.Stats() },
	}
	if err := o.metrics.Register(counters); err != nil {
		return fmt.Errorf("export %s: %w", a.Name, err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.all = append(o.all, &outlet{x, a, counters})
	return nil
}

// follow opens what people have added, here or at the collector that leads, and shuts what they have removed. What cannot be opened any
// more is logged: the collector must come up.
func (o *outlets) follow() {
	added := o.govern.settings.addedExports()
	for _, a := range added {
		if err := o.open(a); err != nil {
			o.log.Error("an export that was added does not work", "error", err)
		}
	}
	for _, x := range o.snapshot() {
		if x.By != "" && !slices.ContainsFunc(added, func(a addedExport) bool { return a.Name == x.addedExport.Name && a.At.Equal(x.At) }) {
			o.shut(x)
		}
	}
}

func (o *outlets) snapshot() []*outlet {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return slices.Clone(o.all)
}

func (o *outlets) none() bool {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return len(o.all) == 0
}

// offer hands events to every destination that wants them; see export.Exporter.OfferAt.
func (o *outlets) offer(events []export.Event, at []uint64, again bool) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	for _, x := range o.all {
		x.OfferAt(events, at, again)
	}
}

// tidy drops what waits for destinations that are no more.
func (o *outlets) tidy() error {
	var left []export.Config
	for _, x := range o.snapshot() {
		left = append(left, x.addedExport.Config)
	}
	return o.spool.Forget(left)
}

// run delivers until ctx ends.
func (o *outlets) run(ctx context.Context) error {
	return o.works.run(ctx, func() map[string]func(context.Context) {
		o.follow()
		want := map[string]func(context.Context){}
		for _, x := range o.snapshot() {
			want[x.addedExport.Name] = x.Run
		}
		return want
	})
}

// List says how they fare.
func (o *outlets) List() []api.Export {
	var all []api.Export
	for _, x := range o.snapshot() {
		n, c := x.Stats(), &x.addedExport
		e := api.Export{
			Name: c.Name, Type: string(c.Type), State: "ok", Sent: n.Sent, Dropped: n.Dropped, Refused: n.Refused, Waiting: n.Waiting, Dead: n.Dead,
			Target: targetOf(&c.Config), Severity: c.Severity, AddedBy: c.By,
		}
		if n.Failing > 0 {
			e.State = "failing"
		}
		for _, k := range c.Events {
			e.Events = append(e.Events, string(k))
		}
		all = append(all, e)
	}
	return all
}

// targetOf is where c delivers to, without what may be secret: paths and queries of addresses are.
func targetOf(c *export.Config) string {
	switch {
	case c.URL != "":
		u, err := url.Parse(c.URL)
		if err != nil {
			return ""
		}
		return u.Scheme + "://" + u.Host
	case c.Path != "":
		return c.Path
	case len(c.Kafka.Brokers) > 0:
		return c.Kafka.Brokers[0]
	}
	return c.AWS.Region
}

func (o *outlets) find(name string) (*outlet, error) {
	for _, x := range o.snapshot() {
		if x.addedExport.Name == name {
			return x, nil
		}
	}
	return nil, fmt.Errorf("export %q: %w", name, api.ErrNotFound)
}

// maxAddedExports bounds how many destinations people add.
const maxAddedExports = 20

// addable are the types that need nothing of the host: no file, no credentials.
func addable() []export.Type {
	return []export.Type{export.TypeWebhook, export.TypeSlack, export.TypePagerDuty, export.TypeSyslog, export.TypeHTTP}
}

// Add begins to export to a destination.
func (o *outlets) Add(ctx context.Context, q api.NewExport, by string) error {
	c := export.Config{Name: q.Name, Type: export.Type(q.Type), URL: q.URL, Severity: q.Severity, Format: export.Format(q.Format), Secret: export.Secret{Text: q.Secret}}
	for _, k := range q.Events {
		c.Events = append(c.Events, export.Kind(k))
	}
	if !slices.Contains(addable(), c.Type) {
		return &api.Invalid{Fields: []api.FieldError{{Field: "type", Detail: fmt.Sprintf("one of %v: others need files or credentials of the host, configure them in collector.yaml", addable())}}}
	}
	if key, reason := c.Check(); key != "" {
		return &api.Invalid{Fields: []api.FieldError{{Field: key, Detail: reason}}}
	}
	if _, err := o.find(c.Name); err == nil {
		return &api.Invalid{Fields: []api.FieldError{{Field: "name", Detail: fmt.Sprintf("%q is the name of another export", c.Name)}}}
	}
	if err := o.govern.follows(); err != nil {
		return err
	}
	a := addedExport{c, by, time.Now().UTC()}
	err := o.govern.settings.change(func(s *settingsData) error {
		if len(s.Exports) >= maxAddedExports {
			return &api.Refused{Reason: fmt.Sprintf("%d exports were added already: configure more in collector.yaml", maxAddedExports)}
		}
		s.Exports = append(s.Exports, a)
		return nil
	})
	if err != nil {
		return err
	}
	if err := o.open(a); err != nil {
		return errors.Join(&api.Refused{Reason: err.Error()}, o.forget(c.Name))
	}
	o.works.look()
	q.Secret, q.URL = "", targetOf(&c) // what may be secret is not for the audit log
	return o.govern.note(ctx, by, "export.add", c.Name, map[string]any{"after": q})
}

// shut ends a destination; what still waits is delivered if it can be within seconds.
func (o *outlets) shut(x *outlet) {
	o.opening.Lock()
	defer o.opening.Unlock()
	o.mu.Lock()
	o.all = slices.DeleteFunc(o.all, func(y *outlet) bool { return y == x })
	o.mu.Unlock()
	o.works.end(x.addedExport.Name)
	o.metrics.Unregister(x.counters)
}

// forget takes a destination out of the settings.
func (o *outlets) forget(name string) error {
	return o.govern.settings.change(func(s *settingsData) error {
		s.Exports = slices.DeleteFunc(s.Exports, func(a addedExport) bool { return a.Name == name })
		return nil
	})
}

// Remove ends a destination that a person has added.
func (o *outlets) Remove(ctx context.Context, name, by string) error {
	x, err := o.find(name)
	if err == nil && x.By == "" {
		err = &api.Refused{Reason: "it is configured in collector.yaml: take it out there"}
	}
	if err == nil {
		err = o.govern.follows()
	}
	if err == nil {
		err = o.forget(name)
	}
	if err != nil {
		return err
	}
	o.shut(x)
	if err := o.tidy(); err != nil {
		return err
	}
	return o.govern.note(ctx, by, "export.remove", name, nil)
}

// testTimeout is how long a destination has for a test.
const testTimeout = 15 * time.Second

// Test hands a destination one event that says it is a test.
func (o *outlets) Test(ctx context.Context, name, by string) (took time.Duration, err error) {
	x, err := o.find(name)
	if err != nil {
		return 0, err
	}
	try, cancel := context.WithTimeout(ctx, testTimeout)
	defer cancel()
	began := time.Now()
	err = export.Try(try, x.addedExport.Config, o.version, o.log)
	took = time.Since(began)
	result := "ok"
	if err != nil {
		result = err.Error()
		err = &api.Refused{Reason: "the destination did not take it: " + result}
	}
	return took, errors.Join(err, o.govern.note(ctx, by, "export.test", name, map[string]any{"result": result}))
}
