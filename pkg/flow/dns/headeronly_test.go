package dns

import (
	"testing"

	"github.com/weir-ips/weir/pkg/flow/app"
)

// TestHeaderAlone: a server that cannot read a question answers with an error and nothing else; nothing but that is DNS.
func TestHeaderAlone(t *testing.T) {
	for name, c := range map[string]struct {
		flags uint16
		want  app.Match
	}{
		"format error":        {0x8001, app.Yes},
		"refused":             {0x8105, app.Yes},
		"answer without text": {0x8000, app.No},
		"question":            {0x0001, app.No},
	} {
		msg := u16(0x1234) + u16(c.flags) + u16(0) + u16(0) + u16(0) + u16(0)
		if got := Probe(app.ToClient, []byte(msg), 53, 0); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
