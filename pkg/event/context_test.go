package event

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/weir-ips/weir/pkg/signatures"
)

// TestDatasetContext: what a set knows about a value stands in the alert's context, what a rule has captured does not.
func TestDatasetContext(t *testing.T) {
	var got lines
	a := sampleAlert()
	a.Hit.Vars = []signatures.Var{{Name: "threat", Value: []byte(`{"host":"evil.org"}`), JSON: true}, {Name: "word", Value: []byte("x")}}
	(&Logger{Outputs: []*Output{{Options: DefaultOptions(), Sink: &got}}}).Alert(a)
	var rec struct {
		Alert    struct{ Context map[string]json.RawMessage }
		Metadata struct{ Pktvars []map[string]string }
	}
	if err := json.Unmarshal([]byte(got[0]), &rec); err != nil {
		t.Fatal(err)
	}
	if c := rec.Alert.Context; len(c) != 1 || string(c["threat"]) != `{"host":"evil.org"}` {
		t.Errorf("context %s in %s", c, got[0])
	}
	if v := rec.Metadata.Pktvars; len(v) != 1 || v[0]["word"] != "x" {
		t.Errorf("pktvars %v in %s", v, got[0])
	}
}

// TestCaptured: what rules have captured of a packet is a record of its own, for the outputs that ask for it.
func TestCaptured(t *testing.T) {
	var with, without lines
	o := DefaultOptions()
	o.Types |= Set(Metadata)
	a := sampleAlert()
	l := Logger{Outputs: []*Output{{Options: o, Sink: &with}, {Options: DefaultOptions(), Sink: &without}}}
	l.Captured(&a.Subject, []signatures.Var{{Name: "uid", Value: []byte("0")}})
	if len(with) != 1 || len(without) != 0 || !strings.Contains(with[0], `"event_type":"metadata"`) || !strings.Contains(with[0], `"metadata":{"pktvars":[{"uid":"0"}]}`) {
		t.Errorf("with %v, without %v", with, without)
	}
}
