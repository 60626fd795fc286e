package event

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"

	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/http1"
	"github.com/weir-ips/weir/pkg/signatures"
	"github.com/weir-ips/weir/pkg/signatures/keyword"
)

// lines is a Sink that keeps what it gets.
type lines []string

// Put keeps a record. One that has what Suricata's records have not is a mistake whatever the test is about.
func (l *lines) Put(_ Type, line []byte) {
	if s := strange(line); s != "" && line[0] == '{' {
		panic(s + ": " + string(line))
	}
	*l = append(*l, string(line))
}

type discard struct{}

func (discard) Put(Type, []byte) {}

func address(s string) decode.Addr { return decode.AddrFrom(netip.MustParseAddr(s)) }

const second = 1491603877251547000

func sampleFlow() *flow.Flow {
	return &flow.Flow{
		ID: 7, Src: address("10.0.0.1"), Dst: address("192.0.2.2"), SrcPort: 40000, DstPort: 80, Proto: decode.ProtoTCP, IPVersion: 4,
		Start: second - 1e9, Last: second, Packets: [2]uint64{3, 2}, Bytes: [2]uint64{262, 108}, State: flow.Established,
		App: app.HTTP1, Txs: 1,
	}
}

func samplePacket() *decode.Packet {
	return &decode.Packet{
		Frame:     decode.Frame{Data: []byte{1, 2, 3}, Number: 4, Time: second, Link: decode.LinkEthernet},
		IPVersion: 4, Src: address("10.0.0.1"), Dst: address("192.0.2.2"), SrcPort: 40000, DstPort: 80,
		Proto: decode.ProtoTCP, L4: make([]byte, 20), Payload: []byte("GET /\x00"), VLAN: [3]uint16{12}, VLANs: 1,
	}
}

func sampleTx() *http1.Tx {
	tx := &http1.Tx{}
	tx.ID = 2
	tx.Request.Method, tx.Request.RawURI, tx.Request.Host = []byte("GET"), []byte("/a\"\xff"), []byte("example.org")
	tx.Request.Protocol, tx.Request.Port = []byte("HTTP/1.1"), -1
	tx.Request.Headers = []http1.Header{{Name: []byte("X-Forwarded-For"), Value: []byte("198.51.100.1, 203.0.113.9")}}
	tx.Response.StatusCode, tx.Response.Body.Wire = 200, 5
	return tx
}

func sampleAlert() *AlertRecord {
	sig := &keyword.Signature{Action: keyword.Alert, Meta: keyword.Meta{
		GID: 1, SID: 2000001, Rev: 3, Msg: `say "hi"`, Category: "Misc Attack", Priority: 2, Target: keyword.TargetDst,
		Metadata:   []keyword.Pair{{Key: "tag", Value: "a"}, {Key: "created_at", Value: "2020_01_01"}, {Key: "tag", Value: "b"}},
		References: []keyword.Pair{{Key: "cve", Value: "2014-0160"}},
	}}
	f, tx := sampleFlow(), sampleTx()
	return &AlertRecord{
		Subject: Subject{Time: second, Packet: samplePacket(), Flow: f, Dir: app.ToServer},
		Hit:     &signatures.Hit{Sig: sig, Action: keyword.Alert, Where: signatures.InTx, Tx: tx, TxID: 2},
		URL:     func(string) string { return "https://cve.example/" },
	}
}

func TestAlert(t *testing.T) {
	var got lines
	opts := DefaultOptions()
	opts.Alert.Payload, opts.Alert.Printable, opts.Alert.Packet, opts.Alert.Verdict, opts.Alert.References = true, true, true, true, true
	told := ""
	l := Logger{Outputs: []*Output{{Options: opts, Sink: &got}}, Capture: "a.pcap",
		OnAlert: func(_ *AlertRecord, line []byte) { told = string(line) }}
	l.Alert(sampleAlert())
	want := `{"timestamp":"2017-04-07T22:24:37.251547+0000","flow_id":7,"pcap_cnt":4,"event_type":"alert","vlan":[12],
"src_ip":"10.0.0.1","src_port":40000,"dest_ip":"192.0.2.2","dest_port":80,"proto":"TCP","ip_v":4,"pkt_src":"wire/pcap",
"pcap_filename":"a.pcap","tx_id":2,
"alert":{"action":"allowed","gid":1,"signature_id":2000001,"rev":3,"signature":"say \"hi\"","category":"Misc Attack","severity":2,
"source":{"ip":"10.0.0.1","port":40000},"target":{"ip":"192.0.2.2","port":80},"references":["https://cve.example/2014-0160"],
"metadata":{"tag":["a","b"],"created_at":["2020_01_01"]}},
"verdict":{"action":"alert"},
"http":{"hostname":"example.org","url":"/a\"\\xff","xff":"198.51.100.1, 203.0.113.9","http_method":"GET","protocol":"HTTP/1.1",
"status":200,"length":5},
"app_proto":"http","direction":"to_server",
"flow":{"pkts_toserver":3,"pkts_toclient":2,"bytes_toserver":262,"bytes_toclient":108,"start":"2017-04-07T22:24:36.251547+0000",
"src_ip":"10.0.0.1","dest_ip":"192.0.2.2","src_port":40000,"dest_port":80},
"payload":"R0VUIC8A","payload_printable":"GET /.","stream":0,
"packet":"AQID","packet_info":{"linktype":1,"linktype_name":"EN10MB"}}`
	if want = strings.ReplaceAll(want, "\n", ""); len(got) != 1 || got[0] != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
	if told != want {
		t.Error("the hook was not given the record")
	}
}

