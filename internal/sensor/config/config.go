// Package config is the sensor's configuration file: sensor.yaml, its defaults, and what is refused.
package config

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/weir-ips/weir/internal/strictyaml"
	"github.com/weir-ips/weir/pkg/wire"
)

// Mode is how the sensor meets the traffic.
type Mode string

// Modes of `sensor run`.
const (
	Host   Mode = "host"   // XDP on the instance's own interface; copies to user space
	GWLB   Mode = "gwlb"   // GENEVE from a Gateway Load Balancer, inspected and sent back
	Bridge Mode = "bridge" // between two interfaces, inspected and moved on
	Mirror Mode = "mirror" // VXLAN from Traffic Mirroring, inspected only
)

// Config is sensor.yaml. Every key has a default but mode and interfaces.
type Config struct {
	ID         string            `yaml:"id"`
	Group      string            `yaml:"group"`
	Mode       Mode              `yaml:"mode"`
	Interfaces []string          `yaml:"interfaces"`
	Attach     Attach            `yaml:"attach"`
	Policy     string            `yaml:"policy"`
	Rules      []string          `yaml:"rules"`
	Variables  map[string]string `yaml:"variables"`
	NeverBlock []string          `yaml:"never-block"`
	Block      []Block           `yaml:"block"`
	Floods     Floods            `yaml:"floods"`
	OnFailure  string            `yaml:"on-failure"`
	Workers    int               `yaml:"workers"`
	BusyPoll   bool              `yaml:"busy-poll"`
	ZeroCopy   bool              `yaml:"zero-copy"`
	Output     Output            `yaml:"output"`
	Collector  Collector         `yaml:"collector"`
	Metrics    Metrics           `yaml:"metrics"`
	Health     Health            `yaml:"health"`
	Control    string            `yaml:"control"`
	State      string            `yaml:"state"`
	BPFFS      string            `yaml:"bpffs"`

	text []byte // that it was read from
}

// Attach says how the program shares interfaces with other XDP programs.
type Attach struct {
	Share    bool   `yaml:"share"`    // by a dispatcher as libxdp's; else the interface is the sensor's alone
	Priority uint32 `yaml:"priority"` // lower ones run first
}

// Text is what the configuration was read from.
func (c *Config) Text() []byte { return c.text }

// Block turns alerts into drops without touching the rules: an alert that meets every condition given drops its flow.
// It never touches rules marked noalert: those only set flowbits for others.
type Block struct {
	Signatures []uint32 `yaml:"signatures"`
	Classtypes []string `yaml:"classtypes"`
	Severity   uint8    `yaml:"severity"` // this severity and more severe (1 is the most severe); 0 is any
}

// Floods are floors in packets per second to one destination; above them the destination is armed. Once it is known what is
// usual, thresholds follow that.
type Floods struct {
	SYN        uint32 `yaml:"syn-per-second"`
	UDP        uint32 `yaml:"udp-per-second"`
	ICMP       uint32 `yaml:"icmp-per-second"`
	Fragments  uint32 `yaml:"fragments-per-second"`
	Requests   uint32 `yaml:"requests-per-second"`   // of HTTP, by client and host
	Handshakes uint32 `yaml:"handshakes-per-second"` // of TLS, by client and server
	Learn      bool   `yaml:"learn"`
}

// Output names the files that records are written to; empty writes none.
type Output struct {
	EVE     string  `yaml:"eve"`
	FlowLog FlowLog `yaml:"flow-log"`
}

// FlowLog writes conversations as VPC Flow Logs records, in files that Athena reads.
type FlowLog struct {
	Dir       string `yaml:"dir"`
	Account   string `yaml:"account"`   // of the records, 12 digits
	Interface string `yaml:"interface"` // eni-…
	Region    string `yaml:"region"`
	S3        S3     `yaml:"s3"`
}

// S3 is a bucket that finished files go to; an empty Bucket leaves them where they are.
type S3 struct {
	Bucket   string `yaml:"bucket"`
	Prefix   string `yaml:"prefix"`
	Region   string `yaml:"region"`    // empty: the instance's
	Endpoint string `yaml:"endpoint"`  // of another S3-compatible store
	MaxBytes int64  `yaml:"max-bytes"` // of files that wait; the oldest beyond are given up
}

// Collector says where alerts go and verdicts come from; an empty URL runs the sensor alone.
type Collector struct {
	URL         string `yaml:"url"`
	Credentials string `yaml:"credentials"`
}

// Metrics is the Prometheus listener.
type Metrics struct {
	Listen string `yaml:"listen"`
}

// Health is the listener that a load balancer probes; it answers 200 only while traffic is really inspected.
type Health struct {
	Listen string `yaml:"listen"`
}

// Default returns the configuration of an empty file.
func Default() Config {
	return Config{
		ID:        hostID(),
		Attach:    Attach{Priority: 15},
		Policy:    "observe",
		Rules:     []string{"/etc/weir/rules/*.rules"},
		Floods:    Floods{SYN: 1000, UDP: 5000, ICMP: 1000, Fragments: 1000, Requests: 500, Handshakes: 200, Learn: true},
		OnFailure: "open",
		Output:    Output{EVE: "/var/log/weir/eve.json"},
		Collector: Collector{Credentials: "/var/lib/weir/sensor.creds"},
		Metrics:   Metrics{Listen: "127.0.0.1:9464"},
		Control:   "/run/weir/sensor.sock",
		State:     "/var/lib/weir",
		BPFFS:     "/sys/fs/bpf",
	}
}

