package event

import (
	"encoding/json"
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
