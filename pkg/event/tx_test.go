package event

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"

	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/flow/app"
	rpc "github.com/weir-ips/weir/pkg/flow/app/dcerpc"
	"github.com/weir-ips/weir/pkg/flow/app/mime"
	"github.com/weir-ips/weir/pkg/flow/dcerpc"
	"github.com/weir-ips/weir/pkg/flow/dns"
	"github.com/weir-ips/weir/pkg/flow/ftp"
	"github.com/weir-ips/weir/pkg/flow/http1"
	"github.com/weir-ips/weir/pkg/flow/http2"
	"github.com/weir-ips/weir/pkg/flow/quic"
	"github.com/weir-ips/weir/pkg/flow/smb"
	"github.com/weir-ips/weir/pkg/flow/smtp"
	"github.com/weir-ips/weir/pkg/flow/ssh"
	"github.com/weir-ips/weir/pkg/flow/tls"
)

func name(s string) dns.Name { return dns.Name{Bytes: []byte(s)} }

// dnsAnswer is an answer with a record of each kind that has a form of its own.
func dnsAnswer() *dns.Tx {
	cname := name("b.example")
	return &dns.Tx{
		TxBase: app.TxBase{ID: 1, OneWay: true, Dir: app.ToClient},
		Response: &dns.Message{
			ID: 7, Flags: 0x8180, Queries: []dns.Query{{Name: name("a.example"), Type: typeA, Class: 1}},
			Answers: []dns.Record{
				{Name: name("a.example"), Type: typeCNAME, TTL: 5, Target: &cname},
				{Name: name("b.example"), Type: typeA, TTL: 6, Addr: netip.MustParseAddr("192.0.2.7")},
				{Name: name("b.example"), Type: typeTXT, TTL: 7, Text: [][]byte{[]byte("x"), []byte("y")}},
				{Name: name("b.example"), Type: typeSRV, TTL: 8, SRV: &dns.SRV{Priority: 1, Weight: 2, Port: 3, Target: name("c")}},
				{Name: name("b.example"), Type: typeSSHFP, TTL: 9, SSHFP: &dns.SSHFP{Algorithm: 1, Type: 2, Fingerprint: []byte{0xab, 1}}},
			},
			Authorities: []dns.Record{{Name: name("example"), Type: typeSOA, TTL: 1, SOA: &dns.SOA{MName: name("m"), RName: name("r"), Serial: 9}}},
			Additionals: []dns.Record{{Type: typeOPT}},
		},
	}
}

func dnsQuery() *dns.Tx {
	return &dns.Tx{
		TxBase:  app.TxBase{OneWay: true, Dir: app.ToServer},
		Request: &dns.Message{ID: 7, Flags: 0x0100, Queries: []dns.Query{{Name: dns.Name{Bytes: []byte("a.example"), Truncated: true}, Type: 65280, Class: 1}}},
	}
}

func tlsTx() *tls.Tx {
	t := &tls.Tx{Version: 0x0303}
	t.Client.Seen, t.Client.SNI, t.Client.JA3Hash, t.Client.JA3, t.Client.JA4 = true, []byte("example.org"), "h", "771,1", "t12"
	t.Client.ALPN, t.Client.Ciphers = [][]byte{[]byte("h2")}, []uint16{1, 2}
	t.Server.Leaf = &tls.Certificate{Subject: "CN=a", Issuer: "CN=b", Serial: "0A", NotBefore: -86400, NotAfter: 1e9, Fingerprint: "aa:bb", SubjectAltNames: []string{"a", "b"}}
	return t
}

