package floods

import (
	"sync"
	"time"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/threshold"
)

// handshakes are those completed since the last look, by server: many new clients are no flood. Workers add to it.
type handshakes struct {
	mu   sync.Mutex
	list map[decode.Addr]uint64
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
		c.carpets.spare(server, n, now)
	}
	if !c.o.OneSide {
		return
	}
	counted, err := c.o.Host()
	if err != nil {
		return // without the host's word all SYNs count, which is the safe side
	}
	c.mu.Lock()
	accepted := c.own.grow(counted)
	c.mu.Unlock()
	if busiest, ok := c.counters.busiest(); ok && accepted > 0 {
		c.detector.Spare(busiest, threshold.FloodSYN, accepted, now.UnixNano())
		c.carpets.spare(busiest, accepted, now)
	}
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
