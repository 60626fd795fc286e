// Package fleet runs the product's own programs in a lab: a collector, a sensor behind the load balancer, a sensor on a
// proxy. The demo tells its story with it and the end-to-end tests check it: both see what a user sees.
package fleet

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-ips/weir/internal/lab"
)

// Options choose what to run.
type Options struct {
	Name    string // the lab's; letters and digits
	Bin     string // folder of the programs sensor and collector
	Dir     string // folder for configuration, state, and logs
	Rules   string // rule file of both sensors
	Console string // address of the console and API, such as 127.0.0.1:8443
	Policy  string // of the sensors: observe or enforce; default enforce
	// Requests are HTTP requests a second of one client that are a flood to the sensors; default 500.
	Requests int
	Flows    int // that the load balancer remembers at most; 0: its default
	SYNs     int // a second to one destination that are a flood to the sensors; default 1000
}

// Fleet is the running lab. Close ends all of it.
type Fleet struct {
	*lab.Topology
	Options
	Collector *Collector
	Inline    *Sensor // behind the load balancer, in gwlb mode
	Host      *Sensor // on the proxy, in host mode
	pins      string  // folder of its BPF file system
}

// BusPort is where the collector's bus listens on the management link.
const BusPort = 4222

// Start builds the network and starts the collector and both sensors. On error nothing is left behind.
func Start(o Options) (*Fleet, error) {
	if o.Policy == "" {
		o.Policy = "enforce"
	}
	if o.Requests == 0 {
		o.Requests = 500
	}
	if o.SYNs == 0 {
		o.SYNs = 1000
	}
	l, err := lab.New(o.Name)
	if err != nil {
		return nil, err
	}
	f := &Fleet{Options: o}
	if err := f.start(l); err != nil {
		return nil, errors.Join(err, f.stop(), l.Close())
	}
	return f, nil
}

func (f *Fleet) start(l *lab.Lab) (err error) {
	if err := f.mountPins(); err != nil {
		return err
	}
	f.Topology, err = lab.FullTopology(l, lab.Options{
		Management: true, Flows: f.Flows,
		Health: lab.HealthCheck{Port: healthPort, Path: "/healthz", Interval: 500 * time.Millisecond, Timeout: time.Second},
	})
	if err != nil {
		return err
	}
	if f.Collector, err = f.newCollector(); err != nil {
		return err
	}
	if f.Inline, err = f.newSensor("edge-gwlb", "gwlb", f.Sensor, f.Collector.sensorURL(f.Sensor)); err != nil {
		return err
	}
	if f.Host, err = f.newSensor("proxy-host", "host", f.Proxy, f.Collector.sensorURL(f.Proxy)); err != nil {
		return err
	}
	for _, start := range []func() error{f.Collector.Start, f.Inline.Start, f.Host.Start} {
		if err := start(); err != nil {
			return err
		}
	}
	for _, s := range []*Sensor{f.Inline, f.Host} {
		if err := s.p.await(s.inStep, 15*time.Second); err != nil {
			return err
		}
	}
	return f.WaitHealthy(15 * time.Second)
}

// Close stops the programs, detaches what they left in the kernel, and removes the network.
func (f *Fleet) Close() error {
	return errors.Join(f.stop(), f.Lab.Close())
}

// mountPins gives the fleet a BPF file system of its own: another one on this machine may have sensors of the same names.
func (f *Fleet) mountPins() error {
	f.pins = filepath.Join(f.Dir, "bpffs")
	if err := os.MkdirAll(f.pins, 0o700); err != nil {
		return fmt.Errorf("fleet: %w", err)
	}
	if err := unix.Mount("bpf", f.pins, "bpf", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0700"); err != nil {
		f.pins = ""
		return fmt.Errorf("fleet: mounting a BPF file system: %w", err)
	}
	return nil
}

func (f *Fleet) unmountPins() error {
	if f.pins == "" {
		return nil
	}
	defer func() { f.pins = "" }()
	if err := unix.Unmount(f.pins, 0); err != nil {
		return fmt.Errorf("fleet: unmounting %s: %w", f.pins, err)
	}
	return nil
}

func (f *Fleet) stop() error {
	var errs []error
	for _, s := range []*Sensor{f.Inline, f.Host} {
		if s != nil {
			errs = append(errs, s.Stop(), s.Detach())
		}
	}
	if f.Collector != nil {
		errs = append(errs, f.Collector.Stop())
	}
	return errors.Join(append(errs, f.unmountPins())...)
}

// file writes a configuration file into the fleet's folder.
func (f *Fleet) file(name, text string) (string, error) {
	path := filepath.Join(f.Dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("fleet: %w", err)
	}
	return path, nil
}

// Logs returns the end of each program's log, for the report of a failed test.
func (f *Fleet) Logs() string {
	var b strings.Builder
	logs, _ := filepath.Glob(filepath.Join(f.Dir, "*.log"))
	for _, path := range logs {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		fmt.Fprintf(&b, "--- %s\n%s\n", filepath.Base(path), text[max(0, len(text)-4000):])
	}
	return b.String()
}