// hostID makes a sensor's name of the host's: a dot or another odd character becomes a dash.
func hostID() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "sensor"
	}
	odd := func(r rune) rune {
		if wire.CheckName(string(r)) != nil {
			return '-'
		}
		return r
	}
	return strings.Map(odd, name[:min(len(name), 64)])
}

// Enforcing reports whether drops are carried out rather than counted.
func (c *Config) Enforcing() bool { return c.Policy == "enforce" }

// Load reads and checks the file at path. The error names file, line, column and key.
func Load(path string) (*Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, text)
}

// Parse reads and checks a configuration's text; name is for errors.
func Parse(name string, text []byte) (*Config, error) {
	c := Default()
	c.text = text
	doc, err := strictyaml.Parse(name, text, &c)
	if err != nil {
		return nil, err
	}
	if err := c.check(doc); err != nil {
		return nil, err
	}
	return &c, nil
}

func (c *Config) check(doc *strictyaml.Document) error {
	for _, f := range []func(*strictyaml.Document) error{
		c.checkChoices, c.checkInterfaces, c.checkNeverBlock, c.checkBlock, c.checkLimits,
	} {
		if err := f(doc); err != nil {
			return err
		}
	}
	return nil
}

func (c *Config) checkChoices(doc *strictyaml.Document) error {
	for _, k := range []struct{ key, value, allowed string }{
		{"mode", string(c.Mode), "host gwlb bridge mirror"},
		{"policy", c.Policy, "observe enforce"},
		{"on-failure", c.OnFailure, "open static closed"},
	} {
		choices := strings.Fields(k.allowed)
		if !slices.Contains(choices, k.value) {
			return doc.Errorf(k.key, "%q is not one of %s", k.value, strings.Join(choices, ", "))
		}
	}
	if err := wire.CheckName(c.ID); err != nil {
		return doc.Errorf("id", "%v", err)
	}
	return nil
}

func (c *Config) checkInterfaces(doc *strictyaml.Document) error {
	if len(c.Interfaces) == 0 {
		return doc.Errorf("interfaces", "name at least one network interface")
	}
	if c.Mode == GWLB && len(c.Interfaces) > 1 {
		return doc.Errorf("interfaces[1]", "mode gwlb works on one interface; run another sensor for %s", c.Interfaces[1])
	}
	if c.Mode == Bridge && (len(c.Interfaces) != 2 || c.Interfaces[0] == c.Interfaces[1]) {
		return doc.Errorf("interfaces", "mode bridge is between two interfaces, such as [eth1, eth2]; %d are named", len(c.Interfaces))
	}
	for i, name := range c.Interfaces {
		if _, err := net.InterfaceByName(name); err != nil {
			return doc.Errorf(fmt.Sprintf("interfaces[%d]", i), "no interface %q on this host (it has %s)", name, strings.Join(hostInterfaces(), ", "))
		}
	}
	return nil
}

func (c *Config) checkNeverBlock(doc *strictyaml.Document) error {
	for i, s := range c.NeverBlock {
		if _, err := ParsePrefix(s); err != nil {
			return doc.Errorf(fmt.Sprintf("never-block[%d]", i), "%v", err)
		}
	}
	return nil
}

func (c *Config) checkBlock(doc *strictyaml.Document) error {
	for i, b := range c.Block {
		if len(b.Signatures) == 0 && len(b.Classtypes) == 0 && b.Severity == 0 {
			return doc.Errorf(fmt.Sprintf("block[%d]", i), "an entry without signatures, classtypes or severity would block on every alert; name what to block")
		}
	}
	return nil
}

func (c *Config) checkLimits(doc *strictyaml.Document) error {
	if c.Workers < 0 || c.Workers > maxWorkers {
		return doc.Errorf("workers", "%d is not in 0-%d (0 is one for each processor)", c.Workers, maxWorkers)
	}
	if c.Attach.Priority < 1 || c.Attach.Priority > maxPriority {
		return doc.Errorf("attach.priority", "%d is not in 1-%d: lower ones run first, xdp-filter has 10, most others 50", c.Attach.Priority, maxPriority)
	}
	if s := c.Output.FlowLog.S3; s.Bucket != "" && c.Output.FlowLog.Dir == "" {
		return doc.Errorf("output.flow-log.s3", "files are written before they are sent: name a folder for them in output.flow-log.dir")
	}
	if c.Output.FlowLog.S3.MaxBytes < 0 {
		return doc.Errorf("output.flow-log.s3.max-bytes", "%d is negative", c.Output.FlowLog.S3.MaxBytes)
	}
	return nil
}

// maxWorkers is what the program and capture can share packets out to.
const maxWorkers = 64

// maxPriority leaves room for programs behind the sensor.
const maxPriority = 1000

// ParsePrefix reads an address or a prefix in CIDR form.
func ParsePrefix(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is neither an address nor a prefix such as 10.0.0.0/8", s)
	}
	return p.Masked(), nil
}

func hostInterfaces() []string {
	all, err := net.Interfaces()
	if err != nil {
		return nil
	}
	names := make([]string, 0, len(all))
	for _, i := range all {
		names = append(names, i.Name)
	}
	return names
}

// HeartbeatEvery is how often the daemon proves to the kernel that it lives; the lease is several of these.
const HeartbeatEvery = 100 * time.Millisecond
