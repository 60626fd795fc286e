package smtp

import (
	"bytes"

	"github.com/weir-ips/weir/pkg/flow/app"
)

// Probe tells SMTP by the client's first command, or by a greeting on one of its ports: FTP greets the same way.
func Probe(dir app.Direction, data []byte, srcPort, dstPort uint16) app.Match {
	if dir == app.ToServer {
		return prefixes(data, "EHLO ", "HELO ")
	}
	if !isPort(srcPort) && !isPort(dstPort) {
		return app.No
	}
	if m := prefixes(data, "220 ", "220-"); m != app.Yes {
		return m
	}
	if i := bytes.IndexByte(data, '\n'); i < 0 && len(data) < 512 {
		return app.More
	}
	return app.Yes
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
