package floods

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/weir-ips/weir/pkg/threshold"
)

// HostCounters are what the host itself counts in its network namespace since the start: where a sensor sees what arrives and not what is
// sent, the host's word tells answers that were asked for.
type HostCounters struct {
	Accepted uint64 // handshakes completed as a server: Tcp PassiveOpens (RFC 4022)
	Opened   uint64 // connections begun: Tcp ActiveOpens
	Sent     uint64 // UDP datagrams sent: Udp OutDatagrams (RFC 4113), both IP versions
}

// ReadHost reads the counters of the calling thread's network namespace.
func ReadHost() (HostCounters, error) {
	const file = "/proc/thread-self/net/snmp"
	c, found := HostCounters{}, 0
	err := readCounters(file, func(group, name string, n uint64) {
		switch group + name {
		case "Tcp:PassiveOpens":
			c.Accepted, found = n, found+1
		case "Tcp:ActiveOpens":
			c.Opened, found = n, found+1
		case "Udp:OutDatagrams":
			c.Sent, found = c.Sent+n, found+1
		}
	})
	if err == nil && found != 3 {
		err = errors.New(file + ": PassiveOpens, ActiveOpens or OutDatagrams is missing")
	}
	if err != nil {
		return c, fmt.Errorf("the host's counters: %w", err)
	}
	sent6, err := udp6Sent()
	c.Sent += sent6
	return c, err
}

// readCounters calls f for each counter of a file in which a line of names precedes each line of values.
func readCounters(file string, each func(group, name string, n uint64)) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	var names []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(names) == 0 || len(fields) != len(names) || fields[0] != names[0] {
			names = fields
			continue
		}
		for i, name := range names[1:] {
			if n, err := strconv.ParseUint(fields[i+1], 10, 64); err == nil { // some are negative
				each(names[0], name, n)
			}
		}
		names = nil
	}
	return lines.Err()
}

// udp6Sent is Udp6OutDatagrams; 0 without IPv6.
func udp6Sent() (uint64, error) {
	text, err := os.ReadFile("/proc/thread-self/net/snmp6")
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("the host's counters: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 2 && fields[0] == "Udp6OutDatagrams" {
			return strconv.ParseUint(fields[1], 10, 64)
		}
	}
	return 0, nil
}

// own are the counters at the last look, and the rates of what the host begins itself, averages of about a second.
type own struct {
	last         HostCounters
	known        bool
	opened, sent float64 // a second
}

// grow takes the counters of a look in; it returns how many handshakes were completed since the last.
func (o *own) grow(now HostCounters) (accepted uint64) {
	const perSecond = float64(1e9 / int64(lookEvery))
	if o.known {
		accepted = now.Accepted - min(now.Accepted, o.last.Accepted)
		o.opened += (float64(now.Opened-min(now.Opened, o.last.Opened))*perSecond - o.opened) / 5
		o.sent += (float64(now.Sent-min(now.Sent, o.last.Sent))*perSecond - o.sent) / 5
	}
	o.last, o.known = now, true
	return accepted
}

// asked reports whether the host itself has asked for what looks as if nobody had: as many answers as it begins connections, or, of a
// service that amplifies, up to five to a datagram.
func (o *own) asked(d *threshold.Detection) bool {
	value := float64(d.Value)
	switch {
	case d.Vector == threshold.Reflection:
		return 2*o.opened >= value
	case d.Vector == threshold.Amplification && d.Unit == "":
		return 5*o.sent >= value
	case d.Vector == threshold.Amplification: // bits a second, of datagrams that may be large
		return 5*o.sent*1500*8 >= value
	}
	return false
}
