package victorialogs

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/weir-ips/weir/internal/collector/store"
)

// FuzzAlertOf reads what a server may answer.
func FuzzAlertOf(f *testing.F) {
	f.Add(`{"_time":"2026-11-24T12:00:00.1Z","id":"a","sid":"5","severity":"1","src_ip":"10.0.0.1","flow_id":"18446744073709551615","eve":"{}"}`)
	f.Add(`{"_time":"x","sid":"-1","severity":"256","src_ip":"::ffff:1.2.3.4%e"}`)
	f.Fuzz(func(t *testing.T, text string) {
		row := map[string]string{}
		if json.Unmarshal([]byte(text), &row) != nil {
			return
		}
		a, err := alertOf(row)
		if err == nil && a.Time.IsZero() && !strings.HasPrefix(row["_time"], "0001-01-01") {
			t.Fatalf("an alert without a time of %q", text)
		}
	})
}

// FuzzTerm holds that no query can get out of its quotes: outside of them, LogsQL has nothing of a query's own words.
func FuzzTerm(f *testing.F) {
	for _, text := range []string{`sid:1,2-3 -app:dns "id check" severity<=2`, `x\" or weir:=`, "app:a\\\"b*)", "2001:db8::1", "is:open,archived -assigned:ana"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		terms, err := store.ParseQuery(text)
		if err != nil {
			return
		}
		for _, term := range terms {
			out, depth, quoted := new(compiler).term(term), 0, false
			for i := 0; i < len(out); i++ {
				switch c := out[i]; {
				case quoted && c == '\\':
					i++
				case c == '"':
					quoted = !quoted
				case quoted:
				case c == '(':
					depth++
				case c == ')':
					depth--
				case !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz_0123456789:=~!*[], ", rune(c)):
					t.Fatalf("%q: %q has %q outside of quotes", text, out, c)
				}
			}
			if depth != 0 || quoted {
				t.Fatalf("%q: %q is not closed", text, out)
			}
		}
	})
}
