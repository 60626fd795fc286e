package path

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weir-ips/weir/pkg/capture"
	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/decode/packettest"
	"github.com/weir-ips/weir/pkg/event"
	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/signatures"
	"github.com/weir-ips/weir/pkg/threshold"
)

// detected is what tests read of a detection's alert.
type detected struct {
	Src     string `json:"src_ip"`
	Dst     string `json:"dest_ip"`
	DstPort uint16 `json:"dest_port"`
	Alert   struct {
		SID     uint32 `json:"signature_id"`
		Message string `json:"signature"`
		Context struct {
			Weir struct {
				Detection struct {
					Vector, Phase, Explanation string
					Value, Threshold, Counted  uint64
					Samples                    []struct{ Timestamp string }
				}
			}
		}
	}
}

// sieve is a Sink that keeps detections.
type sieve struct {
	t    *testing.T
	list []detected
}

func (s *sieve) Put(kind event.Type, line []byte) {
	if kind != event.Alert {
		return
	}
	var d detected
	if err := json.Unmarshal(line, &d); err != nil {
		s.t.Errorf("%v in %s", err, line)
	}
	s.list = append(s.list, d)
}

// vectors lists what began, each once.
func (s *sieve) vectors() string {
	var out []string
	for _, d := range s.list {
		if e := d.Alert.Context.Weir.Detection; e.Phase == "start" && !slices.Contains(out, e.Vector) {
			out = append(out, e.Vector)
		}
	}
	return strings.Join(out, " ")
}

func detecting(t *testing.T) (*Path, *sieve) {
	s := &sieve{t: t}
	limits := threshold.DefaultLimits()
	c := Config{
		Flow: flow.NewConfig(), Decoder: decode.Default(), Shared: signatures.NewShared(), Detect: &limits,
		Outputs: []*event.Output{{Options: event.DefaultOptions(), Sink: s}},
	}
	c.Flow.Protocols, c.Flow.Checksums, c.Decoder.Checksums = DefaultParsers().Protocols(), false, false
	return New(c), s
}

func TestADetectionIsAnAlertThatExplainsItself(t *testing.T) {
	p, s := detecting(t)
	for i := range int64(2000) {
		f := packettest.Frame(packettest.IP4(client, server).TCP(uint16(i), 443, "S").Ethernet(), start+i*3e5)
		f.Number = uint64(i + 1)
		p.Process(f)
	}
	p.Close()
	if len(s.list) != 2 {
		t.Fatalf("%d alerts, want a start and an end: %+v", len(s.list), s.list)
	}
	d := s.list[0]
	e := d.Alert.Context.Weir.Detection
	if d.Alert.SID != threshold.SYNFlood.SID() || d.Src != client || d.Dst != server || d.DstPort != 443 || e.Vector != "syn-flood" ||
		e.Value < e.Threshold || len(e.Samples) == 0 || !strings.Contains(e.Explanation, "the threshold is 1000") {
		t.Errorf("%+v", d)
	}
	if last := s.list[1].Alert.Context.Weir.Detection; last.Phase != "end" || last.Counted != 2000 {
		t.Errorf("%+v", last)
	}
}

func TestHandshakesAreNoFlood(t *testing.T) {
	p, s := detecting(t)
	now := start
	send := func(b *packettest.Builder) { now += 1e5; p.Process(packettest.Frame(b.Ethernet(), now)) }
	for i := range 5000 {
		port := uint16(1024 + i)
		send(packettest.IP4(client, server).TCP(port, 443, "S").Seq(100, 0))
		send(packettest.IP4(server, client).TCP(443, port, "SA").Seq(500, 101))
		send(packettest.IP4(client, server).TCP(port, 443, "A").Seq(101, 501))
	}
	p.Close()
	if len(s.list) != 0 {
		t.Errorf("%+v", s.list)
	}
}

func TestATunnelIsNoFlood(t *testing.T) {
	p, s := detecting(t)
	for i := range int64(10_000) {
		inner := packettest.IP4(client, server).TCP(1024, 443, "A").Ethernet()
		p.Process(packettest.Frame(packettest.VXLAN("10.9.0.1", "10.9.0.2", 7, inner), start+i*2e4))
	}
	p.Close()
	if len(s.list) != 0 {
		t.Errorf("%+v", s.list)
	}
}

