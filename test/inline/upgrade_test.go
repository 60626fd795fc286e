package inline

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-ips/weir/internal/lab"
)

// TestUpgradeLosesNothing has the sensor replace itself again and again while every packet goes through inspection.
func TestUpgradeLosesNothing(t *testing.T) {
	const upgrades, rate = 5, 5000
	for _, k := range []struct {
		name, settings string
		topology       func(*lab.Lab, lab.Options) (*lab.Topology, error)
	}{
		{"gwlb with one queue", "mode: gwlb\ninterfaces: [eth0]\n", lab.GWLBTopology},
		{"gwlb with two queues", "mode: gwlb\ninterfaces: [eth0]\n", func(l *lab.Lab, o lab.Options) (*lab.Topology, error) { o.Queues = 2; return lab.GWLBTopology(l, o) }},
		{"bridge", fmt.Sprintf(bridgeSettings, "closed"), lab.BridgeTopology},
	} {
		t.Run(k.name, func(t *testing.T) {
			topology, err := k.topology(newLab(t), lab.Options{})
			check(t, err)
			s := startSensor(t, topology.Sensor.Namespace, dropRules, k.settings+"floods: {udp-per-second: 1000000}\n")
			stop := stream(t, topology, rate)
			for i := range upgrades {
				time.Sleep(300 * time.Millisecond)
				check(t, s.cmd.Process.Signal(syscall.SIGUSR2))
				s.await("another program is up", func() bool {
					log, err := os.ReadFile(s.log)
					return err == nil && strings.Count(string(log), "sensor is up") == i+2
				})
			}
			sent, got := stop()
			st, err := s.Status()
			if sent < rate || got != sent {
				t.Errorf("of %d packets %d arrived: %+v, dropped %v", sent, got, st.Traffic, st.Drops)
			}
			if err != nil || !st.Adopted || st.Traffic.Lost > 0 || st.Traffic.Inspected == 0 {
				t.Errorf("%+v, %v", st, err)
			}
			dropsInline(t, topology)
		})
	}
}

// upgrade runs the command and returns its exit status and what it says.
func (s *sensor) upgrade() (code int, said string) {
	s.t.Helper()
	out, err := exec.Command(program, "upgrade", "--control", strings.Replace(s.config, "sensor.yaml", "sock", 1)).CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), string(out)
	}
	check(s.t, err)
	return 0, string(out)
}

// TestUpgradeCommand upgrades under load: to what fits, to what its rules do not fit, and to what fits and then does not start, because
// another program has taken its port. Connections, and what was decided about them, outlive all three.
func TestUpgradeCommand(t *testing.T) {
	topology, err := lab.GWLBTopology(newLab(t), lab.Options{})
	check(t, err)
	s := startSensor(t, topology.Sensor.Namespace, dropRules, "mode: gwlb\ninterfaces: [eth0]\nworkers: 2\nfloods: {udp-per-second: 1000000}\n")
	started := func() time.Time { st, err := s.Status(); check(t, err); return st.Started }
	near, far := connect(t, topology.Client, topology.Server, topology.Server.Addr)
	doomed, end := connect(t, topology.Client, topology.Server, topology.Server.Addr)
	silent(t, doomed, end, "an evil-payload")
	stop := stream(t, topology, 3000)

	was := started()
	if code, said := s.upgrade(); code != 0 || !strings.Contains(said, "has taken over") || started().Equal(was) {
		t.Errorf("status %d: %s", code, said)
	}
	says(t, near, far, "still here")
	silent(t, doomed, end, "nothing bad")

	rules := strings.Replace(s.config, "sensor.yaml", "t.rules", 1)
	check(t, os.WriteFile(rules, []byte("drop nonsense\n"), 0o600))
	was = started()
	if code, said := s.upgrade(); code != 1 || !strings.Contains(said, "t.rules:1") || !strings.Contains(said, "goes on") || !started().Equal(was) {
		t.Errorf("with bad rules: status %d: %s", code, said)
	}
	check(t, os.WriteFile(rules, []byte(dropRules), 0o600))

	taken, err := topology.Sensor.Listen("tcp", netip.AddrPortFrom(topology.Sensor.Addr, 0).String())
	check(t, err)
	defer taken.Close()
	text, err := os.ReadFile(s.config)
	check(t, err)
	text = bytes.Replace(text, []byte(`metrics: {listen: ""}`), []byte("metrics: {listen: "+taken.Addr().String()+"}"), 1)
	check(t, os.WriteFile(s.config, text, 0o600))
	if code, said := s.upgrade(); code != 1 || !strings.Contains(said, "did not start: metrics.listen") || !strings.Contains(said, "goes on") {
		t.Errorf("with a port that is taken: status %d: %s", code, said)
	}
	if st, err := s.Status(); err != nil || !st.Healthy || st.UpgradeRefused == "" || st.Traffic.Lost > 0 {
		t.Errorf("%+v, %v", st, err)
	}
	says(t, near, far, "here yet")
	if sent, got := stop(); sent == 0 || got != sent {
		t.Errorf("of %d packets %d arrived", sent, got)
	}
	silent(t, near, far, "an evil-payload")
}

