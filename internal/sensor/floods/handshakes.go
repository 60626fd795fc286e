package floods

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/threshold"
)

// handshakes are those completed since the last look, by server: many new clients are no flood. Workers add to it.
type handshakes struct {
	mu     sync.Mutex
	list   map[decode.Addr]uint64
	opened uint64 // host mode: the host's own count at the last look
}

// maxServers bounds the servers counted between two looks; handshakes with more of them are not counted, which is the safe side.
const maxServers = 4096

func (h *handshakes) add(server decode.Addr) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.list == nil {
		h.list = map[decode.Addr]uint64{}
	}
	if len(h.list) < maxServers || h.list[server] > 0 {
		h.list[server]++
	}
}

func (h *handshakes) take() map[decode.Addr]uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := h.list
	h.list = nil
	return list
}

// Handshake notes a client that is real, and that a SYN to the server was no attack.
func (c *Control) Handshake(client, server decode.Addr) {
	c.o.Kernel.MarkGood(client.IP())
	c.handshakes.add(server)
}

// spare takes completed handshakes out of the count of SYNs.
func (c *Control) spare(now time.Time) {
	for server, n := range c.handshakes.take() {
		c.detector.Spare(server, threshold.FloodSYN, n, now.UnixNano())
	}
	if !c.o.OneSide {
		return
	}
	opened, err := passiveOpens()
	if err != nil {
		return // without the host's word all SYNs count, which is the safe side
	}
	if grown := opened - c.handshakes.opened; c.handshakes.opened > 0 && grown > 0 {
		if busiest, ok := c.counters.busiest(); ok {
			c.detector.Spare(busiest, threshold.FloodSYN, grown, now.UnixNano())
		}
	}
	c.handshakes.opened = opened
}

// busiest is the destination that got most SYNs at the last look: the host's own count does not tell its addresses apart.
func (c *counters) busiest() (busiest decode.Addr, ok bool) {
	most := uint64(0)
	for dst, g := range c.grown {
		if n := g[bpf.ClassSYN]; n > most {
			most, busiest, ok = n, decode.AddrFrom(dst), true
		}
	}
	return busiest, ok
}

// passiveOpens is how many handshakes the host has completed as a server: Tcp PassiveOpens (RFC 4022) of the network namespace.
func passiveOpens() (uint64, error) {
	const file = "/proc/thread-self/net/snmp"
	f, err := os.Open(file)
	if err != nil {
		return 0, fmt.Errorf("count handshakes: %w", err)
	}
	defer f.Close()
	var names []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || fields[0] != "Tcp:" {
			continue
		}
		if names == nil {
			names = fields
			continue
		}
		for i, name := range names {
			if name == "PassiveOpens" && i < len(fields) {
				return strconv.ParseUint(fields[i], 10, 64)
			}
		}
	}
	return 0, errors.New("count handshakes: no PassiveOpens in " + file)
}
