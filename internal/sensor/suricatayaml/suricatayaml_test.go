package suricatayaml

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-ips/weir/pkg/event"
	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/signatures/keyword"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const sample = `%YAML 1.1
---
vars:
  address-groups:
    HOME_NET: "[10.1.0.0/16]"
    MY_SERVERS: [10.1.1.1, 10.1.1.2]
  port-groups:
    HTTP_PORTS: 8080
af-packet:
  - interface: eth0
stream:
  midstream: yes
  inline: auto
  memcap: 64mb
  midstream-policy: pass-flow
  reassembly:
    depth: 1 MiB
    toserver-chunk-size: 2560
host-os-policy:
  windows: [0.0.0.0/0]
  old_linux: [192.0.2.1, "2001:db8::/32"]
flow-timeouts:
  tcp:
    new: 61
    emergency-closed: 3
action-order: [drop, pass, reject, alert]
packet-alert-max: 7
decoder:
  vxlan:
    enabled: true
    ports: $VXLAN_PORTS
  teredo:
    enabled: false
app-layer:
  protocols:
    http:
      libhtp:
        default-config:
          response-body-limit: 200kb
          double-decode-path: yes
    http2:
      enabled: no
outputs:
  - fast:
      enabled: yes
  - eve-log:
      enabled: yes
      filename: /var/log/suricata/eve.json
      community-id: true
      types:
        - alert:
            payload: yes
            payload-buffer-size: 4kb
            metadata:
              rule:
                raw: true
        - drop:
            flows: start
        - dns:
            version: 2
            types: [a, mx]
        - flow
        - files:
            force-hash: [md5, sha256]
  - eve-log:
      enabled: no
      filename: never.json
