package http1

import (
	"slices"
	"testing"

	"github.com/weir-ips/weir/pkg/flow/app/apptest"
)

// TestBehindTheLength: what follows a body of a given length is part of it, unless it may be the next answer.
func TestBehindTheLength(t *testing.T) {
	const unexpected = "http.response_body_unexpected"
	for name, c := range map[string]struct {
		rest, body string
		unexpected bool
	}{
		"text":              {"more", "okmore", true},
		"zeros":             {"\x00\x00", "ok\x00\x00", true},
		"start of a status": {"HT", "ok", false},
		"nothing":           {"", "ok", false},
	} {
		txs := run(t, apptest.C("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), apptest.S("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"+c.rest))
		if len(txs) == 0 {
			t.Fatalf("%s: no transaction", name)
		}
		tx := txs[0]
		if got := string(tx.Response.Body.Data); got != c.body || slices.Contains(tx.Events, unexpected) != c.unexpected {
			t.Errorf("%s: body %q, events %q", name, got, tx.Events)
		}
	}
}
