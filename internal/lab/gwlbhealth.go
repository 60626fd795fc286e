package lab

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// HealthCheck says how a load balancer learns which targets are well. AWS's defaults are TCP, port 80, 10 s, 5 s, 5 and 2.
type HealthCheck struct {
	Port      uint16 // 0: no checks, every target is well
	Path      string // HTTP GET expecting 200 to 399; "": a TCP connection suffices
	Interval  time.Duration
	Timeout   time.Duration
	Healthy   int // successes in a row that make a target well; 0: 2
	Unhealthy int // failures in a row that make it ill; 0: 2
}

// healthChecker keeps the state of the targets.
type healthChecker struct {
	cfg     GWLBConfig
	targets []targetHealth
	probes  atomic.Uint64 // that had a result
	cancel  context.CancelFunc
	wg      sync.WaitGroup
}

type targetHealth struct {
	well atomic.Bool
	run  int // results in a row that contradict well
}

func startHealth(cfg GWLBConfig) *healthChecker {
	if cfg.Health.Interval == 0 {
		cfg.Health.Interval = 10 * time.Second
	}
	if cfg.Health.Timeout == 0 {
		cfg.Health.Timeout = 5 * time.Second
	}
	h := &healthChecker{cfg: cfg, targets: make([]targetHealth, len(cfg.Targets))}
	ctx, cancel := context.WithCancel(context.Background())
	h.cancel = cancel
	for i := range h.targets {
		if cfg.Health.Port == 0 {
			h.targets[i].well.Store(true)
			continue
		}
		h.wg.Add(1)
		go h.watch(ctx, i)
	}
	return h
}

func (h *healthChecker) stop() {
	h.cancel()
	h.wg.Wait()
}

func (h *healthChecker) watch(ctx context.Context, i int) {
	defer h.wg.Done()
	tick := time.NewTicker(h.cfg.Health.Interval)
	defer tick.Stop()
	for {
		err := h.probe(ctx, h.cfg.Targets[i].Addr)
		if ctx.Err() != nil {
			return
		}
		h.note(i, err == nil)
		h.probes.Add(1)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// note changes the state after enough results in a row say otherwise.
func (h *healthChecker) note(i int, ok bool) {
	t := &h.targets[i]
	if ok == t.well.Load() {
		t.run = 0
		return
	}
	need := h.cfg.Health.Unhealthy
	if ok {
		need = h.cfg.Health.Healthy
	}
	if t.run++; t.run >= need || need == 0 && t.run >= 2 {
		t.well.Store(ok)
		t.run = 0
	}
}

// probe comes from the load balancer's own address, as plain TCP to the target's.
func (h *healthChecker) probe(ctx context.Context, target netip.Addr) error {
	ctx, cancel := context.WithTimeout(ctx, h.cfg.Health.Timeout)
	defer cancel()
	at := netip.AddrPortFrom(target, h.cfg.Health.Port)
	if h.cfg.Health.Path == "" {
		conn, err := h.cfg.NS.Dial(ctx, "tcp4", at.String())
		if err != nil {
			return err
		}
		return conn.Close()
	}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		return h.cfg.NS.Dial(ctx, network, address)
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+at.String()+h.cfg.Health.Path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", "ELB-HealthChecker/2.0")
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 399 {
		return fmt.Errorf("status %s", resp.Status)
	}
	return nil
}

func (h *healthChecker) healthy(i int) bool { return h.targets[i].well.Load() }

// choose picks a target for a flow by the flow's hash among those that are well; when none is, among all, as AWS does.
func (h *healthChecker) choose(hash uint64) int {
	well := h.count()
	if well == 0 {
		return int(hash % uint64(len(h.targets)))
	}
	nth := int(hash % uint64(well))
	for i := range h.targets {
		if !h.healthy(i) {
			continue
		}
		if nth == 0 {
			return i
		}
		nth--
	}
	return int(hash % uint64(len(h.targets))) // one fell ill meanwhile
}

func (h *healthChecker) count() (n int) {
	for i := range h.targets {
		if h.healthy(i) {
			n++
		}
	}
	return n
}
