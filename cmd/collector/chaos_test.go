package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-ips/weir/internal/sensor/uplink"
	"github.com/weir-ips/weir/pkg/verdict"
	"github.com/weir-ips/weir/pkg/wire"
)

// A chaos run kills sensors and the collector, cuts and stalls their connections, sets sensors' clocks, and fills the collector's disk, at random, while
// alerts go up and verdicts come down. Then it must hold:
//
//   - of what each run of a sensor has sent, the collector keeps a gapless beginning, at least as long as what was acknowledged, and
//     nothing twice;
//   - every stored alert is counted by an incident, few of them twice, and is in the export at least once;
//   - every sensor has the same verdicts as the collector, by number and by hash, and none that has expired.
//
// WEIR_CHAOS_SECONDS makes it longer than CI's, WEIR_CHAOS_SEED repeats one.

const (
	chaosSensors = 3
	chaosSeconds = 12
	perBoot      = 1_000_000 // signature ids that one run of a sensor may use
)

// chaosSensor is what the test binary does as a sensor: it sends numbered alerts, and says ten times a second what was acknowledged
// and which verdicts it holds.
func chaosSensor(spec string) {
	var o struct {
		ID, URL, Creds, Dir string
		Boot                uint32
	}
	if err := json.Unmarshal([]byte(spec), &o); err != nil {
		log.Fatal(err)
	}
	wall := func() time.Time { return chaosClock(o.Dir) }
	held := &chaosTable{table: verdict.NewTable(100), wall: wall}
	u, err := uplink.New(uplink.Options{Wall: wall, Sensor: o.ID, URL: o.URL, Credentials: o.Creds, Dir: o.Dir, Applier: held})
	if err != nil {
		log.Fatal(err)
	}
	go u.Run(context.Background())
	tick := time.NewTicker(5 * time.Millisecond)
	for n := uint32(0); ; {
		<-tick.C
		_, err := os.Stat(filepath.Join(o.Dir, "quiet"))
		if err != nil {
			u.Publish(alert(o.Boot*perBoot+n, 3, "203.0.113.200", false))
			n++
		}
		if n%20 == 0 || err == nil {
			waiting := u.Stats().SpoolEvents
			ids, hash := held.set()
			json.NewEncoder(os.Stdout).Encode(chaosReport{o.Boot, int64(n), int64(n) - waiting, waiting, ids, hash})
		}
	}
}

// chaosReport is a line that a chaosSensor prints.
type chaosReport struct {
	Boot     uint32
	Made     int64 // alerts of this run
	Sent     int64 // of them, acknowledged: what waits goes up in order, that of earlier runs first
	Waiting  int64
	Verdicts []string
	Hash     uint64 // of them and their numbers in the log
}

// chaosTable is an Applier that ends verdicts as the enforcer does.
type chaosTable struct {
	mu    sync.Mutex
	table *verdict.Table
	wall  func() time.Time
}

// chaosClock is a sensor's clock, which the test sets by a file.
func chaosClock(dir string) time.Time {
	text, err := os.ReadFile(filepath.Join(dir, "clock"))
	if err != nil {
		return time.Now()
	}
	d, err := time.ParseDuration(string(text))
	if err != nil {
		return time.Now() // half written
	}
	return time.Now().Add(d)
}

func (c *chaosTable) Apply(v verdict.Verdict) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.table.Put(v, c.wall())
	return nil
}

func (c *chaosTable) Remove(id string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.table.Remove(id)
	return nil
}

func (c *chaosTable) Replace(_, _ uint64, vs []verdict.Verdict) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.table = verdict.NewTable(len(vs))
	for _, v := range vs {
		c.table.Put(v, c.wall())
	}
	return nil
}

func (c *chaosTable) set() (ids []string, hash uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.table.Expire(c.wall())
	ids = []string{}
	var set wire.Set
	for e := range c.table.All() {
		ids = append(ids, e.ID)
		set.Add(e.ID, e.Seq)
	}
	slices.Sort(ids)
	return ids, set.Hash()
}

