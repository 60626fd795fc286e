package collector

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/weir-ips/weir/internal/collector/api"
	"github.com/weir-ips/weir/internal/collector/export"
	"github.com/weir-ips/weir/internal/collector/incident"
	"github.com/weir-ips/weir/internal/collector/store"
)

// State is where accounts, incidents, what people decided about alerts, and the audit log are kept if not in the data directory: in a
// database that several collectors share.
type State struct {
	Postgres string        `yaml:"postgres"` // address, as libpq takes it
	Password export.Secret `yaml:"password"`
}

func (s *State) database() (store.Postgres, error) {
	password, err := s.Password.Value()
	if err != nil {
		return store.Postgres{}, fmt.Errorf("state.password: %w", err)
	}
	return store.Postgres{Address: s.Postgres, Password: password}, nil
}

// open opens a part's tables in the shared database; nil where there is none.
func (s *State) open(ctx context.Context, part store.Part) (*store.Database, error) {
	if s.Postgres == "" {
		return nil, nil
	}
	db, err := s.database()
	if err != nil {
		return nil, err
	}
	return db.OpenPart(ctx, part)
}

// openAudit opens the audit log, wherever it is.
func openAudit(ctx context.Context, cfg *Config) (*store.Audit, error) {
	if cfg.State.Postgres == "" {
		return store.OpenAudit(store.Options{Dir: filepath.Join(cfg.Data, "audit")})
	}
	db, err := cfg.State.database()
	if err != nil {
		return nil, err
	}
	return db.OpenAudit(ctx)
}

func (c *collector) openIncidents(ctx context.Context) error {
	db, err := c.cfg.State.open(ctx, incident.Part())
	if err != nil {
		return fmt.Errorf("incidents: %w", err)
	}
	c.incidents, err = incident.Open(incident.Options{
		Dir: c.path("incidents"), Database: db, Quiet: c.cfg.Incidents.Quiet, AutoClose: c.cfg.Incidents.AutoClose, Keep: c.cfg.Alerts.Keep,
		Log: c.o.Log.With("part", "incidents"),
	})
	return err
}

const (
	takeOverEvery = time.Second
	handOver      = 5 * time.Second // to write what is left
)

// takeAlerts takes alerts into store and incidents while this collector leads. While a shared database does not answer, alerts wait on
// the bus.
func (c *collector) takeAlerts(ctx context.Context) error {
	for told := false; ; told = true {
		err := c.incidents.Lead(ctx)
		if err == nil {
			break
		}
		if !told && ctx.Err() == nil {
			c.o.Log.Error("alerts are not taken in until incidents can be read; will try again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(takeOverEvery):
		}
	}
	if s, ok := c.store.(interface{ Doubt() }); ok { // one that the leader before has written to, too
		s.Doubt()
	}
	err := together(ctx, c.incidents.Run, c.exportIncidents, c.ingest.Run)
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), handOver)
	defer cancel()
	if err := c.incidents.Follow(last); err != nil {
		c.o.Log.Warn("what happened to incidents in the last second is lost", "error", err)
	}
	return err
}

// sharedIncidents are what the API shows of incidents that the leader keeps: they are changed there.
type sharedIncidents struct {
	*incident.Tracker
	follows func() error
}

func (s sharedIncidents) Change(ctx context.Context, id string, change incident.Change) (incident.Detail, error) {
	if err := s.follows(); err != nil {
		return incident.Detail{}, err
	}
	return s.Tracker.Change(ctx, id, change)
}

// shownIncidents is the API's side of them.
func (c *collector) shownIncidents() api.Incidents {
	if c.cfg.State.Postgres == "" {
		return c.incidents
	}
	return sharedIncidents{c.incidents, c.follows}
}