// corpus says what each capture of attacks must set off, and nothing else; captures that are not named must set off nothing.
var corpus = map[string]string{
	"ddos/9f9ef8_KTeeps__ddos.pcap":                            "syn-flood",
	"ddos/Rusllang__icmp_flood.pcap":                           "icmp-flood", // 2 kpps at its peak, for a fifth of a second
	"ddos/StopDDoS__amp.TCP.reflection.SYNACK.pcap":            "tcp-reflection",
	"ddos/StopDDoS__amp.UDP.snmp.src161.pcapng":                "udp-amplification",
	"ddos/StopDDoS__pkt.TCP.synflood.spoofed.pcap":             "syn-flood",
	"ddos/chensandiego__syn_flood.pcap":                        "syn-flood",
	"ddos/ddosgrid__synflood.pcap":                             "syn-flood",
	"ddos/doup123__test.pcap":                                  "syn-flood slow-http", // one side only: its handshakes cannot be seen
	"ddos/doup123__udp__flood.pcap":                            "udp-flood",
	"ddos/marcosValle__ddos.pcap":                              "udp-amplification",
	"scan/1354b9_tahsin5__nmap.pcap":                           "port-scan",
	"scan/Montimage__test_p2_p3.pcap":                          "port-scan",
	"scan/a661b1_tahsin5__nmap.pcap":                           "port-scan",
	"scan/chrissanders__synscan.pcapng":                        "port-scan",
	"scan/esnet-security__tcp_0_1000_20190821.pcap":            "port-scan",
	"scan/imane-bouhoute__attack.pcapng":                       "port-scan",
	"scan/initconf__23-tcp-scan.pcap":                          "host-sweep",
	"scan/lucaderi__hs-icmpScan.pcap":                          "host-sweep",
	"scan/lucaderi__hs-icmpScan.pcapng":                        "host-sweep",
	"scan/lucaderi__hs-tcp_synPingSweepRand.pcapng":            "host-sweep",
	"scan/lucaderi__portScan_1_to_10000.pcapng":                "port-scan",
	"scan/markfvl__ps-tcp_syn.pcap":                            "port-scan",
	"scan/markfvl__ps-udp.pcap":                                "port-scan",
	"scan/tahsin5__nmap.pcap":                                  "port-scan",
	"bruteforce/stratosphereip__malicious-ssh-bruteforce.pcap": "brute-force",
	"bruteforce/zeek__bruteforce.pcap":                         "brute-force",
	"app/doup123__test7.pcap":                                  "syn-flood slow-http", // the same attack again
	"malformed/ntop__ip_fragmented_garbage.pcap":               "fragment-flood",      // 1,368 a second that never make a packet
	"app/markofu__gnutella.pcap":                               "host-sweep",          // two dozen peers that are gone
}

// TestRealCaptures replays real attacks and much else. WEIR_DATA names the folder of the captures, by default weir-data in the
// user's cache.
func TestRealCaptures(t *testing.T) {
	root := os.Getenv("WEIR_DATA")
	if root == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Skip(err)
		}
		root = filepath.Join(cache, "weir-data")
	}
	files, _ := filepath.Glob(filepath.Join(root, "pcaps", "*", "*.pcap*"))
	if len(files) == 0 {
		t.Skipf("no captures under %s; set WEIR_DATA to run them", root)
	}
	for _, file := range files {
		name, _ := filepath.Rel(filepath.Join(root, "pcaps"), file)
		p, s := detecting(t)
		if err := feed(p, file); err != nil {
			continue // captures that are damaged on purpose
		}
		if got := s.vectors(); got != corpus[name] {
			t.Errorf("%s sets off %q, want %q", name, got, corpus[name])
		}
		if len(s.list) > 12 {
			t.Errorf("%s makes %d alerts", name, len(s.list))
		}
	}
	t.Logf("%d captures", len(files))
}

func feed(p *Path, file string) error {
	src, err := capture.Open(file)
	if err != nil {
		return err
	}
	defer src.Close()
	batch := make([]capture.Frame, 64)
	for {
		n, err := src.Recv(batch, 0)
		for i := range batch[:n] {
			p.Process(batch[i].Frame)
		}
		if errors.Is(err, io.EOF) || errors.Is(err, capture.ErrDamaged) {
			p.Close()
			return nil
		}
		if err != nil {
			return err
		}
		if err := src.Done(batch[:n]); err != nil {
			return err
		}
	}
}

// TestRapidResetsAreFound opens streams of HTTP/2 and gives each up at once.
func TestRapidResetsAreFound(t *testing.T) {
	p, s := detecting(t)
	now, seq := start, uint32(100)
	send := func(b *packettest.Builder) { now += 2e6; p.Process(packettest.Frame(b.Ethernet(), now)) }
	frame := func(kind, flags byte, stream uint32, body ...byte) string {
		return string(append([]byte{0, 0, byte(len(body)), kind, flags, 0, byte(stream >> 16), byte(stream >> 8), byte(stream)}, body...))
	}
	send(packettest.IP4(client, server).TCP(4000, 80, "S").Seq(seq, 0))
	send(packettest.IP4(server, client).TCP(80, 4000, "SA").Seq(500, seq+1))
	seq++
	data := "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0)
	for i := range uint32(400) {
		stream := 2*i + 1
		data += frame(1, 5, stream, 0x82, 0x86, 0x84, 0x41, 1, 'a') + frame(3, 0, stream, 0, 0, 0, 8)
		send(packettest.IP4(client, server).TCP(4000, 80, "PA").Seq(seq, 501).Payload(data))
		seq += uint32(len(data))
		data = ""
		send(packettest.IP4(server, client).TCP(80, 4000, "A").Seq(501, seq))
	}
	p.Close()
	if got := s.vectors(); got != "http2-rapid-reset" {
		t.Fatalf("%q: %+v", got, s.list)
	}
	if d := s.list[0]; d.Src != client || d.Dst != server || d.DstPort != 80 {
		t.Errorf("%+v", d)
	}
}
