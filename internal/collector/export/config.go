package export

import (
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/weir-ips/weir/pkg/wire"
)

// Type is a kind of destination.
type Type string

// Types of destinations.
const (
	TypeFile         Type = "file"
	TypeHTTP         Type = "http"
	TypeSyslog       Type = "syslog"
	TypeWebhook      Type = "webhook"
	TypeSlack        Type = "slack"
	TypePagerDuty    Type = "pagerduty"
	TypeKafka        Type = "kafka"
	TypeSecurityLake Type = "security-lake"
	TypeSecurityHub  Type = "security-hub"
)

// Config is one element of the list "exports" in collector.yaml.
type Config struct {
	Name     string        `yaml:"name"`
	Type     Type          `yaml:"type"`
	Events   []Kind        `yaml:"events"`   // alert unless said otherwise; all for webhook, slack, pagerduty
	Severity uint8         `yaml:"severity"` // only what is at most this (1 is worst); 0 is all
	Format   Format        `yaml:"format"`   // of file, http, syslog, kafka
	URL      string        `yaml:"url"`      // http(s)://…; udp://, tcp:// or tls:// host:port; s3://bucket
	Path     string        `yaml:"path"`     // of file: the file; of security-lake without url: the folder
	Secret   Secret        `yaml:"secret"`   // Authorization header, HMAC key, routing key, or SASL password
	TLS      TLS           `yaml:"tls"`
	Every    time.Duration `yaml:"every"` // how long events are collected before they are sent together
	Batch    int           `yaml:"batch"` // events sent together at most
	Queue    int           `yaml:"queue"` // events waiting at most
	GiveUp   time.Duration `yaml:"give-up"`
	MaxBytes int64         `yaml:"max-bytes"` // of file, before it is rotated
	Keep     int           `yaml:"keep"`      // rotated files
	Kafka    Kafka         `yaml:"kafka"`
	AWS      AWS           `yaml:"aws"`
}

// TLS is how a destination is trusted and what is shown to it; empty is the system's roots and nothing.
type TLS struct {
	CA          string `yaml:"ca"`
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
}

// Kafka is what kafka needs besides.
type Kafka struct {
	Brokers []string `yaml:"brokers"`
	Topic   string   `yaml:"topic"`
	User    string   `yaml:"user"` // SASL SCRAM-SHA-512, with the secret as its password; empty is none
}

// AWS is what security-lake and security-hub need besides. Credentials are found as the AWS tools find them.
type AWS struct {
	Region   string `yaml:"region"`
	Account  string `yaml:"account"`
	Source   string `yaml:"source"`   // of security-lake: the custom source's name
	Class    string `yaml:"class"`    // of security-lake: detection or network
	Product  string `yaml:"product"`  // of security-hub: the product's ARN; the account's default product otherwise
	Endpoint string `yaml:"endpoint"` // instead of the service's, for VPC endpoints
}

// Defaults and bounds.
const (
	defaultQueue    = 10_000
	defaultGiveUp   = time.Hour
	defaultMaxBytes = 256 << 20
	defaultKeep     = 8
	maxQueue        = 1_000_000
)

// defaultsOf says for each type how long it collects, and how much.
var defaultsOf = map[Type]struct {
	every time.Duration
	batch int
}{
	TypeFile: {100 * time.Millisecond, 1000}, TypeHTTP: {time.Second, 500}, TypeSyslog: {100 * time.Millisecond, 500},
	TypeWebhook: {10 * time.Second, 500}, TypeSlack: {time.Minute, 5000}, TypePagerDuty: {10 * time.Second, 500},
	TypeKafka: {100 * time.Millisecond, 1000}, TypeSecurityLake: {5 * time.Minute, 10_000}, TypeSecurityHub: {time.Minute, 5000},
}

// Check fills in defaults and says what is wrong: the key and the reason.
func (c *Config) Check() (key, reason string) {
	d, known := defaultsOf[c.Type]
	if !known {
		return "type", fmt.Sprintf("%q is not one of file, http, syslog, webhook, slack, pagerduty, kafka, security-lake, security-hub", c.Type)
	}
	c.fill(d.every, d.batch)
	if err := wire.CheckName(c.Name); err != nil {
		return "name", err.Error()
	}
	for i, k := range c.Events {
		if !slices.Contains(Kinds(), k) {
			return fmt.Sprintf("events[%d]", i), fmt.Sprintf("%q is not one of alert, verdict, incident", k)
		}
	}
	switch {
	case c.Every < 0 || c.Every > 24*time.Hour:
		return "every", fmt.Sprintf("%s is not from 0s to 24h", c.Every)
	case c.Queue < 1 || c.Queue > maxQueue:
		return "queue", fmt.Sprintf("%d is not from 1 to %d", c.Queue, maxQueue)
	case c.Batch < 1 || c.Batch > c.Queue:
		return "batch", fmt.Sprintf("%d is not from 1 to the queue's %d", c.Batch, c.Queue)
	case c.GiveUp < time.Second:
		return "give-up", fmt.Sprintf("%s is less than a second", c.GiveUp)
	case (c.TLS.Certificate == "") != (c.TLS.Key == ""):
		return "tls", "certificate and key go together"
	}
	if key, reason := c.Secret.Check(); key != "" {
		return "secret." + key, reason
	}
	return c.checkType()
}