// says sends a text that must arrive.
func says(t *testing.T, near, far net.Conn, text string) {
	t.Helper()
	_, err := near.Write([]byte(text))
	check(t, err)
	far.SetReadDeadline(time.Now().Add(5 * time.Second))
	got := make([]byte, len(text))
	if _, err := io.ReadFull(far, got); err != nil || string(got) != text {
		t.Errorf("%q arrived as %q: %v", text, got, err)
	}
}

// silent sends a text that must not arrive.
func silent(t *testing.T, near, far net.Conn, text string) {
	t.Helper()
	_, err := near.Write([]byte(text))
	check(t, err)
	far.SetReadDeadline(time.Now().Add(700 * time.Millisecond))
	if n, err := far.Read(make([]byte, 100)); err == nil {
		t.Errorf("%d bytes arrived of %q", n, text)
	}
}

// TestUpgradeIsRefused keeps the running program when the installed one does not accept its rules.
func TestUpgradeIsRefused(t *testing.T) {
	topology, err := lab.GWLBTopology(newLab(t), lab.Options{})
	check(t, err)
	s := startSensor(t, topology.Sensor.Namespace, dropRules, "mode: gwlb\ninterfaces: [eth0]\n")
	rules := strings.Replace(s.config, "sensor.yaml", "t.rules", 1)
	check(t, os.WriteFile(rules, []byte("drop nonsense\n"), 0o600))
	check(t, s.cmd.Process.Signal(syscall.SIGUSR2))
	s.await("the refusal is in the log", func() bool {
		log, err := os.ReadFile(s.log)
		return err == nil && strings.Contains(string(log), "no upgrade") && strings.Contains(string(log), "t.rules:1")
	})
	dropsInline(t, topology)
}

// stream sends numbered datagrams at a rate until stopped, and counts which arrive.
func stream(t *testing.T, topology *lab.Topology, rate int) (stop func() (sent, got int)) {
	t.Helper()
	l, err := topology.Server.ListenPacket("udp", netip.AddrPortFrom(topology.Server.Addr, 5000).String())
	check(t, err)
	check(t, l.(*net.UDPConn).SetReadBuffer(8<<20))
	conn, err := topology.Client.Dial(context.Background(), "udp", l.LocalAddr().String())
	check(t, err)
	arrived := make(chan int, 1)
	go func() {
		seen := map[uint32]bool{}
		buf := make([]byte, 2000)
		for {
			n, _, err := l.ReadFrom(buf)
			if errors.Is(err, net.ErrClosed) {
				arrived <- len(seen)
				return
			}
			if n >= 4 {
				seen[binary.BigEndian.Uint32(buf)] = true
			}
		}
	}()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan int, 1)
	go func() {
		n := 0
		b := make([]byte, 200)
		for start := time.Now(); ctx.Err() == nil; time.Sleep(time.Millisecond) {
			for due := int(time.Since(start).Seconds() * float64(rate)); n < due; n++ {
				binary.BigEndian.PutUint32(b, uint32(n))
				if _, err := conn.Write(b); err != nil {
					t.Errorf("datagram %d: %v", n, err)
				}
			}
		}
		done <- n
	}()
	return func() (int, int) {
		cancel()
		sent := <-done
		time.Sleep(500 * time.Millisecond) // what is on its way
		conn.Close()
		l.Close()
		return sent, <-arrived
	}
}

