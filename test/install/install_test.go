package install

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-ips/weir/internal/lab"
)

// packages builds debs of two versions. The newer programs differ from the older: they keep their symbols.
func packages(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for version, flags := range map[string]string{"1.0.0": "-s -w", "1.1.0": "-s"} {
		dist := filepath.Join(dir, version)
		check(t, os.Mkdir(dist, 0o755))
		for _, program := range []string{"sensor", "collector"} {
			command(t, "go", "build", "-trimpath", "-ldflags="+flags, "-o", filepath.Join(dist, program+"-linux-amd64"), "../../cmd/"+program)
		}
		deploy, err := filepath.Abs("../../deploy")
		check(t, err)
		command(t, "go", "run", "-C", deploy+"/packaging", ".", "-version", version, "-epoch", "1700000000", "-dist", dist, "-deploy", deploy, "-architectures", "amd64")
	}
	docs := filepath.Join(dir, "docs") // what a clone of the source has, as far as documents speak of it
	command(t, "go", "build", "-o", filepath.Join(docs, "bin/nats-server"), "github.com/nats-io/nats-server/v2")
	for _, program := range []string{"sensor", "collector"} {
		check(t, os.Link(filepath.Join(dir, "1.0.0", program+"-linux-amd64"), filepath.Join(docs, "bin", program)))
	}
	check(t, os.CopyFS(filepath.Join(docs, "deploy/rules"), os.DirFS("../../deploy/rules")))
	check(t, os.CopyFS(filepath.Join(docs, "internal/lab/demo/captures"), os.DirFS("../../internal/lab/demo/captures")))
	check(t, os.Link(filepath.Join(docs, "internal/lab/demo/captures/attacks.pcap"), filepath.Join(docs, "attacks.pcap")))
	check(t, os.WriteFile(filepath.Join(docs, "new.rules"), []byte(strings.Replace(attackRule, "1000001", "2000001", 1)), 0o644))
	return dir
}

func deb(program, version string) string {
	return fmt.Sprintf("/shared/%s/weir-%s_%[1]s-1_amd64.deb", version, program)
}

const attackRule = `alert http any any -> any any (msg:"log4shell"; flow:to_server; http.uri; content:"${jndi:"; sid:1000001; rev:1;)` + "\n"

// TestPackages installs collector and sensor on clean machines, lets the sensor enrol and inspect a load balancer's traffic, upgrades
// both under load, and removes the sensor. On another machine it does what the documents say.
func TestPackages(t *testing.T) {
	if err := lab.Require(); err != nil {
		t.Skip(err)
	}
	base, shared := baseRoot(t), packages(t)
	t.Run("life", func(t *testing.T) { life(t, base, shared) })
	t.Run("documents", func(t *testing.T) { documents(t, base, shared) })
}

// life is that of a sensor and a collector from their installation to the sensor's removal.
func life(t *testing.T, base, shared string) {
	l, err := lab.New("install")
	check(t, err)
	t.Cleanup(func() { check(t, l.Close()) })
	topology, err := lab.GWLBTopology(l, lab.Options{
		Management: true, Health: lab.HealthCheck{Port: 8080, Path: "/healthz", Interval: 500 * time.Millisecond, Timeout: time.Second},
	})
	check(t, err)
	bus := netip.AddrPortFrom(topology.Sensor.ManagementGateway, 4222)

	c := newMachine(t, "collector", base, shared)
	c.boot(nil)
	token := startCollector(c, bus)
	s := newMachine(t, "sensor", base, shared)
	s.boot(topology.Sensor.Namespace)
	startSensor(s, bus, token)
	check(t, topology.WaitHealthy(15*time.Second))

	server, err := lab.StartHTTPServer(topology.Server.Namespace, netip.AddrPortFrom(topology.Server.Addr, 80))
	check(t, err)
	defer server.Close()
	client := lab.StartHTTPClient(lab.HTTPClientConfig{NS: topology.Client.Namespace, URL: fmt.Sprintf("http://%s/", topology.Server.Addr), Rate: 50, KeepAlive: true})
	attack(t, topology)
	c.await("the first attack is known", 20*time.Second, func() bool { return alerts(c) == 1 })

	t.Run("upgrade", func(t *testing.T) { upgrade(t, s, c, topology) })

	if got := client.Stop(); got.Failed > 0 || got.OK < 100 {
		t.Errorf("%d requests failed, %d were answered: %v", got.Failed, got.OK, got.LastError)
	}
	if g := topology.GWLB.Stats(); g.Dropped() > 0 || g.RejectedFlowCount > 0 {
		t.Errorf("the load balancer refused packets: %+v", g)
	}
	t.Run("removal", func(t *testing.T) { remove(t, s) })
}