func TestAlertAction(t *testing.T) {
	for _, c := range []struct {
		name            string
		action          keyword.Action
		verdict         Verdict
		wantAct, wantV  string
		wantTarget      string
		wantRejectCount int
	}{
		{"drop rule, IDS", keyword.Drop, Verdict{}, "allowed", "alert", "", 0},
		{"drop rule, IPS", keyword.Drop, Verdict{IPS: true, Drop: true}, "blocked", "drop", "", 0},
		{"alert on a dropped packet", keyword.Alert, Verdict{IPS: true, Drop: true}, "allowed", "drop", "", 0},
		{"reject both", keyword.RejectBoth, Verdict{IPS: true, Drop: true, Reject: keyword.RejectBoth}, "blocked", "drop", "both", 1},
		{"pass with alert", keyword.Pass, Verdict{IPS: true, Pass: true}, "allowed", "pass", "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got lines
			opts := DefaultOptions()
			opts.Alert.Verdict = true
			a := sampleAlert()
			a.Hit.Action, a.Verdict = c.action, c.verdict
			(&Logger{Outputs: []*Output{{Options: opts, Sink: &got}}}).Alert(a)
			var rec struct {
				Alert   struct{ Action string }
				Verdict struct {
					Action string
					Target string `json:"reject-target"`
					Reject []string
				}
			}
			if err := json.Unmarshal([]byte(got[0]), &rec); err != nil {
				t.Fatal(err)
			}
			if rec.Alert.Action != c.wantAct || rec.Verdict.Action != c.wantV || rec.Verdict.Target != c.wantTarget || len(rec.Verdict.Reject) != c.wantRejectCount {
				t.Errorf("%s", got[0])
			}
		})
	}
}

func TestForwarded(t *testing.T) {
	for _, c := range []struct {
		name string
		x    XFF
		want string
	}{
		{"off", XFF{Header: "x-forwarded-for"}, ""},
		{"reverse proxy: the last", XFF{Enabled: true, Header: "x-forwarded-for"}, "203.0.113.9"},
		{"forward proxy: the first", XFF{Enabled: true, Forward: true, Header: "x-forwarded-for"}, "198.51.100.1"},
		{"other header", XFF{Enabled: true, Header: "x-real-ip"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := sampleFlow()
			if got := string(forwarded(&c.x, f, &signatures.Hit{Tx: sampleTx()})); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestOutputsChoose(t *testing.T) {
	var alerts, flows lines
	l := Logger{Outputs: []*Output{
		{Options: Options{Types: Set(Alert)}, Sink: &alerts}, {Options: Options{Types: Set(Flow, Netflow)}, Sink: &flows}}}
	l.Alert(sampleAlert())
	l.FlowEnd(sampleFlow(), second, nil)
	if len(alerts) != 1 || len(flows) != 3 {
		t.Errorf("%d alerts and %d flow records, want 1, and 3: the flow and its two directions", len(alerts), len(flows))
	}
	for _, line := range append(alerts, flows...) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
	if !strings.Contains(flows[2], `"src_ip":"192.0.2.2","src_port":80`) {
		t.Errorf("the second netflow is not the server's: %s", flows[2])
	}
}

func TestAlertDoesNotAllocate(t *testing.T) {
	opts := DefaultOptions()
	opts.Alert.Payload, opts.Alert.Printable = true, true
	l := Logger{Outputs: []*Output{{Options: opts, Sink: discard{}}}}
	a := sampleAlert()
	l.Alert(a)
	if n := testing.AllocsPerRun(100, func() { l.Alert(a) }); n > 0 {
		t.Errorf("%v allocations for an alert, want 0", n)
	}
}

func BenchmarkAlert(b *testing.B) {
	l := Logger{Outputs: []*Output{{Options: DefaultOptions(), Sink: discard{}}}}
	a := sampleAlert()
	for b.Loop() {
		l.Alert(a)
	}
	b.SetBytes(int64(len(l.enc.b)))
}

func TestFast(t *testing.T) {
	var got lines
	l := Logger{Outputs: []*Output{{Options: Options{Types: Set(Alert), Fast: true}, Sink: &got}}}
	l.Alert(sampleAlert())
	want := `04/07/2017-22:24:37.251547  [**] [1:2000001:3] say "hi" [**] [Classification: Misc Attack] [Priority: 2] {TCP} 10.0.0.1:40000 -> 192.0.2.2:80`
	if len(got) != 1 || got[0] != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