`

func TestLoad(t *testing.T) {
	s, warnings, err := Load(write(t, "suricata.yaml", sample), []string{"stream.async-oneside=true", "outputs.1.eve-log.types.0.alert.packet=yes"}, true)
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0].Error(), "suricata.yaml:48:7: outputs.1.eve-log.filename") {
		t.Errorf("warnings: %v, want one about the absolute file name", warnings)
	}
	v := s.Rules.Variables
	if v["HOME_NET"] != "[10.1.0.0/16]" || v["MY_SERVERS"] != "[10.1.1.1,10.1.1.2]" || v["HTTP_PORTS"] != "8080" || len(v) != 3 {
		t.Errorf("variables: %v", v)
	}
	f := s.Flow
	if !f.Midstream || !f.AsyncOneside || !f.Inline || f.Depth != 1<<20 || f.Policies.Midstream != flow.PolicyPassFlow {
		t.Errorf("stream: %+v", f)
	}
	if f.Timeouts.TCP.New != 61*time.Second || f.Timeouts.EmergencyTCP.Closed != 3*time.Second || f.Timeouts.TCP.Established != 300*time.Second {
		t.Errorf("timeouts: %+v", f.Timeouts)
	}
	wantOS := []flow.OSPolicy{
		{Prefix: netip.MustParsePrefix("0.0.0.0/0"), Style: flow.Windows},
		{Prefix: netip.MustParsePrefix("192.0.2.1/32"), Style: flow.OldLinux}, {Prefix: netip.MustParsePrefix("2001:db8::/32"), Style: flow.OldLinux}}
	if !slices.Equal(f.OS, wantOS) {
		t.Errorf("host-os-policy: %v", f.OS)
	}
	if !slices.Equal(s.Rules.ActionOrder, []keyword.Action{keyword.Drop, keyword.Pass, keyword.Reject, keyword.Alert}) || s.Rules.PacketAlertMax != 7 {
		t.Errorf("detection: %+v", s.Rules)
	}
	if len(s.Decoder.Teredo) != 0 || !slices.Equal(s.Decoder.VXLAN, []uint16{4789}) {
		t.Errorf("decoder: %+v", s.Decoder)
	}
	if s.Parsers.HTTP.ResponseBodyLimit != 200<<10 || !s.Parsers.HTTP.DoubleDecodePath || !s.Parsers.Disabled["http2"] || s.Parsers.Disabled["http"] {
		t.Errorf("protocols: %+v, disabled %v", s.Parsers.HTTP, s.Parsers.Disabled)
	}
	if len(s.Outputs) != 2 || !s.Outputs[0].Fast || s.Outputs[0].Name != "fast.log" {
		t.Fatalf("outputs %+v, want fast.log and the enabled eve-log", s.Outputs)
	}
	o := s.Outputs[1]
	if o.Name != "eve.json" || !o.CommunityID {
		t.Errorf("output: %+v", o)
	}
	if files := s.Parsers.Files; !files.MD5 || files.SHA1 || !files.SHA256 {
		t.Errorf("files: %+v", files)
	}
	if o.Types != event.Set(event.Alert, event.PacketRecord, event.Drop, event.DNS, event.Flow, event.FileInfo) {
		t.Errorf("types: %b", o.Types)
	}
	if a := o.Alert; !a.Payload || !a.Packet || !a.RuleText || !a.RuleMetadata || a.PayloadLimit != 4096 {
		t.Errorf("alert: %+v", a)
	}
	if o.Drop.All || o.DNS.Version != 2 || !slices.Equal(o.DNS.RRTypes, []string{"A", "MX"}) {
		t.Errorf("drop %+v, dns %+v", o.Drop, o.DNS)
	}
}

func TestLoadDefaults(t *testing.T) {
	s, warnings, err := Load("", nil, false)
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	if s.Flow.Depth != 1<<20 || s.Parsers.HTTP.ResponseBodyLimit != 100<<10 || s.Flow.Timeouts.TCP.Established != 600*time.Second {
		t.Errorf("not the stock configuration: %+v", s)
	}
	if s.Flow.Midstream || !s.Flow.Checksums || s.Flow.Inline {
		t.Errorf("%+v", s.Flow)
	}
	if len(s.Outputs) != 1 || s.Outputs[0].Name != "eve.json" || !s.Outputs[0].Types.Has(event.Alert) || s.Outputs[0].Types.Has(event.Drop) {
		t.Errorf("outputs: %+v", s.Outputs)
	}
}

func TestBareFile(t *testing.T) {
	s, _, err := Load(write(t, "suricata.yaml", "app-layer:\n  protocols:\n    tls:\n      encryption-handling: bypass\n"), nil, false)
	if err != nil || s.Flow.Depth != 0 || s.Parsers.HTTP.ResponseBodyLimit != 4096 || s.Flow.Encryption[app.TLS] != flow.EncryptionBypass {
		t.Errorf("%v, %+v: want what Suricata falls back to without a setting", err, s)
	}
}

func TestSetDefaults(t *testing.T) {
	s, warnings, err := Load("", []string{"outputs.1.eve-log.types.2.anomaly.types.stream=yes", "outputs.0.fast.enabled=yes"}, false)
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	if len(s.Outputs) != 2 || !s.Outputs[1].Anomaly.Stream || !s.Outputs[1].Anomaly.AppLayer {
		t.Errorf("outputs: %+v", s.Outputs)
	}
}

func TestLoadRefuses(t *testing.T) {
	for _, c := range []struct{ name, yaml, set, want string }{
		{"syntax", "a: [1", "", "suricata.yaml:1:"},
		{"not a mapping", "- a\n- b\n", "", "suricata.yaml:1:1: want a mapping"},
		{"boolean", "stream:\n  midstream: perhaps\n", "", `suricata.yaml:2:3: stream.midstream: "perhaps" is neither yes nor no`},
		{"size", "stream:\n  reassembly:\n    depth: 1tb\n", "", `suricata.yaml:3:5: stream.reassembly.depth: "1tb" is not a size`},
		{"policy", "exception-policy: explode\n", "", `suricata.yaml:1:1: exception-policy: exception policy "explode"`},
		{"midstream policy of a packet", "stream:\n  midstream-policy: drop-packet\n", "", "suricata.yaml:2:3: stream.midstream-policy: drop-packet is not possible"},
		{"action order", "action-order: [pass, drop]\n", "", "suricata.yaml:1:1: action-order: want all of"},
		{"group where a value is due", "stream:\n  midstream: {a: b}\n", "", "suricata.yaml:2:3: stream.midstream: want one value, not a group of settings"},
		{"address", "host-os-policy:\n  linux: [10.0.0.0/99]\n", "", `suricata.yaml:2:3: host-os-policy.linux: "10.0.0.0/99" is neither`},
		{"alias", "a: &x 1\nb: *x\n", "", "anchors and aliases are not supported"},
		{"set without value", "", "stream.midstream", `--set: "stream.midstream": want key=value`},
		{"set beyond a list", "outputs:\n  - fast\n", "outputs.3.eve-log.enabled=yes", "the list has 1 elements"},
		{"set a bad value", "", "stream.midstream=maybe", `--set: stream.midstream: "maybe" is neither yes nor no`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var sets []string
			if c.set != "" {
				sets = []string{c.set}
			}
			_, _, err := Load(write(t, "suricata.yaml", c.yaml), sets, false)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want it to contain %q", err, c.want)
			}
		})
	}
	if _, _, err := Load(filepath.Join(t.TempDir(), "none.yaml"), nil, false); err == nil {
		t.Error("a file that does not exist was accepted")
	}
}

func TestWarnings(t *testing.T) {
	_, warnings, err := Load(write(t, "suricata.yaml", "strem:\n  midstream: yes\nstream:\n  midstrem: yes\ninclude: none.yaml\nflow:\n  memcap-policy: drop-flow\n"), nil, true)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"suricata.yaml:5:1: include: \"none.yaml\" cannot be read", "suricata.yaml:7:3: flow.memcap-policy: drop-flow needs a flow",
		"suricata.yaml:1:1: strem: not known", "suricata.yaml:4:3: stream.midstrem: not known"}
	if len(warnings) != len(want) {
		t.Fatalf("%d warnings, want %d: %v", len(warnings), len(want), warnings)
	}
	for i, w := range want {
		if !strings.Contains(warnings[i].Error(), w) {
			t.Errorf("warning %d is %q, want it to contain %q", i, warnings[i], w)
		}
	}
}

func TestInclude(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"suricata.yaml": "stream:\n  midstream: no\ninclude: [a.yaml, b.yaml]\n",
		"a.yaml":        "stream:\n  midstream: yes\n",
		"b.yaml":        "packet-alert-max: 3\n",
		"loop.yaml":     "include: loop.yaml\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, _, err := Load(filepath.Join(dir, "suricata.yaml"), nil, false)
	if err != nil || !s.Flow.Midstream || s.Rules.PacketAlertMax != 3 {
		t.Errorf("%v: included settings are missing", err)
	}
	if _, _, err := Load(filepath.Join(dir, "loop.yaml"), nil, false); err == nil || !strings.Contains(err.Error(), "more than 32 files") {
		t.Errorf("a file that includes itself: %v", err)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(sample), "stream.midstream=true")
	f.Add([]byte("a: &x [*x]\n"), "a.0.b=c")
	f.Add([]byte("? [a]\n: {b: !include x}\n--- \n- 1"), "=")
	f.Fuzz(func(t *testing.T, text []byte, set string) {
		l := &loader{dir: t.TempDir()}
		root, err := l.parse("fuzz.yaml", text)
		if err != nil {
			return
		}
		if root.set(set) != nil {
			return
		}
		r := &reader{root: root}
		Default(true).apply(r)
		r.unknown(root, "")
	})
}

func TestFileStoreDepth(t *testing.T) {
	const head = "stream:\n  reassembly:\n    depth: 1mb\noutputs:\n  - file-store:\n      enabled: yes\n      stream-depth: "
	for depth, want := range map[string]struct {
		depth   uint64
		warning string
	}{
		"10000": {1 << 20, "file-store.stream-depth value 10000 has no effect since it's less than stream.reassembly.depth value"},
		"1mb":   {1 << 20, ""},
		"2mb":   {2 << 20, ""},
		"0":     {0, ""},
	} {
		s, warnings, err := Load(write(t, "suricata.yaml", head+depth+"\n"), nil, false)
		if err != nil {
			t.Fatal(err)
		}
		if !s.Flow.Stores || s.Flow.StoreDepth != want.depth {
			t.Errorf("%s: stores %v as deep as %d, want %d", depth, s.Flow.Stores, s.Flow.StoreDepth, want.depth)
		}
		if want.warning == "" && len(warnings) > 0 || want.warning != "" && (len(warnings) != 1 || !strings.Contains(warnings[0].Error(), want.warning)) {
			t.Errorf("%s: warnings %v, want %q", depth, warnings, want.warning)
		}
	}
	if _, _, err := Load(write(t, "suricata.yaml", head+"deep\n"), nil, false); err == nil {
		t.Error("a depth that is no size is taken")
	}
}
