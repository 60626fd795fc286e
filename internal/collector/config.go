package collector

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"time"

	"github.com/weir-ips/weir/internal/collector/enrol"
	"github.com/weir-ips/weir/internal/collector/export"
	"github.com/weir-ips/weir/internal/collector/feeds"
	"github.com/weir-ips/weir/internal/collector/identity"
	"github.com/weir-ips/weir/internal/collector/incident"
	"github.com/weir-ips/weir/internal/collector/policy"
	"github.com/weir-ips/weir/internal/strictyaml"
	"github.com/weir-ips/weir/internal/telemetry"
)

// Config is collector.yaml. Every key has a default.
type Config struct {
	Data       string                `yaml:"data"`
	API        API                   `yaml:"api"`
	Bus        Bus                   `yaml:"bus"`
	Alerts     Alerts                `yaml:"alerts"`
	NeverBlock []string              `yaml:"never-block"`
	Policy     policy.Config         `yaml:"policy"`
	State      State                 `yaml:"state"`
	Approvals  ApprovalConfig        `yaml:"approvals"`
	Feeds      []feeds.Config        `yaml:"feeds"`
	Incidents  Incidents             `yaml:"incidents"`
	Exports    []export.Config       `yaml:"exports"`
	CrowdSec   export.CrowdSecConfig `yaml:"crowdsec"`
	Log        telemetry.LogOptions  `yaml:"log"`
}

// API is the listener of console, API and metrics.
type API struct {
	Listen       string        `yaml:"listen"`
	TLS          ConsoleTLS    `yaml:"tls"`
	InsecureHTTP bool          `yaml:"insecure-http"` // plain HTTP on other addresses than loopback too
	User         string        `yaml:"user"`          // whom changes are recorded under while nobody needs to sign in
	Session      Session       `yaml:"session"`
	OIDC         identity.OIDC `yaml:"oidc"`
}

// ConsoleTLS is TLS with one more source of certificates: the CA that certifies sensors.
type ConsoleTLS struct {
	Certificate string   `yaml:"certificate"`
	Key         string   `yaml:"key"`
	ClientCA    string   `yaml:"client-ca"` // clients must show a certificate of one of these
	OwnCA       bool     `yaml:"own-ca"`    // a certificate of the collector's own CA, renewed by itself
	Names       []string `yaml:"names"`     // that it is for, beside the host's
}

// Session says how long somebody stays signed in.
type Session struct {
	Idle     time.Duration `yaml:"idle"`     // without a request
	Lifetime time.Duration `yaml:"lifetime"` // at the most
}

// Incidents says when attacks are over.
type Incidents struct {
	Quiet     time.Duration `yaml:"quiet"`      // without an alert
	AutoClose time.Duration `yaml:"auto-close"` // an incident that nobody took up resolves itself
}

// Bus is the listener that sensors connect to.
type Bus struct {
	Listen string `yaml:"listen"`
	TLS    TLS    `yaml:"tls"` // somebody else's certificates instead of those of CA
	CA     CA     `yaml:"ca"`
	Open   Open   `yaml:"open"`

	Cluster Cluster `yaml:"cluster"` // servers that run elsewhere, instead of the one inside the collector
}

// CA is who certifies collector and sensors; without files it is one that the collector makes.
type CA struct {
	Certificate string        `yaml:"certificate"`
	Key         string        `yaml:"key"`
	Lifetime    time.Duration `yaml:"lifetime"` // of sensors' certificates; they renew themselves after two thirds
}

// TLS names PEM files; without a certificate connections are plain.
type TLS struct {
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
	ClientCA    string `yaml:"client-ca"` // clients must show a certificate of one of these
}

// Alerts says where alerts are kept, and how long.
type Alerts struct {
	Store    AlertStore    `yaml:"store"`
	Keep     time.Duration `yaml:"keep"`
	MaxBytes int64         `yaml:"max-bytes"` // beyond it the oldest days go; 0 is no bound
}

// Open is where sensors need no credentials: a list of prefixes, or true for everywhere, or false for nowhere.
type Open []netip.Prefix