// TestUpgradeKeepsMemory upgrades, once to what does not start and once to what does, between the two parts of what a rule looks for: what
// rules have remembered of connections and addresses holds in the next program, and a connection that was cut off stays so.
func TestUpgradeKeepsMemory(t *testing.T) {
	const rules = `alert tcp any any -> any any (msg:"knock"; content:"knock"; flowbits:set,knocked; noalert; sid:1;)
drop tcp any any -> any any (msg:"enter"; content:"enter"; flowbits:isset,knocked; sid:2;)
alert tcp any any -> any any (msg:"marked"; content:"mark-me"; xbits:set,marked,track ip_src,expire 60; noalert; sid:3;)
drop tcp any any -> any any (msg:"after the mark"; content:"second-step"; xbits:isset,marked,track ip_src; sid:4;)
drop tcp any any -> any any (msg:"third"; content:"attempt"; detection_filter:track by_src,count 2,seconds 600; sid:5;)
drop tcp any any -> any any (msg:"evil"; content:"evil-payload"; sid:6;)
`
	topology, err := lab.GWLBTopology(newLab(t), lab.Options{})
	check(t, err)
	s := startSensor(t, topology.Sensor.Namespace, rules, "mode: gwlb\ninterfaces: [eth0]\nworkers: 2\n")
	dial := func() (near, far net.Conn) { return connect(t, topology.Client, topology.Server, topology.Server.Addr) }
	knocked, inside := dial()
	stranger, door := dial()
	marked, there := dial()
	trying, lock := dial()
	doomed, end := dial()
	says(t, knocked, inside, "knock")
	says(t, marked, there, "mark-me")
	says(t, trying, lock, "attempt")
	says(t, trying, lock, "attempt")
	silent(t, doomed, end, "an evil-payload")

	taken, err := topology.Sensor.Listen("tcp", netip.AddrPortFrom(topology.Sensor.Addr, 0).String())
	check(t, err)
	defer taken.Close()
	good, err := os.ReadFile(s.config)
	check(t, err)
	bad := bytes.Replace(good, []byte(`metrics: {listen: ""}`), []byte("metrics: {listen: "+taken.Addr().String()+"}"), 1)
	check(t, os.WriteFile(s.config, bad, 0o600))
	if code, said := s.upgrade(); code != 1 || !strings.Contains(said, "goes on") {
		t.Errorf("with a port that is taken: status %d: %s", code, said)
	}
	check(t, os.WriteFile(s.config, good, 0o600))
	// Other rules, so that names have other numbers.
	check(t, os.WriteFile(strings.Replace(s.config, "sensor.yaml", "t.rules", 1),
		[]byte("alert tcp any any -> any 9 (flowbits:set,another; xbits:set,other,track ip_src; noalert; sid:9;)\n"+rules), 0o600))
	if code, said := s.upgrade(); code != 0 {
		t.Fatalf("status %d: %s", code, said)
	}
	says(t, stranger, door, "enter")
	silent(t, knocked, inside, "enter")
	silent(t, marked, there, "second-step")
	silent(t, trying, lock, "attempt")
	silent(t, doomed, end, "nothing bad")
	if st, err := s.Status(); err != nil || st.Traffic.Lost > 0 {
		t.Errorf("%+v, %v", st, err)
	}
}