// startCollector installs the collector, and makes a token for one sensor.
func startCollector(c *machine, bus netip.AddrPort) (token string) {
	c.t.Helper()
	c.run("dpkg", "-i", deb("collector", "1.0.0"))
	c.write("/etc/weir/collector.yaml", fmt.Sprintf("data: /var/lib/weir-collector\napi: {listen: 127.0.0.1:%d}\nbus: {listen: %q}\n", apiPort, bus))
	c.run("systemctl", "enable", "--now", "weir-collector.service")
	c.await("the collector is ready", 30*time.Second, func() bool { _, err := c.try("curl", "-sf", api("/readyz")); return err == nil })
	return c.run("collector", "token", "create", "--config", "/etc/weir/collector.yaml", "--group", "edge")
}

const apiPort = 18443

func api(path string) string { return fmt.Sprintf("http://127.0.0.1:%d%s", apiPort, path) }

// startSensor installs the sensor, and lets the package's first-boot bring it up.
func startSensor(s *machine, bus netip.AddrPort, token string) {
	s.t.Helper()
	s.run("dpkg", "-i", deb("sensor", "1.0.0"))
	s.write("/etc/weir/rules/test.rules", attackRule)
	s.write("/run/token", token)
	s.write("/run/sensor.yaml", fmt.Sprintf(`id: edge-1
mode: gwlb
interfaces: [$INTERFACE]
policy: observe
rules: [/etc/weir/rules/test.rules]
bpffs: /run/weirbpf
health: {listen: "0.0.0.0:8080"}
collector: {url: "tls://%s", credentials: /var/lib/weir/sensor.creds}
`, bus))
	allowMemory(s)
	s.run("sh", "-c", "/usr/lib/weir/first-boot --mtu 2000 --token-file /run/token </run/sensor.yaml")
	if got := s.run("systemctl", "show", "--property=User,ActiveState", "weir-sensor.service"); !strings.Contains(got, "User=weir") || !strings.Contains(got, "ActiveState=active") {
		s.t.Errorf("the unit is not as it should be: %s", got)
	}
}

// allowMemory helps where systemd cannot give what the unit asks for: locked memory beyond the tests' own hard limit.
func allowMemory(s *machine) {
	s.t.Helper()
	if memlock(s.t) < 256<<20 {
		s.write("/etc/systemd/system/weir-sensor.service.d/memlock.conf", "[Service]\nCapabilityBoundingSet=CAP_IPC_LOCK\nAmbientCapabilities=CAP_IPC_LOCK\n")
		s.run("systemctl", "daemon-reload")
	}
}

// memlock is the most memory that a process of this machine may lock, in bytes.
func memlock(t *testing.T) uint64 {
	t.Helper()
	var limit unix.Rlimit
	check(t, unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit))
	return limit.Max
}

func attack(t *testing.T, topology *lab.Topology) {
	t.Helper()
	check(t, lab.HTTPAttacks()[0].Send(t.Context(), topology.Attacker.Namespace, netip.AddrPortFrom(topology.Server.Addr, 80), 5*time.Second))
}

// alerts asks the collector how many attacks it knows.
func alerts(c *machine) int {
	var page struct{ Alerts []json.RawMessage }
	out, err := c.try("curl", "-sf", api("/api/v1/alerts?sid=1000001"))
	if err != nil || json.Unmarshal([]byte(out), &page) != nil {
		return -1
	}
	return len(page.Alerts)
}

// upgrade installs the newer packages while traffic flows: the sensor becomes the new program by itself, the collector starts again.
func upgrade(t *testing.T, s, c *machine, topology *lab.Topology) {
	before := running(s)
	s.run("dpkg", "-i", deb("sensor", "1.1.0"))
	s.await("the sensor is the new program", 30*time.Second, func() bool { now := running(s); return now != "" && now != before })
	check(t, topology.WaitHealthy(15*time.Second))
	attack(t, topology)
	c.await("the attack after the sensor's upgrade is known", 20*time.Second, func() bool { return alerts(c) == 2 })

	c.run("dpkg", "-i", deb("collector", "1.1.0"))
	attack(t, topology)
	c.await("the attack during the collector's upgrade is known, and the others still", 40*time.Second, func() bool { return alerts(c) == 3 })
	if out := s.run("sensor", "status", "--json"); !strings.Contains(out, `"healthy":true`) && !strings.Contains(out, `"healthy": true`) {
		t.Errorf("the sensor is not well: %s", out)
	}
}

// running is the checksum of the program that the service runs.
func running(s *machine) string {
	out, err := s.try("sh", "-c", `sha256sum </proc/$(systemctl show --value --property=MainPID weir-sensor.service)/exe`)
	if err != nil {
		return ""
	}
	return out
}

// remove takes the package off: nothing stays in the kernel, and the configuration does.
func remove(t *testing.T, s *machine) {
	s.run("dpkg", "--remove", "weir-sensor")
	if link := s.run("ip", "-d", "link", "show", "eth0"); strings.Contains(link, "xdp") {
		t.Errorf("the program is still attached: %s", link)
	}
	if left := s.run("sh", "-c", "ls -A /run/weirbpf/weir/*; ls /etc/weir/sensor.yaml"); left != "/etc/weir/sensor.yaml\n" {
		t.Errorf("left behind: %q, want the configuration alone", left)
	}
}
