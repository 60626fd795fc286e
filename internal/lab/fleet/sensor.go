package fleet

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/weir-ips/weir/internal/lab"
	"github.com/weir-ips/weir/internal/sensor/control"
)

const healthPort = 8080

// Sensor is one `sensor run` in a host's namespace.
type Sensor struct {
	*control.Client
	ID      string
	Config  string // path of its configuration
	Control string // path of its control socket
	EVE     string // path of its records
	FlowLog string // folder of its flow records
	host    *lab.Host
	bin     string
	p       *process
}

func (f *Fleet) newSensor(id, mode string, h *lab.Host, bus string) (*Sensor, error) {
	s := &Sensor{ID: id, EVE: filepath.Join(f.Dir, id+"-eve.json"), FlowLog: filepath.Join(f.Dir, id+"-flows"), host: h, bin: filepath.Join(f.Bin, "sensor")}
	s.Control = filepath.Join(f.Dir, id+".sock")
	var err error
	s.Config, err = f.file(id+".yaml", fmt.Sprintf(`id: %s
mode: %s
interfaces: [eth0]
policy: %s
rules: [%s]
variables: {HOME_NET: "[10.77.0.0/16]"}
block: [{classtypes: [web-application-attack]}]
floods: {syn-per-second: %d, udp-per-second: 5000, icmp-per-second: 1000, requests-per-second: %d}
on-failure: open
output: {eve: %s, flow-log: {dir: %s, account: "123456789012", interface: eni-lab, region: lab}}
collector: {url: %q, credentials: %s}
metrics: {listen: "%s:9464"}
health: {listen: "%s:%d"}
control: %s
state: %s
bpffs: %s
`, id, mode, f.Policy, f.Rules, f.SYNs, f.Requests, s.EVE, s.FlowLog, bus, filepath.Join(f.Dir, id+".creds"), h.Addr, h.Addr, healthPort, s.Control, filepath.Join(f.Dir, id+"-state"), f.pins))
	if err != nil {
		return nil, err
	}
	s.Client = control.Dial(s.Control)
	s.p = f.process(id, "sensor", h.Start, "run", "--config", s.Config)
	return s, nil
}

// Start starts the sensor and waits until it inspects.
func (s *Sensor) Start() error {
	if err := s.p.start(); err != nil {
		return err
	}
	return s.p.await(func() error {
		st, err := s.Status()
		if err == nil && !st.Healthy {
			return fmt.Errorf("not healthy: %v", st.Reasons)
		}
		return err
	}, 30*time.Second)
}

// inStep is nil once the sensor follows the collector's verdicts.
func (s *Sensor) inStep() error {
	st, err := s.Status()
	if err == nil && (!st.Collector.Connected || st.Collector.Epoch == 0) {
		return errors.New("not in step with the collector")
	}
	return err
}

// Stop ends the sensor; its program and verdicts stay in the kernel.
func (s *Sensor) Stop() error { return s.p.signal(syscall.SIGTERM) }

// Kill ends it as a crash would.
func (s *Sensor) Kill() error { return s.p.signal(syscall.SIGKILL) }

// Reload makes it read its rules again.
func (s *Sensor) Reload() error { return s.Client.Reload() }

// Detach removes what the sensor left in the kernel, as `sensor detach` does for a user.
func (s *Sensor) Detach() error {
	cmd := exec.Command(s.bin, "detach", "--config", s.Config)
	var out limited
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := s.host.Start(cmd); err != nil {
		return fmt.Errorf("fleet: detach %s: %w", s.ID, err)
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("fleet: detach %s: %w: %s", s.ID, err, out)
	}
	return nil
}

// Alive reports whether the process runs.
func (s *Sensor) Alive() bool { return s.p.cmd != nil }

// Drops asks the kernel, through the sensor, how many packets were dropped for a reason; "" adds up all.
func (s *Sensor) Drops(reason string) (uint64, error) {
	st, err := s.Status()
	if err != nil {
		return 0, err
	}
	if reason != "" {
		return st.Drops[reason], nil
	}
	var all uint64
	for _, n := range st.Drops {
		all += n
	}
	return all, nil
}

// FloodDrops is how many packets the kernel dropped because they were part of a flood, for whatever reason of those.
func (s *Sensor) FloodDrops() (n uint64, err error) {
	st, err := s.Status()
	for reason, dropped := range st.Drops {
		if strings.HasPrefix(reason, "flood-") || reason == "fingerprint" || reason == "unasked" {
			n += dropped
		}
	}
	return n, err
}

// Records returns the sensor's EVE file.
func (s *Sensor) Records() ([]byte, error) {
	b, err := os.ReadFile(s.EVE)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

// limited keeps the beginning of a program's output.
type limited []byte

func (l *limited) Write(p []byte) (int, error) {
	*l = append(*l, p[:min(len(p), 4096-min(len(*l), 4096))]...)
	return len(p), nil
}
