// Package replay runs capture files through the sensor's path, as if their traffic were passing now.
package replay

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/weir-ips/weir/internal/sensor/path"
	"github.com/weir-ips/weir/internal/sensor/suricatayaml"
	"github.com/weir-ips/weir/pkg/capture"
	"github.com/weir-ips/weir/pkg/event"
	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/signatures"
	"github.com/weir-ips/weir/pkg/signatures/keyword"
	"github.com/weir-ips/weir/pkg/threshold"
)

// Options say what is replayed and how.
type Options struct {
	Captures []string
	Out      string // directory of the records; "" for settings without outputs
	Settings *suricatayaml.Settings
	Rules    *signatures.Ruleset // nil: no detection
	Loaded   time.Time           // when the rules were loaded
	Workers  int                 // at least 1
	Block    func(*keyword.Signature) bool
	Detect   *threshold.Limits // of floods, scans and the like; nil: they are not looked for
	// Profile adds up what rules cost; nil: they are not timed. It is for one worker.
	Profile *signatures.Profile
	// Warn is told of a capture whose end is damaged, and of files among captures that are none; nil makes both errors.
	Warn func(error)
}

// Replay is one run.
type Replay struct {
	opts    Options
	flow    *flow.Config
	files   []*event.File
	outputs []*event.Output
	store   *path.FileStore
	read    int     // captures that could be opened
	refused []error // and those that are none
	alerts  *tally
	totals  path.Stats
	start   time.Time
	packets uint64
	bytes   uint64
}

// Run replays the captures one after the other, each with empty flow and threshold state, and closes the records. The
// Summary covers what was read, also when there is an error.
func Run(ctx context.Context, o Options) (s Summary, err error) {
	r := &Replay{opts: o, flow: o.Settings.Flow, alerts: newTally()}
	o.Settings.Parsers.Files.Unread = o.Rules == nil && !o.Settings.FileStore.Enabled
	r.flow.Protocols = o.Settings.Parsers.Protocols()
	if err := r.open(); err != nil {
		return s, err
	}
	r.start = time.Now()
	for _, c := range o.Captures {
		err = errors.Join(err, r.capture(ctx, c))
		if ctx.Err() != nil {
			break
		}
	}
	err = errors.Join(err, r.refusals())
	for _, f := range r.files {
		err = errors.Join(err, f.Close())
	}
	return r.summary(), err
}

// open creates the output directory and its files.
func (r *Replay) open() error {
	if r.opts.Out == "" {
		return nil
	}
	if err := os.MkdirAll(r.opts.Out, 0o755); err != nil {
		return fmt.Errorf("make the output directory: %w", err)
	}
	for i := range r.opts.Settings.Outputs {
		o := &r.opts.Settings.Outputs[i]
		f, err := event.Create(filepath.Join(r.opts.Out, o.Name), false)
		if err != nil {
			return err
		}
		r.files = append(r.files, f)
		r.outputs = append(r.outputs, &event.Output{Options: o.Options, Sink: f})
	}
	if store := &r.opts.Settings.FileStore; store.Enabled {
		var err error
		if r.store, err = path.NewFileStore(filepath.Join(r.opts.Out, store.Dir), store.Force); err != nil {
			return err
		}
	}
	return nil
}

// capture replays one file.
func (r *Replay) capture(ctx context.Context, name string) error {
	src, err := capture.Open(name)
	var system *fs.PathError
	switch {
	case errors.As(err, &system):
		return err
	case err != nil:
		r.refused = append(r.refused, err)
		return nil
	}
	r.read++
	crew, err := r.crew(name, src)
	defer func() {
		for _, w := range crew {
			w.src.Close()
		}
	}()
	if err != nil {
		return err
	}
	stats, err := work(ctx, crew)
	r.totals.Add(&stats)
	r.packets += crew[0].packets
	r.bytes += crew[0].bytes
	if errors.Is(err, capture.ErrDamaged) && r.opts.Warn != nil {
		r.opts.Warn(fmt.Errorf("%w; the frames before it were read", err))
		return nil
	}
	return err
}

// refusals are the files that are no captures. Among several captures they are passed over with a warning; an error is
// when there was nothing else.
func (r *Replay) refusals() error {
	if r.read == 0 || r.opts.Warn == nil {
		return errors.Join(r.refused...)
	}
	for _, err := range r.refused {
		r.opts.Warn(fmt.Errorf("%w; the file was passed over", err))
	}
	return nil
}

// config is what one worker's path is built from.
func (r *Replay) config(name string, shared *signatures.Shared) path.Config {
	s := r.opts.Settings
	return path.Config{
		Flow: r.flow, Decoder: s.Decoder, Rules: r.opts.Rules, Shared: shared, Outputs: r.outputs,
		IPS: s.IPS, Capture: name, Block: r.opts.Block, Stats: path.Stats{Policies: s.Stats.Policies, Loaded: r.opts.Loaded.UnixNano()},
		Hashes: s.Parsers.Files.Rules, HASSH: s.HASSH, Detect: r.opts.Detect, Store: r.store, Profile: r.opts.Profile, Hooks: path.Hooks{Alert: r.alerts.add},
	}
}
