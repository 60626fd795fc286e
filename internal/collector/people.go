package collector

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/weir-ips/weir/internal/collector/api"
	"github.com/weir-ips/weir/internal/collector/identity"
)

// OpenIdentity opens the accounts; the command line may while the collector runs.
func OpenIdentity(ctx context.Context, cfg *Config, log *slog.Logger) (*identity.Book, error) {
	db, err := cfg.State.open(ctx, identity.Part())
	if err != nil {
		return nil, fmt.Errorf("accounts: %w", err)
	}
	return identity.Open(identity.Options{
		Dir: filepath.Join(cfg.Data, "identity"), Database: db, Idle: cfg.API.Session.Idle, Lifetime: cfg.API.Session.Lifetime, Log: log,
	})
}

// firstRun hands out the link that makes the first account, while there is none.
func (c *collector) firstRun(ctx context.Context) error {
	empty, err := c.people.Empty(ctx)
	if err != nil || !empty || c.o.Invite == nil {
		return err
	}
	secret, _, err := c.people.Invite(ctx, "")
	if err != nil {
		return fmt.Errorf("first-run link: %w", err)
	}
	c.o.Invite(api.InvitePath(secret))
	return nil
}

// settings is the answer to GET /settings.
func (c *collector) settings() api.Settings {
	epoch, seq := c.log.Position()
	s := api.Settings{
		Version: c.o.Version, StartedAt: c.started, Data: c.cfg.Data, Console: c.listener.Addr().String(), ConsoleTLS: c.cfg.API.TLS.OwnCA || c.cfg.API.TLS.Certificate != "",
		Bus: c.busAddr().String(), BusTLS: true, Provider: c.cfg.API.OIDC.Issuer,
		AlertsKeepSeconds: int64(c.cfg.Alerts.Keep / time.Second), AlertsMaxBytes: c.cfg.Alerts.MaxBytes,
		SessionIdle: int64(c.cfg.API.Session.Idle / time.Second), SessionLifetime: int64(c.cfg.API.Session.Lifetime / time.Second),
		IncidentQuiet: int64(c.cfg.Incidents.Quiet / time.Second), IncidentClose: int64(c.cfg.Incidents.AutoClose / time.Second),
		Sensors: len(c.sensors.All()), Alerts: c.store.Stats().Stored, Epoch: epoch, Seq: seq,
	}
	s.Exports = c.exports.List()
	if c.ca != nil {
		sum := sha256.Sum256(c.ca.Certificate.Raw)
		s.CA = hex.EncodeToString(sum[:])
	}
	return s
}
