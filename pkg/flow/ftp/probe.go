package ftp

import (
	"bytes"

	"github.com/weir-ips/weir/pkg/flow/app"
)

// Probe tells FTP by a client's first command, or by a greeting that names it or comes from its port: SMTP greets the
// same way.
func Probe(dir app.Direction, data []byte, srcPort, dstPort uint16) app.Match {
	if dir == app.ToServer {
		return prefixes(data, "USER ", "FEAT\r\n", "AUTH TLS", "AUTH SSL", "PASS ", "PORT ")
	}
	m := prefixes(data, "220 ", "220-")
	if m != app.Yes {
		return m
	}
	line, _, whole := bytes.Cut(data, []byte("\n"))
	switch {
	case bytes.Contains(bytes.ToUpper(line), []byte("FTP")), bytes.HasPrefix(data, []byte("220 (")):
		return app.Yes
	case !whole && len(data) < 512:
		return app.More
	case srcPort == 21 || dstPort == 21:
		return app.Yes
	}
	return app.No
}

// prefixes compares without case.
func prefixes(data []byte, list ...string) app.Match {
	result := app.No
	for _, s := range list {
		n := min(len(s), len(data))
		if !bytes.EqualFold(data[:n], []byte(s[:n])) {
			continue
		}
		if n == len(s) {
			return app.Yes
		}
		result = app.More
	}
	return result
}
