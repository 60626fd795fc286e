package fleet

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/weir-ips/weir/internal/collector/api"
	"github.com/weir-ips/weir/internal/collector/store"
	"github.com/weir-ips/weir/internal/lab"
)

// Collector is one `collector run` on this machine, with a client for its API.
type Collector struct {
	URL    string // of console and API
	Config string
	bus    netip.Addr
	p      *process
	http   http.Client
}

func (f *Fleet) newCollector() (*Collector, error) {
	c := &Collector{URL: "http://" + f.Console, bus: f.Sensor.ManagementGateway, http: http.Client{Timeout: 10 * time.Second}}
	var err error
	c.Config, err = f.file("collector.yaml", fmt.Sprintf(`data: %s
api: {listen: %q}
bus: {listen: "%s:%d", open: true}
policy:
  canary: 0s # what is shown and measured is how soon every sensor drops
  block:
    - {severity: 1, require: handshake, action: drop, ttl: 10m, scope: all}
`, filepath.Join(f.Dir, "collector-data"), f.Console, c.bus, BusPort))
	if err != nil {
		return nil, err
	}
	c.p = f.process("collector", "collector", (*exec.Cmd).Start, "run", "--config", c.Config)
	return c, nil
}

func (c *Collector) sensorURL(*lab.Host) string { return fmt.Sprintf("nats://%s:%d", c.bus, BusPort) }

// Start starts the collector and waits until it is ready.
func (c *Collector) Start() error {
	if err := c.p.start(); err != nil {
		return err
	}
	return c.p.await(func() error { return c.Call(http.MethodGet, "/readyz", nil, nil) }, 30*time.Second)
}

// Stop ends the collector.
func (c *Collector) Stop() error { return c.p.signal(syscall.SIGTERM) }

// Kill ends it as a crash would.
func (c *Collector) Kill() error { return c.p.signal(syscall.SIGKILL) }

// Alerts asks for the newest alerts; query is the URL's, such as "sid=1000001".
func (c *Collector) Alerts(query string) ([]store.Alert, error) {
	var page store.Page
	err := c.Call(http.MethodGet, "/api/v1/alerts?limit=1000&"+query, nil, &page)
	return page.Alerts, err
}

// Verdicts lists verdicts with their hits and how far they have spread.
func (c *Collector) Verdicts() ([]api.VerdictStatus, error) {
	var list struct {
		Verdicts []api.VerdictStatus `json:"verdicts"`
	}
	err := c.Call(http.MethodGet, "/api/v1/verdicts", nil, &list)
	return list.Verdicts, err
}

// Sensors lists the sensors that report.
func (c *Collector) Sensors() ([]api.Sensor, error) {
	var list struct {
		Sensors []api.Sensor `json:"sensors"`
	}
	err := c.Call(http.MethodGet, "/api/v1/sensors", nil, &list)
	return list.Sensors, err
}

// Block asks for a drop of src everywhere, as the console's dialog does.
func (c *Collector) Block(src netip.Prefix, ttl time.Duration, reason string) (api.VerdictStatus, error) {
	var v api.VerdictStatus
	err := c.Call(http.MethodPost, "/api/v1/verdicts", map[string]any{
		"match": map[string]string{"src": src.String()}, "action": "drop", "ttl_seconds": int(ttl.Seconds()), "reason": reason,
	}, &v)
	return v, err
}

// Lift removes a verdict.
func (c *Collector) Lift(id string) error {
	return c.Call(http.MethodDelete, "/api/v1/verdicts/"+id, nil, nil)
}

// Arrival is an alert and when the stream delivered it.
type Arrival struct {
	store.Alert
	At time.Time
}

// Stream follows the alert stream until ctx ends.
func (c *Collector) Stream(ctx context.Context) (<-chan Arrival, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL+"/api/v1/alerts/stream", nil)
	if err != nil {
		return nil, err
	}
	resp, err := (&http.Client{}).Do(req)
	if err != nil {
		return nil, fmt.Errorf("fleet: alert stream: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("fleet: alert stream: %s", resp.Status)
	}
	out := make(chan Arrival, 1024)
	go func() {
		defer close(out)
		defer resp.Body.Close()
		lines := bufio.NewScanner(resp.Body)
		lines.Buffer(nil, 4<<20)
		for lines.Scan() {
			data, ok := strings.CutPrefix(lines.Text(), "data: ")
			var batch store.Page
			if !ok || json.Unmarshal([]byte(data), &batch) != nil {
				continue
			}
			now := time.Now()
			for _, a := range batch.Alerts {
				select {
				case out <- Arrival{a, now}:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return out, nil
}

// Call does a request of the API and decodes the answer; body and into may be nil.
func (c *Collector) Call(method, path string, body, into any) error {
	var text bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&text).Encode(body); err != nil {
			return err
		}
	}
	req, err := http.NewRequest(method, c.URL+path, &text)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("fleet: collector: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		var out limited
		bufio.NewReader(resp.Body).WriteTo(&out)
		return fmt.Errorf("fleet: %s %s: %s: %s", method, path, resp.Status, out)
	}
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return fmt.Errorf("fleet: %s %s: %w", method, path, err)
	}
	return nil
}
