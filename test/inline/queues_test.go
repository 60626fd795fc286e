package inline

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/weir-ips/weir/internal/lab"
)

// answerRules drop the answer to a request for /secret: a worker must see both directions to know.
const answerRules = `alert http any any -> any any (msg:"asked"; flow:established,to_server; http.uri; content:"/secret"; flowbits:set,asked; flowbits:noalert; sid:10;)
drop http any any -> any any (msg:"answered"; flow:established,to_client; flowbits:isset,asked; http.stat_code; content:"200"; sid:11;)
`

// TestQueuesAndWorkers has more queues and workers than one, and conversations whose directions come by different queues: in bridge mode
// all do, since the ports differ.
func TestQueuesAndWorkers(t *testing.T) {
	for _, k := range []struct {
		name, settings string
		topology       func(*lab.Lab, lab.Options) (*lab.Topology, error)
		queues         int
	}{
		{"gwlb with more queues than workers", "mode: gwlb\ninterfaces: [eth0]\nworkers: 3\n", lab.GWLBTopology, 4},
		{"gwlb with fewer queues than workers", "mode: gwlb\ninterfaces: [eth0]\nworkers: 4\n", lab.GWLBTopology, 1},
		{"bridge", fmt.Sprintf(bridgeSettings, "closed") + "workers: 3\n", lab.BridgeTopology, 2},
		{"bridge with workers that never rest", fmt.Sprintf(bridgeSettings, "closed") + "workers: 2\nbusy-poll: true\n", lab.BridgeTopology, 2},
	} {
		t.Run(k.name, func(t *testing.T) {
			topology, err := k.topology(newLab(t), lab.Options{Queues: k.queues})
			check(t, err)
			s := startSensor(t, topology.Sensor.Namespace, answerRules, k.settings)
			answered(t, topology)
			st, err := s.Status()
			check(t, err)
			if tr := st.Traffic; tr.HandedOver == 0 || tr.HandedOver >= tr.Inspected || tr.Lost+tr.Uninspected > 0 || tr.Alerts == 0 || st.Workers < 2 {
				t.Errorf("%d workers, %+v", st.Workers, tr)
			}
			records(t, strings.Replace(s.config, "sensor.yaml", "eve.json", 1), secrets)
		})
	}
}

const secrets = 8 // requests for what must not be answered

// answered makes many connections at once: of all requests those for /secret alone get no answer.
func answered(t *testing.T, topology *lab.Topology) {
	t.Helper()
	const clients, requests = 24, 10
	addrs := moreAddresses(t, topology.Server, clients)
	server, err := lab.StartHTTPServer(topology.Server.Namespace, netip.AddrPortFrom(netip.IPv4Unspecified(), 80))
	check(t, err)
	defer server.Close()
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DialContext: topology.Client.Dial}}
			defer client.CloseIdleConnections()
			for n := range requests {
				if _, err := get(&client, fmt.Sprintf("http://%s/fine/%d/%d", addrs[i], i, n)); err != nil {
					t.Errorf("client %d, request %d: %v", i, n, err)
					return
				}
			}
			if i >= secrets {
				return
			}
			client.Timeout = 1500 * time.Millisecond
			if body, err := get(&client, fmt.Sprintf("http://%s/secret/%d", addrs[i], i)); err == nil {
				t.Errorf("client %d was told the secret: %q", i, body)
			}
		})
	}
	wg.Wait()
	if n := server.Saw("/fine/"); n != clients*requests {
		t.Errorf("%d of %d requests reached the server", n, clients*requests)
	}
	if n := server.Saw("/secret/"); n < secrets {
		t.Errorf("%d of %d requests for the secret reached the server", n, secrets)
	}
}

// moreAddresses gives a host n addresses more, so that its conversations have several workers.
func moreAddresses(t *testing.T, h *lab.Host, n int) (addrs []netip.Addr) {
	t.Helper()
	check(t, h.Run(func() error {
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		for i := range n {
			four := h.Addr.As4()
			four[3] = byte(100 + i)
			addrs = append(addrs, netip.AddrFrom4(four))
			if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: &net.IPNet{IP: four[:], Mask: net.CIDRMask(32, 32)}}); err != nil {
				return err
			}
		}
		return nil
	}))
	return addrs
}

func get(c *http.Client, url string) (string, error) {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	answer, err := c.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return string(body), err
}

// records waits for the alerts in the sensor's file: one a conversation.
func records(t *testing.T, path string, want int) {
	t.Helper()
	flows := map[float64]bool{}
	for start := time.Now(); len(flows) < want && time.Since(start) < 5*time.Second; time.Sleep(50 * time.Millisecond) {
		text, err := os.ReadFile(path)
		check(t, err)
		for line := range bytes.Lines(text) {
			var r struct {
				Event string  `json:"event_type"`
				Flow  float64 `json:"flow_id"`
				Alert struct {
					SID int `json:"signature_id"`
				}
			}
			if json.Unmarshal(line, &r) == nil && r.Event == "alert" && r.Alert.SID == 11 {
				flows[r.Flow] = true
			}
		}
	}
	if len(flows) != want {
		t.Errorf("alerts for %d conversations; want %d", len(flows), want)
	}
}
