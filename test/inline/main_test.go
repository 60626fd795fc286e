// Package inline proves what the sensor program does to live connections: in the way of a load balancer, on a host, between two
// interfaces.
package inline

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-ips/weir/internal/lab"
	"github.com/weir-ips/weir/internal/sensor/control"
)

// program is the sensor: built once for all tests, or what WEIR_SENSOR names (where there is no Go).
var program string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if program = os.Getenv("WEIR_SENSOR"); program != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "weir-inline-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "sensor")
	build := exec.Command("go", "build", "-o", program, "../../cmd/sensor")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

func newLab(t *testing.T) *lab.Lab {
	t.Helper()
	if err := lab.Require(); err != nil {
		t.Skip(err)
	}
	name := strings.ToLower(strings.NewReplacer("Test", "", "/", "", "_", "").Replace(t.Name()))
	l, err := lab.New(name[:min(len(name), 16)])
	check(t, err)
	t.Cleanup(func() { check(t, l.Close()) })
	return l
}

// sensor is one `sensor run` in a namespace.
type sensor struct {
	*control.Client
	t      *testing.T
	ns     *lab.Namespace
	config string
	log    string
	socket string
	cmd    *exec.Cmd
	ended  chan error
}

// startSensor runs a sensor that enforces, without a collector; settings are the lines of its configuration but for what every one has.
func startSensor(t *testing.T, ns *lab.Namespace, rules, settings string) *sensor {
	t.Helper()
	return startSensorThat(t, "enforce", ns, rules, settings)
}

// startSensorThat has another policy.
func startSensorThat(t *testing.T, policy string, ns *lab.Namespace, rules, settings string) *sensor {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		check(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	socket := filepath.Join(dir, "sock")
	s := &sensor{t: t, ns: ns, log: filepath.Join(dir, "log"), socket: socket}
	s.config = write("sensor.yaml", fmt.Sprintf("id: %s\npolicy: %s\nrules: [%s]\noutput: {eve: %s}\nmetrics: {listen: \"\"}\ncontrol: %s\nstate: %s\n%s",
		strings.ToLower(filepath.Base(filepath.Dir(dir)))[:8]+"-"+filepath.Base(dir), policy, write("t.rules", rules), filepath.Join(dir, "eve.json"), socket, filepath.Join(dir, "state"), settings))
	s.Client = control.Dial(socket)
	s.start()
	t.Cleanup(func() {
		s.signal(syscall.SIGTERM)
		detach := exec.Command(program, "detach", "--config", s.config)
		check(t, ns.Start(detach))
		if err := detach.Wait(); err != nil {
			t.Errorf("detach: %v", err)
		}
		if t.Failed() {
			log, _ := os.ReadFile(s.log)
			t.Logf("the sensor's log:\n%s", log)
		}
	})
	return s
}

// start starts the program and waits until it inspects.
func (s *sensor) start() {
	s.t.Helper()
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	check(s.t, err)
	defer log.Close()
	s.cmd = exec.Command(program, "run", "--config", s.config)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	check(s.t, s.ns.Start(s.cmd))
	s.ended = make(chan error, 1)
	go func() { s.ended <- s.cmd.Wait() }()
	s.await("the sensor is up", func() bool {
		select {
		case err := <-s.ended:
			text, _ := os.ReadFile(s.log)
			s.t.Fatalf("the sensor ended: %v\n%s", err, text)
		default:
		}
		st, err := s.Status()
		return err == nil && st.Healthy
	})
}

// signal ends the program and waits for it.
func (s *sensor) signal(sig syscall.Signal) {
	s.t.Helper()
	if s.cmd == nil {
		return
	}
	check(s.t, s.cmd.Process.Signal(sig))
	select {
	case <-s.ended:
	case <-time.After(15 * time.Second):
		s.cmd.Process.Kill()
		s.t.Errorf("the sensor did not end within 15 s of %v", sig)
	}
	s.cmd = nil
}

func (s *sensor) await(what string, ok func() bool) {
	s.t.Helper()
	for start := time.Now(); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Since(start) > 20*time.Second {
			s.t.Fatalf("after 20 s still not: %s", what)
		}
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
