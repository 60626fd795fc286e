package main

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-ips/weir/internal/collector/store/storetest"
)

// TestChaosOfACluster kills servers of a cluster, the collectors on it and sensors at random, and starts them again, while alerts go up and
// verdicts come down. Then the same holds as in TestChaos, of collectors that share a store of alerts and a database.
func TestChaosOfACluster(t *testing.T) {
	seed := number(t, "WEIR_CHAOS_SEED", time.Now().UnixNano())
	seconds := number(t, "WEIR_CHAOS_SECONDS", chaosSeconds*2/3)
	t.Logf("WEIR_CHAOS_SEED=%d", seed)
	dice := rand.New(rand.NewPCG(uint64(seed), 1))
	db := storetest.Start(t).Database(t)
	secret := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(secret, []byte(db.Password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := startCluster(t, fmt.Sprintf("state: {postgres: %q, password: {file: %q}}\nalerts: {store: {victorialogs: {url: %q}}}\n",
		db.Address, secret, storetest.StartVictoriaLogs(t)))
	leads := filepath.Join(c.dir, string(rune('a'+c.leader(0, 1))))
	boot := uint32(1)
	var nodes []*chaosNode
	for i := range 2 {
		id := fmt.Sprintf("s%d", i)
		n := &chaosNode{t: t, id: id, dir: filepath.Join(c.dir, id), url: strings.Join(c.urls, ","), creds: filepath.Join(c.dir, id+".creds"), boot: &boot, acks: map[uint32]int64{}}
		c.run("sensor", "add", id, "--data", leads, "--out", n.creds)
		n.start()
		t.Cleanup(n.kill)
		nodes = append(nodes, n)
	}

	made := 0
	block := func(ttl int) {
		src := netip.AddrFrom4([4]byte{45, 34, byte(made >> 8), byte(made)})
		made++
		for _, p := range c.collectors { // the one that follows refuses
			post(p.console+"api/v1/verdicts", fmt.Sprintf(`{"match":{"src":"%s/32"},"action":"drop","ttl_seconds":%d,"reason":"chaos"}`, src, ttl))
		}
	}
	caughtUp := time.Now() // a majority must be up: one server at a time, and the next when it has what it missed
	for end := time.Now().Add(time.Duration(seconds) * time.Second); time.Now().Before(end); {
		block(3600)
		block(1 + dice.IntN(5))
		switch pause := time.Duration(300+dice.IntN(700)) * time.Millisecond; dice.IntN(4) {
		case 0:
			if time.Now().Before(caughtUp) {
				continue
			}
			i := dice.IntN(len(c.nodes))
			c.nodes[i].Process.Kill()
			c.nodes[i].Wait()
			time.Sleep(pause)
			c.startNode(i)
			caughtUp = time.Now().Add(3 * time.Second)
		case 1:
			p := c.collectors[dice.IntN(2)]
			p.kill()
			time.Sleep(pause)
			p.start()
		case 2:
			n := nodes[dice.IntN(len(nodes))]
			n.kill()
			time.Sleep(pause)
			n.start()
		case 3:
			time.Sleep(pause)
		}
	}

	quieten(t, nodes)
	p := c.collectors[c.leader(0, 1)]
	settle(t, "the store has all that the living have made", func() bool { return storedAll(p, nodes) })
	var want []string
	settle(t, "all have the leader's verdicts", func() bool {
		var hash uint64
		want, hash = p.active()
		return len(want) > 0 && agreed(nodes, want, hash)
	})
	total := chaosAlerts(t, p, nodes)
	counted := 0
	for end := time.Now().Add(20 * time.Second); !countedWell(counted, total) && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		counted = p.counted()
	}
	if !countedWell(counted, total) {
		t.Errorf("incidents have counted %d of %d alerts", counted, total)
	}
	t.Logf("%d runs of sensors, %d alerts, %d verdicts asked for, %d in force", boot-1, total, made, len(want))
}
