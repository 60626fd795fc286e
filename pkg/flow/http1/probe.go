package http1

import (
	"bytes"

	"github.com/weir-ips/weir/pkg/flow/app"
)

// Probe tells HTTP/1 by its first bytes: a known method and white space from the client, "HTTP/1." or "HTTP/0." from
// the server.
func Probe(dir app.Direction, data []byte, _, _ uint16) app.Match {
	if dir == app.ToClient {
		return prefix(data, "HTTP/1.", "HTTP/0.")
	}
	data = bytes.TrimLeft(data, "\r\n")
	if len(data) == 0 {
		return app.More
	}
	end := bytes.IndexAny(data, " \t\v\f")
	if end < 0 && len(data) < 20 {
		for _, m := range methods {
			if len(m) >= len(data) && m[:len(data)] == string(data) {
				return app.More
			}
		}
		return app.No
	}
	if end > 0 && isMethod(data[:end]) && !bytes.HasPrefix(data, []byte("PRI ")) {
		return app.Yes
	}
	return app.No
}

func prefix(data []byte, alternatives ...string) app.Match {
	result := app.No
	for _, a := range alternatives {
		if bytes.HasPrefix(data, []byte(a)) {
			return app.Yes
		}
		if len(data) < len(a) && a[:len(data)] == string(data) {
			result = app.More
		}
	}
	return result
}

// methods are those of HTTP, WebDAV and its extensions (RFC 9110, 4918, 3253, 3648, 3744, 5323, 5789), and what malware
// and UPnP use.
var methods = [...]string{
	"GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "CONNECT", "TRACE", "PATCH", "PROPFIND", "PROPPATCH", "MKCOL", "COPY",
	"MOVE", "LOCK", "UNLOCK", "VERSION-CONTROL", "CHECKOUT", "UNCHECKOUT", "CHECKIN", "UPDATE", "LABEL", "REPORT",
	"MKWORKSPACE", "MKACTIVITY", "BASELINE-CONTROL", "MERGE", "ORDERPATCH", "ACL", "SEARCH", "INVALID",
}

func isMethod(b []byte) bool {
	for _, m := range methods {
		if m == string(b) {
			return true
		}
	}
	return false
}

func startsLikeRequest(b []byte) bool {
	m, rest := word(b)
	return len(rest) > 0 && isMethod(m)
}

func startsLikeResponse(b []byte) bool { return bytes.HasPrefix(b, []byte("HTTP/")) }
