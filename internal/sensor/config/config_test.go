package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sensor.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAShortFileGetsDefaults(t *testing.T) {
	c, err := Load(write(t, "mode: host\ninterfaces: [lo]\nfloods: {syn-per-second: 50}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Policy != "observe" || c.Enforcing() || c.Floods.SYN != 50 || c.Floods.UDP != 5000 || c.OnFailure != "open" {
		t.Errorf("got %+v", c)
	}
}

func TestTheDesignsExampleLoads(t *testing.T) {
	_, err := Load(write(t, `id: edge-1
mode: host                 # host | gwlb | bridge | mirror
interfaces: [lo]
policy: observe            # observe | enforce
rules: [/etc/weir/rules/*.rules]
variables: {HOME_NET: "[10.0.0.0/8]"}
never-block: [203.0.113.7/32]
floods: {syn-per-second: 1000, udp-per-second: 5000, icmp-per-second: 1000}   # per destination
on-failure: open           # open | static | closed
output: {eve: /var/log/weir/eve.json}
collector: {url: nats://127.0.0.1:4222, credentials: /var/lib/weir/sensor.creds}
metrics: {listen: 127.0.0.1:9464}
control: /run/weir/sensor.sock
`))
	if err != nil {
		t.Fatal(err)
	}
}

func TestFaultsNamePlaceAndWayOut(t *testing.T) {
	for text, want := range map[string]string{
		"mode: bridge\ninterfaces: [lo]\n":                           `:2:13: interfaces: mode bridge is between two interfaces`,
		"mode: inline\ninterfaces: [lo]\n":                           `:1:7: mode: "inline" is not one of host, gwlb, bridge, mirror`,
		"mode: host\n":                                               `: interfaces: name at least one network interface`,
		"mode: host\ninterfaces: [nonesuch0]\n":                      `:2:14: interfaces[0]: no interface "nonesuch0" on this host (it has lo`,
		"mode: host\ninterfaces: [lo]\nnever-block: [10.0.0.0/33]\n": `:3:15: never-block[0]: "10.0.0.0/33" is neither an address nor a prefix such as 10.0.0.0/8`,
		"mode: host\ninterfaces: [lo]\nblock: [{}]\n":                `: block[0]: an entry without signatures, classtypes or severity would block on every alert`,
		"mode: host\ninterfaces: [lo]\nid: a.b\n":                    `:3:5: id: name "a.b" has '.': only letters, digits, - and _ are allowed`,
		"mode: host\ninterfaces: [lo]\npolicy: drop\n":               `:3:9: policy: "drop" is not one of observe, enforce`,
		"mode: gwlb\ninterfaces: [lo, lo]\n":                         `:2:18: interfaces[1]: mode gwlb works on one interface`,
		"mode: host\ninterfaces: [lo]\nrule: [a]\n":                  `:3:1: unknown field "rule"`,
	} {
		_, err := Load(write(t, text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v\nwant …%s", text, err, want)
		}
	}
}
