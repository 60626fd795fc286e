package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/weir-ips/weir/internal/sensor/uplink"
)

// node is the test binary as a server of a NATS cluster, so that one can be killed.
func node(conf string) {
	o, err := server.ProcessConfigFile(conf)
	if err == nil {
		var s *server.Server
		if s, err = server.NewServer(o); err == nil {
			s.ConfigureLogger()
			s.Start()
			s.WaitForShutdown()
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// cluster is three servers as `collector cluster prepare` configures them, and two collectors on it with one identity.
type cluster struct {
	t          *testing.T
	dir        string
	urls       []string
	more       string // of the collectors' configuration
	nodes      []*exec.Cmd
	collectors []*process
}

func startCluster(t *testing.T, more string) *cluster {
	c := &cluster{t: t, dir: t.TempDir(), more: more}
	var hosts []string
	for range 3 {
		hosts = append(hosts, freePair(t))
	}
	first := filepath.Join(c.dir, "a")
	c.run("cluster", "prepare", "--data", first, "--nodes", strings.Join(hosts, ","), "--out", filepath.Join(c.dir, "nats"), "--store", "data")
	for i, h := range hosts {
		c.urls = append(c.urls, "tls://"+h)
		c.nodes = append(c.nodes, nil)
		c.startNode(i)
	}
	c.run("sensor", "add", "edge", "--data", first, "--out", filepath.Join(c.dir, "edge.creds"))
	second := filepath.Join(c.dir, "b")
	if err := os.CopyFS(second, os.DirFS(first)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		p := start(t, "--config", c.config(name))
		c.collectors = append(c.collectors, p)
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("collector %s: %s", name, p.stderr.String())
			}
		})
	}
	return c
}

// run is the collector's command line.
func (c *cluster) run(args ...string) {
	c.t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "WEIR_TEST_COLLECTOR=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		c.t.Fatalf("%v: %v\n%s", args, err, out)
	}
}

func (c *cluster) config(name string) string {
	keys := filepath.Join(c.dir, "nats", "collector")
	path := filepath.Join(c.dir, name+".yaml")
	text := fmt.Sprintf("data: %s\napi: {listen: \"127.0.0.1:0\"}\nbus:\n  cluster: {urls: [%s], key: %s/collector.nk, issuer: %s/issuer.nk, account: WEIR, tls: {ca: %s/ca.crt}, name: %s, advertise: \"https://%s.example\"}\n%s",
		filepath.Join(c.dir, name), quoted(c.urls), keys, keys, keys, name, name, c.more)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return path
}

func (c *cluster) startNode(i int) {
	c.t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Dir = filepath.Join(c.dir, "nats", fmt.Sprintf("n%d", i+1))
	cmd.Env = append(os.Environ(), "WEIR_TEST_NODE=nats-server.conf")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.nodes[i] = cmd
	c.t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if c.t.Failed() {
			c.t.Logf("server n%d: %s", i+1, stderr.Bytes()[max(0, stderr.Len()-1500):])
		}
	})
}

// freePair is an address whose port and the routes' port are free.
func freePair(t *testing.T) string {
	t.Helper()
	for range 100 {
		host, port, _ := net.SplitHostPort(free(t))
		var n int
		fmt.Sscan(port, &n)
		if n+2000 > 65535 {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort(host, fmt.Sprint(n+2000)))
		if err != nil {
			continue
		}
		l.Close()
		return net.JoinHostPort(host, port)
	}
	t.Fatal("no free ports")
	return ""
}

// leader is who leads, once one does; -1 counts as none.
func (c *cluster) leader(among ...int) (found int) {
	c.t.Helper()
	found = -1
	eventually(c.t, "a collector leads", func() bool {
		for _, i := range among {
			if strings.Contains(c.metrics(i), "\nweir_collector_leads 1\n") {
				found = i
			}
		}
		return found >= 0
	})
	return found
}

func (c *cluster) metrics(i int) string {
	resp, err := http.Get(c.collectors[i].console + "metrics")
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return string(text)
}

