package event

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
)

//go:embed testdata/members.txt
var membersText string

// members maps the path of each member that records may have to its type.
var members = sync.OnceValue(func() map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(membersText) {
		if path, kind, ok := strings.Cut(strings.TrimSpace(line), " "); ok && !strings.HasPrefix(line, "#") {
			m[path] = kind
		}
	}
	return m
})

// free are the objects whose members have names of the user's own.
var free = map[string]bool{"alert.metadata": true, "metadata.flowints": true, "metadata.flowvars[]": true, "metadata.pktvars[]": true,
	"metadata.entropy": true, "dns.grouped": true, "dns.answer.grouped": true}

// strange returns what a record has that Suricata's do not: a member, a type, or an object or list without anything in it.
func strange(line []byte) string {
	var v any
	if err := json.Unmarshal(line, &v); err != nil {
		return err.Error()
	}
	return strangeIn("", v)
}

func strangeIn(path string, v any) string {
	kind := ""
	switch x := v.(type) {
	case map[string]any:
		if path == "alert.context" {
			return "" // the place for what is one's own
		}
		if len(x) == 0 && path != "alert" {
			return path + " is empty"
		}
		for name, inner := range x {
			if free[path] {
				name = "*"
			}
			if s := strangeIn(strings.TrimPrefix(path+"."+name, "."), inner); s != "" {
				return s
			}
		}
		return ""
	case []any:
		if len(x) == 0 {
			return path + " is empty"
		}
		for _, inner := range x {
			if s := strangeIn(path+"[]", inner); s != "" {
				return s
			}
		}
		return ""
	case string:
		kind = "string"
	case bool:
		kind = "boolean"
	case float64:
		if kind = "integer"; x != float64(int64(x)) {
			kind = "number"
		}
	}
	switch want, ok := members()[path]; {
	case !ok && !free[path[:max(strings.LastIndexByte(path, '.'), 0)]]:
		return path + " is no member of such records"
	case ok && !strings.Contains(want, kind):
		return fmt.Sprintf("%s is a %s, want %s", path, kind, want)
	}
	return ""
}

func TestStrange(t *testing.T) {
	for line, want := range map[string]string{
		`{"alert":{"signature_id":1,"metadata":{"mine":["a"]},"context":{"weir":{"tenant":1}}},"vlan":[1]}`: "",
		`{"alert":{"signature_id":"1"}}`:                "alert.signature_id is a string, want integer",
		`{"alert":{"weir":1}}`:                          "alert.weir is no member of such records",
		`{"vlan":[]}`:                                   "vlan is empty",
		`{"http":{"http2":{"request":{}}}}`:             "http.http2.request is empty",
		`{"metadata":{"flowints":{"n":1,"m":2}}`:        "unexpected end of JSON input",
		`{"stats":{"flow":{"total":1.5}}}`:              "stats.flow.total is a number, want integer",
		`{"metadata":{"flowints":{"n":1}},"tx_id":"x"}`: "tx_id is a string, want integer",
	} {
		if got := strange([]byte(line)); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}