func TestTransactions(t *testing.T) {
	uuid := [16]byte{0x12, 0x34, 0x57, 0x78, 0x12, 0x34, 0xab, 0xcd, 0xef, 0, 1, 0x23, 0x45, 0x67, 0x89, 0xac}
	for _, c := range []struct {
		name   string
		change func(*Options)
		tx     app.Tx
		want   string // part of the record
	}{
		{"dns query", nil, dnsQuery(), `"src_ip":"10.0.0.1","src_port":40000,"dest_ip":"192.0.2.2","dest_port":80,"proto":"TCP","ip_v":4,"tx_id":0,` +
			`"dns":{"version":3,"type":"request","tx_id":0,"id":7,"flags":"100","rd":true,"opcode":0,"queries":[{"rrname":"a.example","rrname_truncated":true,"rrtype":"65280"}]}`},
		{"dns answer", nil, dnsAnswer(), `"src_ip":"192.0.2.2","src_port":80,"dest_ip":"10.0.0.1","dest_port":40000,"proto":"TCP","ip_v":4,"tx_id":1,` +
			`"dns":{"version":3,"type":"response","tx_id":1,"id":7,"flags":"8180","qr":true,"rd":true,"ra":true,"opcode":0,"rcode":"NOERROR",` +
			`"queries":[{"rrname":"a.example","rrtype":"A"}],"answers":[{"rrname":"a.example","rrtype":"CNAME","ttl":5,"rdata":"b.example"},` +
			`{"rrname":"b.example","rrtype":"A","ttl":6,"rdata":"192.0.2.7"},{"rrname":"b.example","rrtype":"TXT","ttl":7,"rdata":"x"},` +
			`{"rrname":"b.example","rrtype":"TXT","ttl":7,"rdata":"y"},` +
			`{"rrname":"b.example","rrtype":"SRV","ttl":8,"srv":{"priority":1,"weight":2,"port":3,"name":"c"}},` +
			`{"rrname":"b.example","rrtype":"SSHFP","ttl":9,"sshfp":{"fingerprint":"ab:01","algo":1,"type":2}}],` +
			`"grouped":{"CNAME":["b.example"],"A":["192.0.2.7"],"TXT":["x","y"],"SRV":[{"priority":1,"weight":2,"port":3,"name":"c"}],` +
			`"SSHFP":[{"fingerprint":"ab:01","algo":1,"type":2}]},` +
			`"authorities":[{"rrname":"example","rrtype":"SOA","ttl":1,"soa":{"mname":"m","rname":"r","serial":9,"refresh":0,"retry":0,"expire":0,"minimum":0}}]}`},
		{"dns answer, version 2", func(o *Options) { o.DNS.Version, o.DNS.Detailed = 2, false }, dnsAnswer(),
			`"dns":{"version":2,"type":"answer","tx_id":1,"id":7,"flags":"8180","qr":true,"rd":true,"ra":true,"opcode":0,"rcode":"NOERROR","rrname":"a.example","rrtype":"A","grouped":`},
		{"tls", nil, tlsTx(), `"tls":{"subject":"CN=a","issuerdn":"CN=b","serial":"0A","fingerprint":"aa:bb","sni":"example.org","version":"TLS 1.2",` +
			`"notbefore":"1969-12-31T00:00:00","notafter":"2001-09-09T01:46:40","ja3":{"hash":"h","string":"771,1"},"subjectaltname":["a","b"],"client_alpns":["h2"],"ja4":"t12"}`},
		{"tls, basic", func(o *Options) { o.TLS.Extended = false }, tlsTx(), `"tls":{"subject":"CN=a","issuerdn":"CN=b"}`},
		{"tls, custom", func(o *Options) { o.TLS.Custom = []string{"sni", "client_handshake"} }, tlsTx(),
			`"tls":{"sni":"example.org","client_handshake":{"version":"UNDETERMINED","ciphers":[1,2]}}`},
		{"http with all headers", func(o *Options) { o.HTTP.DumpRequest, o.HTTP.Custom = true, []string{"x-forwarded-for"} }, sampleTx(),
			`"status":200,"length":5,"request_headers":[{"name":"X-Forwarded-For","value":"198.51.100.1, 203.0.113.9"}]}`},
		{"ssh", nil, &ssh.Tx{Client: ssh.Side{Proto: []byte("2.0"), Software: []byte("a"), HASSH: "x", HASSHMD5: "y"}},
			`"ssh":{"client":{"proto_version":"2.0","software_version":"a","hassh":{"hash":"y","string":"x"}}}`},
		{"smtp", func(o *Options) { o.SMTP.Custom, o.SMTP.SubjectMD5 = []string{"received"}, true }, &smtp.Tx{
			Helo: []byte("h"), MailFrom: []byte("<a@b>"), RcptTo: [][]byte{[]byte("<c@d>")}, Mail: &mime.Message{Status: mime.Done,
				Fields: []mime.Field{{Name: []byte("From"), Value: []byte("a")}, {Name: []byte("To"), Value: []byte(`"x, y" <c@d>, e`)},
					{Name: []byte("Received"), Value: []byte("1")}, {Name: []byte("Received"), Value: []byte("2")}, {Name: []byte("Subject"), Value: []byte("abc")}}}},
			`"smtp":{"helo":"h","mail_from":"<a@b>","rcpt_to":["<c@d>"]},"email":{"status":"PARSE_DONE","from":"a","to":["\"x, y\" <c@d>","e"],"received":["1","2"],` +
				`"subject_md5":"900150983cd24fb0d6963f7d28e17f72"}`},
		{"ftp", nil, &ftp.Tx{Command: []byte("PASV"), Port: 50, Mode: ftp.Passive, Done: true,
			Replies: []ftp.Reply{{Code: []byte("227"), Text: []byte("Entering")}, {Text: []byte("more")}}},
			`"ftp":{"command":"PASV","command_truncated":false,"completion_code":["227"],"reply":["Entering","more"],"dynamic_port":50,"mode":"passive","reply_received":"yes","reply_truncated":false}`},
		{"ftp data", nil, &ftp.DataTx{Command: []byte("RETR"), FileName: []byte("f")}, `"event_type":"ftp_data"`},
		{"smb", nil, &smb.Tx{Version: 2, ID: 3, Dialect: "2.10", Command: "SMB2_COMMAND_CREATE", Status: "STATUS_OBJECT_NAME_NOT_FOUND", StatusCode: 0xc0000034,
			SessionID: 9, TreeID: 1, FileName: []byte(`a\b`), FUID: uuid[:], Create: &smb.Create{Disposition: "FILE_OPEN", Access: "normal"}},
			`"smb":{"id":3,"dialect":"2.10","command":"SMB2_COMMAND_CREATE","status":"STATUS_OBJECT_NAME_NOT_FOUND","status_code":"0xc0000034","session_id":9,"tree_id":1,` +
				`"filename":"a\\b","disposition":"FILE_OPEN","access":"normal","created":0,"accessed":0,"modified":0,"changed":0,"size":0,"fuid":"78573412-3412-cdab-00ef-2301ac896745"}`},
		{"smb1, DOS error", nil, &smb.Tx{Version: 1, Command: "SMB1_COMMAND_LOGOFF_ANDX", Status: "SRV_BADUID", StatusCode: 0x5b}, `"status":"SRV_BADUID","status_code":"0x005b"`},
		{"dcerpc bind", nil, &dcerpc.Tx{Call: &rpc.Call{Version: [2]uint8{5, 0}, HasReq: true, ReqType: rpc.Bind, CallID: 2,
			Interfaces: []rpc.Interface{{UUID: uuid, Major: 1, Answered: true}}}},
			`"dcerpc":{"request":"BIND","interfaces":[{"uuid":"12345778-1234-abcd-ef00-0123456789ac","version":"1.0","ack_result":0}],"response":"UNREPLIED","call_id":2,"rpc_version":"5.0"}`},
		{"dcerpc answer alone", nil, &dcerpc.Tx{Call: &rpc.Call{HasRes: true, ResType: rpc.Response, ResFrags: 2, ResSize: 10}},
			`"dcerpc":{"request":"REQUEST_LOST","response":"RESPONSE","res":{"frag_cnt":2,"stub_data_size":10}`},
		{"quic", nil, quicTx(), `"quic":{"version":"1","sni":"example.org","cyu":[{"hash":"h","string":"46,PAD"}],"ja3":{"hash":"j","string":"s"},"ja4":"q13",` +
			`"extensions":[{"name":"server_name","type":0,"values":["example.org"]},{"name":"alpn","type":16,"values":["h3"]},{"type":2570}]}`},
		{"http2", nil, &http2.Tx{StreamID: 1, Method: []byte("GET"), RawURI: []byte("/"), Status: []byte("404"),
			Request:  http2.Message{Headers: []http2.Header{{Name: []byte(":method"), Value: []byte("GET")}}, SizeUpdates: []uint64{4096}},
			Response: http2.Message{Settings: []http2.Setting{{ID: 3, Value: 100}}, HasError: true, BodySize: 4}},
			`"http":{"request_headers":[{"table_size_update":4096},{"name":":method","value":"GET"}],"version":"2","http_method":"GET","url":"/","status":404,"length":4,` +
				`"http2":{"stream_id":1,"response":{"settings":[{"settings_id":"SETTINGSMAXCONCURRENTSTREAMS","settings_value":100}],"error_code":"NOERROR"}}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got lines
			opts := DefaultOptions()
			if c.change != nil {
				c.change(&opts)
			}
			l := Logger{Outputs: []*Output{{Options: opts, Sink: &got}}}
			l.Tx(&Subject{Time: second, Flow: sampleFlow()}, c.tx)
			if len(got) != 1 || !json.Valid([]byte(got[0])) || !strings.Contains(got[0], c.want) {
				t.Errorf("got\n%s\nwant a record with\n%s", strings.Join(got, "\n"), c.want)
			}
		})
	}
}

func quicTx() *quic.Tx {
	t := &quic.Tx{Version: 1, Client: true, SNI: []byte("example.org"), CYU: []quic.CYU{{Hash: "h", String: "46,PAD"}}, JA3: "s", JA3Hash: "j", JA4: "q13"}
	t.Hello.Extensions, t.Hello.SNI, t.Hello.ALPN = []uint16{0, 16, 0x0a0a}, []byte("example.org"), [][]byte{[]byte("h3")}
	return t
}

func TestTransactionsLeftOut(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Options)
		tx     app.Tx
	}{
		{"dns answers are not wanted", func(o *Options) { o.DNS.Responses = false }, dnsAnswer()},
		{"dns of another type", func(o *Options) { o.DNS.RRTypes = []string{"MX"} }, dnsAnswer()},
		{"resumed session in basic records", func(o *Options) { o.TLS.Extended = false }, &tls.Tx{Resumed: true}},
		{"stream of HTTP/2 with a window update", nil, &http2.Tx{Request: http2.Message{WindowUpdates: []uint32{1}}}},
		{"smb command that is not listed", func(o *Options) { o.SMB.Commands = []string{"tree_connect"} }, &smb.Tx{Command: "SMB2_COMMAND_CREATE"}},
		{"type that is off", func(o *Options) { o.Types = Set(Flow) }, &http1.Tx{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got lines
			opts := DefaultOptions()
			if c.change != nil {
				c.change(&opts)
			}
			(&Logger{Outputs: []*Output{{Options: opts, Sink: &got}}}).Tx(&Subject{Flow: sampleFlow()}, c.tx)
			if len(got) > 0 {
				t.Errorf("got %s", got)
			}
		})
	}
}

func TestOtherRecords(t *testing.T) {
	var got lines
	opts := DefaultOptions()
	opts.Types = 1<<NumTypes - 1
	opts.Stats.Zeroes = false
	opts.Anomaly, opts.CommunityID, opts.Ethernet = AnomalyOptions{Decode: true, Stream: true, AppLayer: true, PacketHeader: true}, true, true
	l := Logger{Outputs: []*Output{{Options: opts, Sink: &got}}, Iface: "eth0",
		State: func(*flow.Flow) Variables {
			return Variables{Bits: []string{"traffic/id/curl", "traffic/label/cli", "x"}, Ints: []IntVar{{"n", 2}}, Vars: []Var{{"v", []byte{0xff}}}}
		}}
	f := sampleFlow()
	f.TCP = &flow.Session{State: flow.TCPEstablished, Flags: [2]uint8{decode.SYN | decode.ACK, decode.FIN}}
	f.Verdict, f.Policies, f.AppOrig = flow.FlowDrop, []flow.Applied{{Target: flow.TargetMidstream, Policy: flow.PolicyPassFlow}}, app.SMTP
	s := Subject{Time: second, Packet: samplePacket(), Outer: samplePacket(), Flow: f, Dir: app.ToClient}
	s.Packet.EtherType = 0x0800
	f.Parent, f.AppExpect = 99, app.FTPData
	var macs MACs
	macs.Add(s.Packet, false)
	tx := &http1.Tx{TxBase: app.TxBase{ID: 4}}

	l.FlowEnd(f, second, &macs)
	l.DecodeAnomaly(&s, "ipv4.trunc_pkt")
	l.StreamAnomaly(&s, "3whs_syn_flood")
	l.AppAnomaly(&s, tx, "http.request_header_invalid")
	l.FlowAnomaly(&s, "applayer_unexpected_protocol")
	l.Drop(&DropRecord{Subject: s, Reason: "rules", Sig: sampleAlert().Hit.Sig, Verdict: Verdict{IPS: true, Drop: true}})
	l.Tagged(&s, nil)
	l.ARP(&s, []byte{0, 1, 8, 0, 6, 4, 0, 2, 1, 2, 3, 4, 5, 6, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2})
	l.File(&s, tx, &app.File{Name: []byte("n"), Dir: app.ToClient, Size: 3, State: app.FileClosed, SHA256: []byte{1, 0xab}})
	stats := StatsRecord{IPS: true, Policies: true, Alerts: 3}
	stats.CountDrop("stream midstream")
	stats.CountDrop("of no known reason")
	stats.Flow.Policies[flow.TargetMidstream][flow.PolicyPassFlow] = 2
	stats.Flow.Decoder.Events[decode.UDPLengthInvalid] = 1
	l.Stats(second, &stats)

	all := strings.Join(got, "\n")
	for _, line := range got {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
	for _, want := range []string{
		`"traffic":{"id":["curl"],"label":["cli"]},"metadata":{"flowbits":["x"],"flowints":{"n":2},"flowvars":[{"v":"\\xff"}]}`,
		`"tcp":{"tcp_flags":"13","tcp_flags_ts":"12","tcp_flags_tc":"01","syn":true,"fin":true,"ack":true,"state":"established"`,
		`"app_proto":"http","app_proto_orig":"smtp","app_proto_expected":"ftp-data"`, `"flow_id":7,"parent_id":99,`,
		`"state":"established","reason":"unknown","alerted":false,"action":"drop","tx_cnt":1,"exception_policy":[{"target":"stream_midstream","policy":"pass_flow"}]}`,
		`"ether":{"dest_macs":["00:00:00:00:00:00"],"src_macs":["00:00:00:00:00:00"]}`,
		`"netflow":{"pkts":3,"bytes":262`,
		`"packet_info":{"linktype":1,"linktype_name":"EN10MB"},"anomaly":{"type":"decode","event":"decoder.ipv4.trunc_pkt"}`,
		`"anomaly":{"type":"stream","event":"stream.3whs_syn_flood"}`,
		`"anomaly":{"app_proto":"http","type":"applayer","event":"REQUEST_HEADER_INVALID","layer":"proto_parser"}`,
		`"anomaly":{"app_proto":"http","type":"applayer","event":"APPLAYER_UNEXPECTED_PROTOCOL","layer":"proto_detect"}`,
		`"drop":{"len":0,"tos":0,"ttl":0,"ipid":0,"tcpseq":0`, `"reason":"rules"},"alert":{"action":"blocked","gid":1,"signature_id":2000001`,
		`"event_type":"packet"`,
		`"arp":{"hw_type":"ethernet","proto_type":"ipv4","opcode":"reply","src_mac":"01:02:03:04:05:06","src_ip":"10.0.0.1","dest_mac":"00:00:00:00:00:00","dest_ip":"10.0.0.2"}`,
		`"fileinfo":{"filename":"n","gaps":false,"state":"CLOSED","sha256":"01ab","stored":false,"size":3,"tx_id":4}`,
		`"exception_policy":{"tcp":{"midstream":{"pass_flow":2}}}`, `"event":{"udp":{"len_invalid":1}}`,
		`"ips":{"blocked":2,"drop_reason":{"stream_midstream":1}}`, `"in_iface":"eth0"`, `"community_id":"1:`,
	} {
		if !strings.Contains(all, want) {
			t.Errorf("no record has %s", want)
		}
	}
	if t.Failed() {
		t.Log("\n" + all)
	}
}