// block asks a collector for a verdict and returns its number, 0 and the reason if it was not made.
func (c *cluster) block(i int, src string) (seq uint64, reason string) {
	c.t.Helper()
	var made struct {
		Seq    uint64
		Detail string
	}
	status := c.collectors[i].call("POST", "/api/v1/verdicts",
		map[string]any{"match": map[string]any{"src": src}, "action": "drop", "ttl_seconds": 3600, "reason": "test"}, &made)
	if status != http.StatusCreated {
		return 0, made.Detail
	}
	return made.Seq, ""
}

// inForce lists the verdicts that a collector shows: their numbers by source.
func (c *cluster) inForce(i int) map[string]uint64 {
	c.t.Helper()
	var list struct {
		Verdicts []struct {
			Seq   uint64
			State string
			Match struct{ Src string }
		}
	}
	if status := c.collectors[i].call("GET", "/api/v1/verdicts", nil, &list); status != 200 {
		c.t.Fatalf("GET verdicts: %d", status)
	}
	out := map[string]uint64{}
	for _, v := range list.Verdicts {
		if v.State == "active" {
			out[v.Match.Src] = v.Seq
		}
	}
	return out
}

// TestClusterLosesNothing kills a server of the cluster and then the collector that leads, while verdicts are made and alerts come
// in: what was acknowledged is there, numbered without gaps, on the collector that is left and on the sensor.
func TestClusterLosesNothing(t *testing.T) {
	c := startCluster(t, "")
	first := c.leader(0, 1)
	other := 1 - first
	s := connect(t, "edge", strings.TrimPrefix(strings.Join(c.urls, ","), "nats://"), c.dir, filepath.Join(c.dir, "edge.creds"))
	if _, reason := c.block(other, "203.0.113.200"); !strings.Contains(reason, "follows") || !strings.Contains(reason, fmt.Sprintf("https://%c.example", 'a'+first)) {
		t.Errorf("a follower's refusal does not name the leader: %q", reason)
	}
	acknowledged := map[string]uint64{}
	add := func(from, n int) {
		for i := range n {
			src := fmt.Sprintf("203.0.113.%d", i+from)
			if seq, _ := c.block(first, src); seq > 0 {
				acknowledged[src+"/32"] = seq
			}
		}
	}
	add(1, 10)
	if len(acknowledged) != 10 {
		t.Fatalf("%d of 10 verdicts made with every server up", len(acknowledged))
	}
	eventually(t, "the follower shows them", func() bool { return len(c.inForce(other)) == 10 })

	leads, follows := filepath.Join(c.dir, string(rune('a'+first))), filepath.Join(c.dir, string(rune('a'+other)))
	c.run("never-block", "add", "192.0.2.1", "--reason", "office", "--by", "ann", "--data", leads)
	eventually(t, "the follower knows what must never be blocked", func() bool {
		out, err := tool(t, "never-block", "list", "--data", follows)
		return err == nil && strings.Contains(out, "192.0.2.1/32")
	})
	if out, err := tool(t, "never-block", "add", "192.0.2.2", "--reason", "office", "--by", "ann", "--data", follows); err == nil || !strings.Contains(out, "follows") {
		t.Errorf("a follower took an order: %s", out)
	}

	c.nodes[0].Process.Kill()
	for i := range 50 {
		s.Publish(alert(uint32(100+i), 3, "198.51.100.9", true))
		if i%5 == 0 {
			add(11+i/5, 1)
		}
	}
	eventually(t, "the cluster takes verdicts with a server down", func() bool {
		first = c.leader(0, 1)
		seq, _ := c.block(first, "203.0.113.100")
		if seq > 0 {
			acknowledged["203.0.113.100/32"] = seq
		}
		return seq > 0
	})
	other = 1 - first
	eventually(t, "every alert is stored", func() bool {
		n := len(c.collectors[0].alerts())
		for sid := range c.collectors[1].alerts() {
			if c.collectors[0].alerts()[sid] == 0 {
				n++
			}
		}
		return n == 50
	})

	c.collectors[first].kill()
	killed := time.Now()
	c.leader(other)
	t.Logf("the other collector leads %s after the first was killed", time.Since(killed).Round(10*time.Millisecond))
	first = other
	eventually(t, "the next leader makes verdicts", func() bool {
		seq, _ := c.block(first, "203.0.113.101")
		if seq > 0 {
			acknowledged["203.0.113.101/32"] = seq
		}
		return seq > 0
	})
	have := c.inForce(first)
	for src, seq := range acknowledged {
		if have[src] < seq { // greater: the same source was asked for again
			t.Errorf("verdict %d on %s was acknowledged and is not in force", seq, src)
		}
	}
	gapless(t, have)
	whole := func() bool {
		for src := range have {
			if !s.has(src) {
				return false
			}
		}
		return true
	}
	eventually(t, "the sensor has the same set", whole)

	c.nodes[1].Process.Kill() // one of three is no majority
	eventually(t, "nobody leads", func() bool { return strings.Contains(c.metrics(first), "\nweir_collector_leads 0\n") })
	if seq, _ := c.block(first, "203.0.113.102"); seq != 0 {
		t.Errorf("verdict %d was made without a majority of the servers", seq)
	}
	if !whole() {
		t.Error("the sensor lost verdicts with the servers")
	}
}