// relay carries a sensor's connections to the bus, unless it is cut (refuses and closes) or stalled (carries nothing).
type relay struct {
	net.Listener
	to string

	mu      sync.Mutex
	conns   map[net.Conn]bool
	cut     bool
	stalled chan struct{} // closed when it carries again; nil: it carries
}

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{Listener: l, to: to, conns: map[net.Conn]bool{}}
	t.Cleanup(func() { l.Close(); r.set(true) })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go r.carry(c)
		}
	}()
	return r
}

func (r *relay) carry(c net.Conn) {
	defer c.Close()
	up, err := net.Dial("tcp", r.to)
	if err != nil {
		return
	}
	defer up.Close()
	r.mu.Lock()
	refuse := r.cut
	r.conns[c], r.conns[up] = true, true
	r.mu.Unlock()
	if refuse {
		return
	}
	done := make(chan struct{}, 2)
	go func() { io.Copy(up, &staller{c, r}); up.Close(); done <- struct{}{} }()
	go func() { io.Copy(c, &staller{up, r}); c.Close(); done <- struct{}{} }()
	<-done
	<-done
	r.mu.Lock()
	delete(r.conns, c)
	delete(r.conns, up)
	r.mu.Unlock()
}

// staller reads nothing while its relay is stalled.
type staller struct {
	net.Conn
	r *relay
}

func (s *staller) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	s.r.mu.Lock()
	wait := s.r.stalled
	s.r.mu.Unlock()
	if wait != nil {
		<-wait
	}
	return n, err
}

func (r *relay) set(cut bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cut = cut; cut {
		for c := range r.conns {
			c.Close()
		}
	}
}

func (r *relay) stall(d time.Duration) {
	r.mu.Lock()
	r.stalled = make(chan struct{})
	r.mu.Unlock()
	time.Sleep(d)
	r.mu.Lock()
	close(r.stalled)
	r.stalled = nil
	r.mu.Unlock()
}

// chaosNode is a sensor's process, and what its runs have said.
type chaosNode struct {
	t     *testing.T
	id    string
	dir   string
	url   string
	creds string
	relay *relay  // on the way to url; nil: none
	boot  *uint32 // the next run's number
	cmd   *exec.Cmd

	mu   sync.Mutex
	last chaosReport
	acks map[uint32]int64 // by run, of those that are over: at least so many of its alerts are stored
	runs []uint32
}

func (n *chaosNode) start() {
	n.t.Helper()
	spec, err := json.Marshal(map[string]any{"ID": n.id, "URL": n.url, "Creds": n.creds, "Dir": n.dir, "Boot": *n.boot})
	if err != nil {
		n.t.Fatal(err)
	}
	if err := os.MkdirAll(n.dir, 0o700); err != nil {
		n.t.Fatal(err)
	}
	n.mu.Lock()
	n.runs, n.last = append(n.runs, *n.boot), chaosReport{Boot: *n.boot}
	n.mu.Unlock()
	*n.boot++
	n.cmd = exec.Command(os.Args[0])
	n.cmd.Env = append(os.Environ(), "WEIR_TEST_SENSOR="+string(spec))
	n.cmd.Stderr = n.t.Output()
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	if err := n.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var r chaosReport
			if json.Unmarshal(lines.Bytes(), &r) == nil {
				n.mu.Lock()
				if r.Boot == n.last.Boot {
					n.last = r
				}
				n.mu.Unlock()
			}
		}
	}()
}

func (n *chaosNode) kill() {
	n.cmd.Process.Kill()
	n.cmd.Wait()
	n.mu.Lock()
	n.acks[n.last.Boot] = n.last.Sent
	n.mu.Unlock()
}

func (n *chaosNode) report() chaosReport {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.last
}

func number(t *testing.T, name string, otherwise int64) int64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

