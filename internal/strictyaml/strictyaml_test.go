package strictyaml

import (
	"testing"
)

type sample struct {
	ID     string `yaml:"id"`
	Floods struct {
		SYN uint32 `yaml:"syn-per-second"`
	} `yaml:"floods"`
	Interfaces []string `yaml:"interfaces"`
}

func TestFaultsNameTheirPlace(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"unknown key":  {"id: a\nmod: host\n", `c.yaml:2:1: unknown field "mod"`},
		"repeated key": {"id: a\nid: b\n", `c.yaml:2:1: mapping key "id" already defined at [1:1]`},
		"wrong type":   {"floods:\n  syn-per-second: many\n", `c.yaml:2:19: cannot unmarshal string into Go struct field sample.Floods of type uint32`},
		"bad syntax":   {"id: [a\n", `c.yaml:1:5: sequence end token ']' not found`},
	} {
		var s sample
		_, err := Parse("c.yaml", []byte(c.text), &s)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: got %v\nwant %s", name, err, c.want)
		}
	}
}

func TestErrorfFindsTheKey(t *testing.T) {
	var s sample
	doc, err := Parse("c.yaml", []byte("id: a\ninterfaces: [eth0, eth1]\nfloods:\n  syn-per-second: 5\n"), &s)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"interfaces[1]":         "c.yaml:2:20: interfaces[1]: no such interface",
		"floods.syn-per-second": "c.yaml:4:19: floods.syn-per-second: no such interface",
		"floods.udp-per-second": "c.yaml:4:3: floods.udp-per-second: no such interface",
		"mode":                  "c.yaml: mode: no such interface",
	} {
		if got := doc.Errorf(key, "no such %s", "interface").Error(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestDefaultsStay(t *testing.T) {
	s := sample{ID: "default"}
	s.Floods.SYN = 7
	if _, err := Parse("c.yaml", []byte("interfaces: [a]\n"), &s); err != nil {
		t.Fatal(err)
	}
	if s.ID != "default" || s.Floods.SYN != 7 || len(s.Interfaces) != 1 {
		t.Errorf("got %+v", s)
	}
}
