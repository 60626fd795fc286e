package collector

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/weir-ips/weir/internal/collector/api"
	"github.com/weir-ips/weir/internal/collector/bus"
	"github.com/weir-ips/weir/internal/collector/export"
	"github.com/weir-ips/weir/internal/collector/store"
	"github.com/weir-ips/weir/internal/collector/victorialogs"
)

// alertStore is where alerts are kept and searched: *store.Store in files of this collector, *victorialogs.Store on a server that
// others may share. Insert keeps an alert once however often it comes; searches choose alike, and alike what streams are given.
type alertStore interface {
	bus.Store
	api.Alerts
	Stats() store.Stats
	Close() error
}

// AlertStore is where alerts are kept if not in the data directory.
type AlertStore struct {
	VictoriaLogs VictoriaLogs `yaml:"victorialogs"`
}

// VictoriaLogs is a server, or a cluster's front, that keeps alerts as long as it is configured to.
type VictoriaLogs struct {
	URL     string        `yaml:"url"`
	TLS     ClusterTLS    `yaml:"tls"`
	Secret  export.Secret `yaml:"secret"`  // the whole Authorization header
	Account uint32        `yaml:"account"` // tenant
	Project uint32        `yaml:"project"`
}

func (v *VictoriaLogs) check() (key, reason string) {
	u, err := url.Parse(v.URL)
	switch {
	case v.URL == "" && *v != (VictoriaLogs{}):
		return "url", "is missing: where the server is, such as https://logs.example:9428"
	case v.URL != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https"):
		return "url", fmt.Sprintf("%q is not of the form https://logs.example:9428", v.URL)
	case (v.TLS.Certificate == "") != (v.TLS.Key == ""):
		return "tls", "certificate and key go together"
	}
	if key, reason := v.Secret.Check(); key != "" {
		return "secret." + key, reason
	}
	return "", ""
}

// answerWithin bounds a request to the server.
const answerWithin = 30 * time.Second

func (c *collector) openAlerts(ctx context.Context) error {
	v := &c.cfg.Alerts.Store.VictoriaLogs
	db, err := c.cfg.State.open(ctx, store.DeskPart())
	if err != nil {
		return fmt.Errorf("triage: %w", err)
	}
	log := c.o.Log.With("part", "store")
	if db != nil {
		c.desk = store.NewDesk(db, log)
	}
	if v.URL == "" {
		files, err := store.Open(store.Options{Dir: c.path("alerts"), MaxAge: c.cfg.Alerts.Keep, MaxBytes: c.cfg.Alerts.MaxBytes, Desk: c.desk, Log: log})
		if err != nil {
			return err
		}
		c.store = files
		return nil
	}
	if c.desk == nil {
		if c.desk, err = store.OpenDesk(c.path("triage.db"), log); err != nil {
			return err
		}
	}
	secure, err := v.TLS.client()
	if err != nil {
		return fmt.Errorf("alerts.store.victorialogs.tls: %w", err)
	}
	server, err := victorialogs.Open(victorialogs.Options{
		URL: v.URL, Authorization: v.Secret.Value, Account: v.Account, Project: v.Project, Desk: c.desk, Keep: c.cfg.Alerts.Keep, Log: log,
		Client: &http.Client{
			Timeout:       answerWithin,
			Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: secure, MaxIdleConnsPerHost: 8, IdleConnTimeout: time.Minute},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // secrets do not travel on
		},
	})
	if err != nil {
		return err
	}
	c.store = server
	return nil
}