func TestChaos(t *testing.T) {
	seed := number(t, "WEIR_CHAOS_SEED", time.Now().UnixNano())
	seconds := number(t, "WEIR_CHAOS_SECONDS", chaosSeconds)
	t.Logf("WEIR_CHAOS_SEED=%d", seed)
	dice := rand.New(rand.NewPCG(uint64(seed), 0))

	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	disk := smallDisk(t, data)
	bus, exported := freeAddress(t), filepath.Join(dir, "export.json")
	p := start(t, "--config", writeConfig(t, dir, fmt.Sprintf("data: %s\napi: {listen: %q}\nbus: {listen: %q}\nexports: [{name: all, type: file, path: %s}]\n", data, freeAddress(t), bus, exported)))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("collector: %s", p.stderr.String())
		}
	})
	boot := uint32(1)
	var nodes []*chaosNode
	for i := range chaosSensors {
		n := &chaosNode{t: t, id: fmt.Sprintf("s%d", i), dir: filepath.Join(dir, fmt.Sprintf("s%d", i)), relay: newRelay(t, bus), boot: &boot, acks: map[uint32]int64{}}
		n.url = "nats://" + n.relay.Addr().String()
		n.start()
		t.Cleanup(n.kill)
		nodes = append(nodes, n)
	}

	made := 0
	block := func(ttl int) {
		src := netip.AddrFrom4([4]byte{45, 33, byte(made >> 8), byte(made)})
		made++
		body := fmt.Sprintf(`{"match":{"src":"%s/32"},"action":"drop","ttl_seconds":%d,"reason":"chaos"}`, src, ttl)
		post(p.console+"api/v1/verdicts", body) // refused or not answered is as good: what counts is that all agree
	}
	for end := time.Now().Add(time.Duration(seconds) * time.Second); time.Now().Before(end); {
		for range dice.IntN(4) {
			block(1 + dice.IntN(5))
		}
		block(3600)
		n := nodes[dice.IntN(len(nodes))]
		what, pause := dice.IntN(7), time.Duration(dice.IntN(700))*time.Millisecond
		switch what {
		case 0:
			n.kill()
			time.Sleep(pause)
			n.start()
		case 1:
			p.kill()
			time.Sleep(pause)
			p.start()
		case 2:
			n.relay.set(true)
			time.Sleep(pause)
			n.relay.set(false)
		case 3:
			n.relay.stall(pause)
		case 4:
			disk.fill(t)
			time.Sleep(pause)
			disk.free(t)
			p.kill() // what cannot write is started anew by its service manager
			p.start()
		case 5:
			time.Sleep(pause)
		case 6: // by up to two hours, either way, for good
			jump := time.Duration(dice.Int64N(int64(4*time.Hour))) - 2*time.Hour
			if err := os.WriteFile(filepath.Join(n.dir, "clock"), []byte(jump.String()), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}

	quieten(t, nodes)
	settle(t, "the collector has stored all that the living have made", func() bool { return storedAll(p, nodes) })
	var want []string
	settle(t, "all have the collector's verdicts", func() bool {
		var hash uint64
		want, hash = p.active()
		return agreed(nodes, want, hash)
	})
	if len(want) == 0 {
		t.Error("no verdict was made: the test tried next to nothing")
	}
	total := chaosAlerts(t, p, nodes)
	counted := 0
	for end := time.Now().Add(20 * time.Second); !countedWell(counted, total) && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		counted = p.counted()
	}
	if !countedWell(counted, total) {
		t.Errorf("incidents have counted %d of %d alerts", counted, total)
	}
	settle(t, "each alert is exported", func() bool { return exportedAlerts(t, exported) == total })
	t.Logf("%d runs of sensors, %d alerts, %d verdicts asked for, %d in force", boot-1, total, made, len(want))
}

