package lab

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

const rememberLatencies = 1 << 17

// HTTPClientConfig describes a well-behaved user.
type HTTPClientConfig struct {
	NS        *Namespace
	URL       string        // with a numeric host
	Rate      int           // requests a second; 0: 20
	KeepAlive bool          // one connection for all, instead of one each
	Timeout   time.Duration // of a request; 0: 5 s
}

// HTTPClient makes requests at a steady rate and accounts for every one.
type HTTPClient struct {
	cfg    HTTPClientConfig
	client *http.Client
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu        sync.Mutex
	sent      int
	ok        int
	failed    int
	lastError error
	latencies []time.Duration
}

// HTTPClientStats are the requests so far. Sent = OK + Failed + those on their way.
type HTTPClientStats struct {
	Sent, OK, Failed int
	LastError        error
	P50, P99, Max    time.Duration // of those that succeeded
}

// StartHTTPClient starts the requests.
func StartHTTPClient(cfg HTTPClientConfig) *HTTPClient {
	if cfg.Rate == 0 {
		cfg.Rate = 20
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 5 * time.Second
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &HTTPClient{cfg: cfg, client: cfg.NS.HTTPClient(cfg.KeepAlive, cfg.Timeout), cancel: cancel}
	c.wg.Add(1)
	go c.loop(ctx)
	return c
}

// HTTPClient is a client whose connections begin in the namespace. Hosts must be numeric.
func (n *Namespace) HTTPClient(keepAlive bool, timeout time.Duration) *http.Client {
	return &http.Client{Timeout: timeout, Transport: &http.Transport{
		DisableKeepAlives: !keepAlive,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return n.Dial(ctx, network, address)
		},
	}}
}

func (c *HTTPClient) loop(ctx context.Context) {
	defer c.wg.Done()
	tick := time.NewTicker(time.Second / time.Duration(c.cfg.Rate))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			c.wg.Add(1)
			c.count(func() { c.sent++ })
			go c.request() // not waited for: a slow answer must not lower the rate
		}
	}
}

func (c *HTTPClient) request() {
	defer c.wg.Done()
	start := time.Now()
	err := get(c.client, c.cfg.URL)
	took := time.Since(start)
	c.count(func() {
		if err != nil {
			c.failed++
			c.lastError = err
			return
		}
		c.ok++
		if len(c.latencies) == rememberLatencies {
			c.latencies = append(c.latencies[:0], c.latencies[rememberLatencies/2:]...)
		}
		c.latencies = append(c.latencies, took)
	})
}

func get(client *http.Client, url string) error {
	resp, err := client.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", resp.Status)
	}
	return nil
}

func (c *HTTPClient) count(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

// Stats is the account so far.
func (c *HTTPClient) Stats() HTTPClientStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := HTTPClientStats{Sent: c.sent, OK: c.ok, Failed: c.failed, LastError: c.lastError}
	if len(c.latencies) > 0 {
		l := slices.Clone(c.latencies)
		slices.Sort(l)
		s.P50, s.P99, s.Max = l[len(l)/2], l[len(l)*99/100], l[len(l)-1]
	}
	return s
}

// Stop makes no more requests, waits for those on their way, and returns the account: Sent = OK + Failed.
func (c *HTTPClient) Stop() HTTPClientStats {
	c.cancel()
	c.wg.Wait()
	c.client.CloseIdleConnections()
	return c.Stats()
}