// UnmarshalYAML implements yaml.InterfaceUnmarshaler.
func (o *Open) UnmarshalYAML(decode func(any) error) error {
	var all bool
	if decode(&all) == nil {
		*o = nil
		if all {
			*o = Open{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
		}
		return nil
	}
	var list []string
	if err := decode(&list); err != nil {
		return err
	}
	*o = nil
	for _, s := range list {
		p, err := parsePrefix(s)
		if err != nil {
			return err
		}
		*o = append(*o, p)
	}
	return nil
}

// Default is the configuration of an empty file: everything on loopback, nothing decided by itself.
func Default() Config {
	return Config{
		Data:      "/var/lib/weir-collector",
		API:       API{Listen: "127.0.0.1:8443", User: "local", Session: Session{Idle: identity.DefaultIdle, Lifetime: identity.DefaultLifetime}},
		Bus:       Bus{Listen: "127.0.0.1:4222", Open: Open{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}, CA: CA{Lifetime: enrol.SensorLife}},
		Alerts:    Alerts{Keep: 30 * 24 * time.Hour},
		Policy:    policy.Config{Limits: policy.DefaultLimits(), Canary: policy.DefaultCanary},
		Approvals: ApprovalConfig{Classes: []string{classWide}, Expire: time.Hour},
		Incidents: Incidents{Quiet: incident.DefaultQuiet, AutoClose: incident.DefaultAutoClose},
	}
}

// LoadConfig reads and checks the file at path; without a path it is the default. Errors name file, line, column and key.
func LoadConfig(path string) (*Config, error) {
	c := Default()
	if path == "" {
		return &c, nil
	}
	doc, err := strictyaml.Load(path, &c)
	if err != nil {
		return nil, err
	}
	if reflect.ValueOf(c).IsZero() { // a file without any key is YAML's null, which overwrites everything
		c = Default()
	}
	return &c, c.check(doc)
}

func (c *Config) check(doc *strictyaml.Document) error {
	if c.Data == "" {
		return doc.Errorf("data", "name the directory that everything is kept in")
	}
	if c.API.User == "" {
		return doc.Errorf("api.user", "is empty: changes are recorded under it")
	}
	if err := c.checkAccess(doc); err != nil {
		return err
	}
	for _, t := range []struct {
		key string
		TLS
	}{{"api.tls", c.API.TLS.files()}, {"bus.tls", c.Bus.TLS}} {
		if (t.Certificate == "") != (t.Key == "") || t.ClientCA != "" && t.Certificate == "" {
			return doc.Errorf(t.key, "certificate and key go together, and client-ca with them")
		}
	}
	if err := c.Bus.Cluster.check(doc); err != nil {
		return err
	}
	switch ca := c.Bus.CA; {
	case (ca.Certificate == "") != (ca.Key == ""):
		return doc.Errorf("bus.ca", "certificate and key go together")
	case ca.Certificate != "" && c.Bus.TLS.Certificate != "":
		return doc.Errorf("bus.ca", "certificates come from bus.ca or from bus.tls, not from both")
	case ca.Lifetime < time.Minute || ca.Lifetime > 366*24*time.Hour:
		return doc.Errorf("bus.ca.lifetime", "%s is not from 1m to 8784h", ca.Lifetime)
	}
	if c.Alerts.Keep < time.Hour {
		return doc.Errorf("alerts.keep", "%s is shorter than an hour", c.Alerts.Keep)
	}
	if key, reason := c.Alerts.Store.VictoriaLogs.check(); key != "" {
		return doc.Errorf("alerts.store.victorialogs."+key, "%s", reason)
	}
	if c.Alerts.MaxBytes < 0 {
		return doc.Errorf("alerts.max-bytes", "%d is negative", c.Alerts.MaxBytes)
	}
	for i, s := range c.NeverBlock {
		if _, err := parsePrefix(s); err != nil {
			return doc.Errorf(fmt.Sprintf("never-block[%d]", i), "%v", err)
		}
	}
	if key, reason := c.Approvals.check(); key != "" {
		return doc.Errorf("approvals."+key, "%s", reason)
	}
	var faults []error
	names := map[string]bool{}
	for i := range c.Feeds {
		f := &c.Feeds[i]
		key, reason := f.Check()
		if key == "" && names[f.Name] {
			key, reason = "name", fmt.Sprintf("%q is the name of another feed", f.Name)
		}
		if names[f.Name] = true; key != "" {
			faults = append(faults, doc.Errorf(fmt.Sprintf("feeds[%d].%s", i, key), "%s", reason))
		}
	}
	faults = append(faults, c.checkExports(doc)...)
	if key, reason := c.State.Password.Check(); key != "" {
		faults = append(faults, doc.Errorf("state.password."+key, "%s", reason))
	}
	for _, f := range c.Policy.Check() {
		faults = append(faults, doc.Errorf("policy."+f.Key, "%s", f.Reason))
	}
	return errors.Join(faults...)
}

// files is the part of it that Bus.TLS has too.
func (t *ConsoleTLS) files() TLS { return TLS{t.Certificate, t.Key, t.ClientCA} }

// checkAccess checks who gets in and for how long.
func (c *Config) checkAccess(doc *strictyaml.Document) error {
	switch t := c.API.TLS; {
	case t.OwnCA && t.Certificate != "":
		return doc.Errorf("api.tls.own-ca", "the certificate comes from own-ca or from certificate, not from both")
	case t.OwnCA && c.Bus.TLS.Certificate != "":
		return doc.Errorf("api.tls.own-ca", "there is no own CA: bus.tls brings other certificates")
	case len(t.Names) > 0 && !t.OwnCA:
		return doc.Errorf("api.tls.names", "names go with own-ca")
	}
	for key, d := range map[string]time.Duration{
		"api.session.idle": c.API.Session.Idle, "api.session.lifetime": c.API.Session.Lifetime,
		"incidents.quiet": c.Incidents.Quiet, "incidents.auto-close": c.Incidents.AutoClose,
	} {
		if d < time.Minute || d > 30*24*time.Hour {
			return doc.Errorf(key, "%s is not from 1m to 720h", d)
		}
	}
	if key, reason := c.API.OIDC.Check(); key != "" {
		return doc.Errorf("api.oidc."+key, "%s", reason)
	}
	return nil
}

// neverBlock is the checked list.
func (c *Config) neverBlock() []netip.Prefix {
	out := make([]netip.Prefix, 0, len(c.NeverBlock))
	for _, s := range c.NeverBlock {
		if p, err := parsePrefix(s); err == nil {
			out = append(out, p)
		}
	}
	return out
}

// parsePrefix takes an address for its single-address prefix.
func parsePrefix(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, fmt.Errorf("%q is neither an address nor a prefix such as 203.0.113.0/24", s)
	}
	if p != p.Masked() {
		return p, fmt.Errorf("%q has bits beyond its length: %s is meant", s, p.Masked())
	}
	return p, nil
}
