package incident

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-ips/weir/internal/sensor/path"
	"github.com/weir-ips/weir/pkg/capture"
	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/event"
	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/signatures"
	"github.com/weir-ips/weir/pkg/signatures/keyword"
	"github.com/weir-ips/weir/pkg/threshold"
	"github.com/weir-ips/weir/pkg/wire"
)

// data is the folder of captures and rules: WEIR_DATA, by default weir-data in the user's cache.
func data(t *testing.T) string {
	t.Helper()
	root := os.Getenv("WEIR_DATA")
	if root == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Skip(err)
		}
		root = filepath.Join(cache, "weir-data")
	}
	if _, err := os.Stat(filepath.Join(root, "pcaps")); err != nil {
		t.Skipf("no captures under %s; set WEIR_DATA to run them", root)
	}
	return root
}

// rules loads those of a file, leaving out dated lists of addresses.
func rules(t *testing.T, file string) *signatures.Ruleset {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	rs, _ := signatures.Load([]signatures.Source{{Name: file, Text: string(text)}}, signatures.Options{
		Variables: map[string]string{"HOME_NET": "any", "EXTERNAL_NET": "any"},
	})
	if rs == nil {
		t.Fatalf("%s: no rules", file)
	}
	return rs
}

// observe is what a sensor tells the collector of a capture.
func observe(t *testing.T, file string, rs *signatures.Ruleset) []wire.Event {
	t.Helper()
	var events []wire.Event
	limits := threshold.DefaultLimits()
	followed := flow.NewConfig()
	followed.Protocols, followed.Checksums = path.DefaultParsers().Protocols(), false
	decoder := decode.Default()
	decoder.Checksums = false
	p := path.New(path.Config{
		Flow: followed, Decoder: decoder, Shared: signatures.NewShared(), Detect: &limits, Rules: rs,
		Outputs: []*event.Output{{Options: event.DefaultOptions(), Sink: discard{}}},
		Hooks: path.Hooks{Alert: func(a *event.AlertRecord, line []byte) {
			e := wire.Event{
				ID: fmt.Sprintf("edge-1:%s:%d", filepath.Base(file), len(events)), Sensor: "edge-1", Time: time.Unix(0, a.Time),
				SID: a.Hit.Sig.SID, Severity: uint8(a.Hit.Sig.Priority), Category: a.Hit.Sig.Category, EVE: bytes.Clone(line),
			}
			if k := a.Packet; k != nil && k.IPVersion != 0 {
				e.Proto, e.Src, e.Dst = k.Proto, netip.AddrPortFrom(k.Src.IP(), k.SrcPort), netip.AddrPortFrom(k.Dst.IP(), k.DstPort)
			}
			if f := a.Flow; f != nil {
				e.Handshake = f.Proto == decode.ProtoTCP && f.TCP != nil && f.State == flow.Established && !f.TCP.Midstream && !f.TCP.Async
			}
			if a.Hit.Sig.Target == keyword.TargetSrc {
				e.Src, e.Dst = e.Dst, e.Src
			}
			events = append(events, e)
		}},
	})
	src, err := capture.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	batch := make([]capture.Frame, 64)
	for {
		n, err := src.Recv(batch, 0)
		for i := range batch[:n] {
			p.Process(batch[i].Frame)
		}
		if err != nil {
			p.Close()
			if !errors.Is(err, io.EOF) && !errors.Is(err, capture.ErrDamaged) {
				t.Fatal(err)
			}
			return events
		}
		if err := src.Done(batch[:n]); err != nil {
			t.Fatal(err)
		}
	}
}

type discard struct{}

func (discard) Put(event.Type, []byte) {}

func open(t *testing.T) *Tracker {
	t.Helper()
	tr, err := Open(Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	return tr
}

func (t *Tracker) all(tb testing.TB) []Incident {
	tb.Helper()
	page, err := t.List(tb.Context(), Filter{}, "", MaxLimit)
	if err != nil {
		tb.Fatal(err)
	}
	return page.Incidents
}

// TestOneAttackIsOneIncident replays real floods, scans and break-ins with all rules of Emerging Threats: tens of thousands of
// sources and a thousand alerts are one incident each.
func TestOneAttackIsOneIncident(t *testing.T) {
	root := data(t)
	rs := rules(t, filepath.Join(root, "rules", "etopen", "etopen-merged.rules"))
	for _, c := range []struct {
		folder, kind string
		least        int // captures that set something off
	}{{"ddos", Flood, 9}, {"scan", Intrusion, 14}} {
		files, err := filepath.Glob(filepath.Join(root, "pcaps", c.folder, "*.pcap*"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no captures of %s: %v", c.folder, err)
		}
		some := 0
		for _, file := range files {
			events := observe(t, file, rs)
			if len(events) == 0 {
				continue
			}
			some++
			tr := open(t)
			tr.Consider(events)
			got := tr.all(t)
			if len(got) != 1 || got[0].Kind != c.kind || got[0].Alerts != uint64(len(events)) {
				t.Errorf("%s: %d alerts make %d incidents, want one %s: %+v", filepath.Base(file), len(events), len(got), c.kind, got)
			}
		}
		if some < c.least {
			t.Errorf("%s: %d captures set something off, want %d", c.folder, some, c.least)
		}
	}
	for file, stages := range map[string]string{
		"ntop__WebattackRCE.pcap":                           "TA0043 TA0001 TA0007 TA0008",
		"idaholab__eternalblue-success-unpatched-win7.pcap": "TA0001 TA0011 TA0010",
		"fox-it__ldap-http-method-ev3.pcap":                 "TA0001",
	} {
		events := observe(t, filepath.Join(root, "pcaps", "exploit", file), rs)
		tr := open(t)
		tr.Consider(events)
		got := tr.all(t)
		if len(got) != 1 || len(events) < 10 || got[0].Alerts != uint64(len(events)) {
			t.Errorf("%s: %d alerts make %d incidents, want one", file, len(events), len(got))
			continue
		}
		var chain []string
		for _, s := range got[0].Stages {
			chain = append(chain, s.Tactic)
		}
		if strings.Join(chain, " ") != stages {
			t.Errorf("%s: stages %v, want %s", file, chain, stages)
		}
	}
}