// quieten has the last alerts go up, and no new ones come.
func quieten(t *testing.T, nodes []*chaosNode) {
	t.Helper()
	for _, n := range nodes {
		if err := os.WriteFile(filepath.Join(n.dir, "quiet"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range nodes {
		settle(t, n.id+" has handed all over", func() bool { r := n.report(); return r.Verdicts != nil && r.Waiting == 0 })
	}
}

// storedAll reports whether what the living have made is stored.
func storedAll(p *process, nodes []*chaosNode) bool {
	have := map[uint32]int64{}
	for sid := range p.alerts() {
		have[sid/perBoot]++
	}
	return !slices.ContainsFunc(nodes, func(n *chaosNode) bool { r := n.report(); return have[r.Boot] < r.Made })
}

// agreed reports whether all hold these verdicts, in these versions.
func agreed(nodes []*chaosNode, want []string, hash uint64) bool {
	return !slices.ContainsFunc(nodes, func(n *chaosNode) bool { r := n.report(); return !slices.Equal(r.Verdicts, want) || r.Hash != hash })
}

// chaosAlerts holds what is stored against what was sent.
func chaosAlerts(t *testing.T, p *process, nodes []*chaosNode) (total int) {
	t.Helper()
	stored := p.alerts()
	most := map[uint32]uint32{}
	count := map[uint32]uint32{}
	for sid, n := range stored {
		if n != 1 {
			t.Errorf("alert %d is stored %d times", sid, n)
		}
		run := sid / perBoot
		most[run], count[run] = max(most[run], sid%perBoot), count[run]+1
	}
	for _, n := range nodes {
		if last := n.report(); int64(count[last.Boot]) != last.Made {
			t.Errorf("%s, run %d: %d alerts were made and handed over, %d are stored", n.id, last.Boot, last.Made, count[last.Boot])
		}
		for _, run := range n.runs {
			if count[run] > 0 && count[run] != most[run]+1 {
				t.Errorf("%s, run %d: %d alerts are stored, the last is number %d", n.id, run, count[run], most[run]+1)
			}
			if int64(count[run]) < n.acks[run] {
				t.Errorf("%s, run %d: %d alerts were acknowledged, %d are stored", n.id, run, n.acks[run], count[run])
			}
		}
	}
	return len(stored)
}

// countedWell allows for batches that a sensor sent a second time, as it had no answer to the first, just when the collector died: both are
// in the stream then, and nothing tells whether the first was counted.
func countedWell(counted, total int) bool { return counted >= total && counted <= total+total/20 }

// counted is how many alerts incidents have counted.
func (p *process) counted() (n int) {
	var list struct{ Incidents []struct{ Alerts int } }
	p.call(http.MethodGet, "/api/v1/incidents?limit=200", nil, &list)
	for _, in := range list.Incidents {
		n += in.Alerts
	}
	return n
}

// exportedAlerts is how many different alerts are in an export.
func exportedAlerts(t *testing.T, path string) int {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[uint32]bool{}
	for line := range strings.Lines(string(text)) {
		var r struct {
			Alert struct {
				SID uint32 `json:"signature_id"`
			}
		}
		if json.Unmarshal([]byte(line), &r) == nil { // a kill may have cut a line
			seen[r.Alert.SID] = true
		}
	}
	return len(seen)
}

// active are the ids of the verdicts in force, and the hash of them and their numbers.
func (p *process) active() (ids []string, hash uint64) {
	var list struct {
		Verdicts []struct {
			ID, State string
			Seq       uint64
			ExpiresAt time.Time `json:"expires_at"`
		}
	}
	var set wire.Set
	p.call(http.MethodGet, "/api/v1/verdicts", nil, &list)
	for _, v := range list.Verdicts {
		if v.State == "active" && time.Until(v.ExpiresAt) > 0 {
			ids = append(ids, v.ID)
			set.Add(v.ID, v.Seq)
		}
	}
	slices.Sort(ids)
	return ids, set.Hash()
}

// ballast is a disk that can be filled.
type ballast struct{ path string }

// smallDisk puts a small file system at dir.
func smallDisk(t *testing.T, dir string) *ballast {
	t.Helper()
	if err := unix.Mount("chaos", dir, "tmpfs", 0, "size=256m,mode=0700"); err != nil {
		if errors.Is(err, unix.EPERM) {
			t.Skipf("a small disk to be filled needs root: mount: %v", err)
		}
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return &ballast{filepath.Join(dir, "ballast")}
}

func (b *ballast) fill(t *testing.T) {
	f, err := os.Create(b.path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	for err == nil {
		_, err = f.Write(block)
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
}

func (b *ballast) free(t *testing.T) {
	if err := os.Remove(b.path); err != nil {
		t.Fatal(err)
	}
}

func settle(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(90 * time.Second); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 90 s: %s", what)
		}
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func writeConfig(t *testing.T, dir, text string) string {
	t.Helper()
	path := filepath.Join(dir, "collector.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func post(url, body string) {
	client := http.Client{Timeout: 2 * time.Second}
	resp, err := client.Post(url, "application/json", strings.NewReader(body))
	if err == nil {
		resp.Body.Close()
	}
}