func (c *Config) fill(every time.Duration, batch int) {
	if c.Every == 0 {
		c.Every = every
	}
	if c.Queue == 0 {
		c.Queue = max(defaultQueue, batch)
	}
	if c.Batch == 0 {
		c.Batch = min(batch, c.Queue)
	}
	if c.GiveUp == 0 {
		c.GiveUp = defaultGiveUp
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = defaultMaxBytes
	}
	if c.Keep == 0 {
		c.Keep = defaultKeep
	}
	c.fillFormat()
	if len(c.Events) > 0 {
		return
	}
	c.Events = []Kind{KindAlert}
	if c.Type == TypeWebhook || c.Type == TypeSlack || c.Type == TypePagerDuty {
		c.Events = Kinds()
	}
}

func (c *Config) fillFormat() {
	switch {
	case c.Format != "":
	case c.Type == TypeSyslog:
		c.Format = FormatCEF
	case c.Type == TypeFile || c.Type == TypeHTTP || c.Type == TypeKafka:
		c.Format = FormatEVE
	}
	if c.Type == TypePagerDuty && c.URL == "" {
		c.URL = pagerDutyURL
	}
	if c.AWS.Class == "" {
		c.AWS.Class = classDetection
	}
}

// checkType holds what each type needs.
func (c *Config) checkType() (key, reason string) {
	if c.Format != "" && !slices.Contains(formats, c.Format) {
		return "format", fmt.Sprintf("%q is not one of eve, ocsf, cef", c.Format)
	}
	if c.Format == FormatOCSF && slices.Contains(c.Events, KindVerdict) {
		return "events", "OCSF has no class for verdicts: leave verdict out"
	}
	switch c.Type {
	case TypeFile:
		return c.checkFile()
	case TypeHTTP, TypeWebhook, TypeSlack, TypePagerDuty:
		return c.checkHTTP()
	case TypeSyslog:
		return c.checkSyslog()
	case TypeKafka:
		return c.checkKafka()
	case TypeSecurityLake:
		return c.checkLake()
	}
	return c.checkAWS()
}

func (c *Config) checkFile() (key, reason string) {
	switch {
	case c.Path == "" || !filepath.IsAbs(c.Path):
		return "path", fmt.Sprintf("%q is not the absolute path of a file to write", c.Path)
	case c.MaxBytes < 4096:
		return "max-bytes", fmt.Sprintf("%d is less than 4096", c.MaxBytes)
	case c.Keep < 1 || c.Keep > 1000:
		return "keep", fmt.Sprintf("%d is not from 1 to 1000", c.Keep)
	}
	return "", ""
}

func (c *Config) checkHTTP() (key, reason string) {
	if c.Type == TypeSlack && c.URL == "" && c.Secret.Set() {
		return "", ""
	}
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return "url", fmt.Sprintf("%q is not of the form https://host/path", c.URL)
	}
	if c.Type == TypeWebhook && !c.Secret.Set() {
		return "secret", "name the key that messages are signed with, by file or env"
	}
	if c.Type == TypePagerDuty && !c.Secret.Set() {
		return "secret", "name the routing key of the service's Events API v2 integration, by file or env"
	}
	return "", ""
}

func (c *Config) checkSyslog() (key, reason string) {
	u, err := url.Parse(c.URL)
	if err != nil || !slices.Contains([]string{"udp", "tcp", "tls"}, u.Scheme) {
		return "url", fmt.Sprintf("%q does not begin with udp://, tcp:// or tls://", c.URL)
	}
	if _, _, err := net.SplitHostPort(u.Host); err != nil {
		return "url", fmt.Sprintf("%q names no host:port", c.URL)
	}
	return "", ""
}

func (c *Config) checkKafka() (key, reason string) {
	switch {
	case len(c.Kafka.Brokers) == 0:
		return "kafka.brokers", "name at least one broker as host:port"
	case c.Kafka.Topic == "":
		return "kafka.topic", "name the topic"
	case c.Kafka.User != "" && !c.Secret.Set():
		return "secret", "name the password of kafka.user, by file or env"
	}
	return "", ""
}

func (c *Config) checkLake() (key, reason string) {
	u, err := url.Parse(c.URL)
	switch {
	case c.URL == "" && !filepath.IsAbs(c.Path):
		return "path", "name an absolute folder, or the bucket with url: s3://…"
	case c.URL != "" && (err != nil || u.Scheme != "s3" || u.Host == ""):
		return "url", fmt.Sprintf("%q is not of the form s3://bucket", c.URL)
	case c.AWS.Class != classDetection && c.AWS.Class != classNetwork:
		return "aws.class", fmt.Sprintf("%q is not one of detection, network", c.AWS.Class)
	case wire.CheckName(c.AWS.Source) != nil:
		return "aws.source", "name the custom source, as it was made in Security Lake"
	case !slices.Equal(c.Events, []Kind{KindAlert}):
		return "events", "only alerts are exported there"
	}
	return c.checkAWS()
}

func (c *Config) checkAWS() (key, reason string) {
	if c.AWS.Region == "" {
		return "aws.region", "name the region, such as eu-central-1"
	}
	if len(c.AWS.Account) != 12 || strings.Trim(c.AWS.Account, "0123456789") != "" {
		return "aws.account", fmt.Sprintf("%q is not an account's 12 digits", c.AWS.Account)
	}
	return "", ""
}

// wants reports whether the destination takes e.
func (c *Config) wants(e *Event) bool {
	return slices.Contains(c.Events, e.Kind) && (c.Severity == 0 || e.Severity() <= c.Severity)
}