// gapless holds that nothing but additions gave these numbers.
func gapless(t *testing.T, have map[string]uint64) {
	t.Helper()
	var numbers []uint64
	for _, seq := range have {
		numbers = append(numbers, seq)
	}
	slices.Sort(numbers)
	for i := 1; i < len(numbers); i++ {
		if numbers[i] != numbers[i-1]+1 {
			t.Errorf("no verdict has a number between %d and %d", numbers[i-1], numbers[i])
		}
	}
}

func quoted(all []string) string {
	return `"` + strings.Join(all, `", "`) + `"`
}

// TestSensorsEnrolWithACluster has a sensor get its certificate over servers that know nothing of certificates, with one of them killed. It
// renews it with the collector that takes over, keeps its alerts and verdicts coming, and is out when it is taken off the list.
func TestSensorsEnrolWithACluster(t *testing.T) {
	c := startCluster(t, "")
	first := c.leader(0, 1)
	urls := strings.Join(c.urls, ",")
	data := func(i int) string { return filepath.Join(c.dir, string(rune('a'+i))) }
	token := func(i int) string {
		out, err := tool(t, "token", "create", "--data", data(i), "--group", "edge")
		if err != nil {
			t.Fatal(out)
		}
		return strings.TrimSpace(out)
	}
	secret := token(first)
	c.nodes[0].Process.Kill()
	first = c.leader(0, 1)
	creds := filepath.Join(c.dir, "fresh.creds")
	enroll := func() error {
		_, err := uplink.Enroll(t.Context(), urls, secret, "fresh", creds)
		return err
	}
	eventually(t, "a sensor enrols with a server down", func() bool {
		err := enroll()
		if err != nil {
			t.Log(err)
			time.Sleep(time.Second)
		}
		return err == nil
	})
	if err := enroll(); err == nil {
		t.Error("the token is good a second time")
	}
	s := connect(t, "fresh", urls, c.dir, creds)
	block := func(src string) {
		t.Helper()
		eventually(t, "a verdict reaches the sensor", func() bool {
			c.block(c.leader(0, 1), src)
			return s.has(src + "/32")
		})
	}
	block("203.0.113.1")
	s.Publish(alert(7, 3, "198.51.100.9", true))
	eventually(t, "its alert is stored", func() bool { return c.collectors[0].alerts()[7]+c.collectors[1].alerts()[7] == 1 })

	eventually(t, "the follower knows who has enrolled", func() bool {
		out, err := tool(t, "sensor", "list", "--data", data(1-first))
		return err == nil && strings.Contains(out, "fresh")
	})
	c.collectors[first].kill()
	first = c.leader(1 - first)
	eventually(t, "a verdict of the next leader", func() bool { c.block(first, "203.0.113.2"); return s.has("203.0.113.2/32") })
	again := connect(t, "fresh", urls, filepath.Join(c.dir, "again"), creds)
	eventually(t, "the next leader admits it by its certificate", func() bool { return again.has("203.0.113.2/32") })

	if out, err := tool(t, "sensor", "remove", "fresh", "--data", data(first)); err != nil {
		t.Fatal(out)
	}
	late := connect(t, "fresh", urls, filepath.Join(c.dir, "late"), creds)
	time.Sleep(3 * time.Second)
	if late.Connected() || late.has("203.0.113.2/32") {
		t.Error("a sensor that was removed connects")
	}
}
