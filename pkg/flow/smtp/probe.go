package smtp

import (
	"bytes"

	"github.com/weir-ips/weir/pkg/flow/app"
)

// Probe tells SMTP by the client's first command, or by a greeting that names it or comes from one of its ports: FTP greets
// the same way.
func Probe(dir app.Direction, data []byte, srcPort, dstPort uint16) app.Match {
	if dir == app.ToServer {
		return prefixes(data, "EHLO", "HELO")
	}
	m := prefixes(data, "220 ", "220-")
	if m != app.Yes {
		return m
	}
	line, _, whole := bytes.Cut(data, []byte("\n"))
	switch {
	case bytes.Contains(bytes.ToUpper(line), []byte("SMTP")):
		return app.Yes
	case !whole && len(data) < 512:
		return app.More
	case isPort(srcPort) || isPort(dstPort):
		return app.Yes
	}
	return app.No
}

func isPort(p uint16) bool { return p == 25 || p == 465 || p == 587 || p == 2525 }

// prefixes compares without case.
func prefixes(data []byte, list ...string) app.Match {
	result := app.No
	for _, s := range list {
		n := min(len(s), len(data))
		if !fold(data[:n], s[:n]) {
			continue
		}
		if n == len(s) {
			return app.Yes
		}
		result = app.More
	}
	return result
}
