package signatures

import (
	"bytes"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/decode/packettest"
	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/dns"
	"github.com/weir-ips/weir/pkg/flow/http1"
	"github.com/weir-ips/weir/pkg/flow/http2"
	"github.com/weir-ips/weir/pkg/flow/smtp"
)

var update = flag.Bool("update", false, "write what was found into the scenarios")

// A scenario is a file of sections: rules, packets, want; options ("ips") and threshold.config may come before. A line of packets is
//
//	10.0.0.1:4000 > 10.0.0.2:80 open                  the three segments of a handshake
//	10.0.0.1:4000 > 10.0.0.2:80 send "GET / …"        a segment, and the acknowledgement of the other side
//	10.0.0.1:4000 > 10.0.0.2:53 udp "…"               a datagram; icmp 8 0 for a message of this type and code
//	wait 60                                           seconds until the next packet
//
// and a line of want is the number of the packet (0 for what is seen when the flows end), what was decided, the sid and
// where it matched.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.scenario")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".scenario"), func(t *testing.T) {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			head, sections := splitSections(string(text))
			got := run(t, sections)
			if *update {
				sections["want"] = got
				if err := os.WriteFile(f, []byte(joinSections(head, sections)), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != sections["want"] {
				t.Errorf("got\n%swant\n%s", got, sections["want"])
			}
		})
	}
}

var sectionOrder = []string{"options", "threshold.config", "rules", "packets", "want"}

func splitSections(text string) (head string, sections map[string]string) {
	sections = map[string]string{}
	name := ""
	for line := range strings.Lines(text) {
		if n, ok := strings.CutPrefix(strings.TrimSpace(line), "-- "); ok {
			name = strings.TrimSuffix(n, " --")
		} else if name == "" {
			head += line
		} else {
			sections[name] += line
		}
	}
	return head, sections
}

func joinSections(head string, sections map[string]string) string {
	for _, name := range sectionOrder {
		if s, ok := sections[name]; ok {
			head += "-- " + name + " --\n" + s
		}
	}
	return head
}

// stage runs packets through tracker and engine and writes down what is decided.
type stage struct {
	t       *testing.T
	tracker *flow.Tracker
	engine  *Engine
	out     bytes.Buffer
	now     int64
	number  int
	seq     map[string]uint32 // next sequence number of a sender's half of a connection
}

func (s *stage) Flush(p *decode.Packet, r *flow.Result) { s.inspect(0, p, r) }
func (s *stage) End(f *flow.Flow)                       { s.engine.End(f) }

func (s *stage) inspect(n int, p *decode.Packet, r *flow.Result) {
	if r.Drop {
		fmt.Fprintf(&s.out, "%d dropped: %s\n", n, r.DropReason)
		return
	}
	d := s.engine.Inspect(p, r.Flow, *r)
	where := [...]string{InPacket: "packet", InStream: "stream", InTx: "tx"}
	for _, h := range d.Hits {
		fmt.Fprintf(&s.out, "%d %s %d %s\n", n, h.Action, h.Sig.SID, where[h.Where])
	}
	if d.Pass {
		fmt.Fprintf(&s.out, "%d passed%s\n", n, map[bool]string{true: " with its flow"}[d.FlowPass])
	}
	if d.Drop {
		fmt.Fprintf(&s.out, "%d dropped%s: %s\n", n, map[bool]string{true: " with its flow"}[d.FlowDrop], d.DropReason)
	}
	if r.Flow != nil {
		for _, tx := range transactions(r.Flow) {
			tx.Base().Logged = true
		}
	}
	if n > 0 {
		s.tracker.Done(r)
	}
}

func transactions(f *flow.Flow) []app.Tx {
	if f.Parser == nil {
		return nil
	}
	return f.Parser.Txs()
}

func newStage(t *testing.T, rules, options, thresholds string) *stage {
	t.Helper()
	ips := strings.Contains(options, "ips")
	rs, problems := Load([]Source{{Name: "rules", Text: rules}}, Options{IPS: ips, Variables: map[string]string{"HOME_NET": "10.0.0.0/8"},
		Thresholds: Source{Name: "threshold.config", Text: thresholds}})
	for _, p := range problems {
		t.Fatal(p)
	}
	s := &stage{t: t, engine: NewEngine(rs, NewShared()), now: 1_700_000_000e9, seq: map[string]uint32{}}
	cfg := flow.NewConfig()
	cfg.IPS, cfg.Inline = ips, ips
	cfg.Protocols = []flow.Protocol{
		{Proto: app.HTTP2, TCP: true, Probe: func(d app.Direction, b []byte, _ uint16) app.Match { return http2.Probe(d, b, 0, 0) }, New: func() app.Parser { return http2.New(http2.DefaultConfig()) }},
		{Proto: app.HTTP1, TCP: true, Probe: func(d app.Direction, b []byte, _ uint16) app.Match { return http1.Probe(d, b, 0, 0) }, New: func() app.Parser { return http1.New(http1.DefaultConfig()) }},
		{Proto: app.SMTP, TCP: true, Probe: func(d app.Direction, b []byte, _ uint16) app.Match { return smtp.Probe(d, b, 0, 25) }, New: func() app.Parser { return smtp.New(smtp.DefaultConfig()) }},
		{Proto: app.DNS, UDP: true, Probe: func(d app.Direction, b []byte, _ uint16) app.Match { return dns.Probe(d, b, 0, 53) }, New: func() app.Parser { return dns.New(dns.Config{}) }},
	}
	s.tracker = flow.NewTracker(cfg, &decode.Decoder{Checksums: true}, s)
	s.tracker.WantFrames(flow.FrameWish{Types: rs.Frames(), Inspect: true})
	return s
}

func (s *stage) packet(b *packettest.Builder) {
	s.number++
	s.now += 1e6
	for _, p := range s.tracker.Unpack(b.Frame(s.now)) {
		r := s.tracker.Track(p)
		s.inspect(s.number, p, &r)
	}
}

func run(t *testing.T, sections map[string]string) string {
	s := newStage(t, sections["rules"], sections["options"], sections["threshold.config"])
	s.play(sections["packets"])
	s.tracker.Close(s.now)
	return s.out.String()
}

func (s *stage) play(packets string) {
	for line := range strings.Lines(packets) {
		s.line(strings.TrimSpace(line))
	}
}

func (s *stage) line(line string) {
	fields := strings.SplitN(line, " ", 5)
	if fields[0] == "" || fields[0] == "#" {
		return
	}
	if fields[0] == "wait" {
		n, _ := strconv.Atoi(fields[1])
		s.now += int64(n) * 1e9
		return
	}
	src, dst := netip.MustParseAddrPort(fields[0]), netip.MustParseAddrPort(fields[2])
	text := ""
	if len(fields) == 5 {
		var err error
		if text, err = strconv.Unquote(fields[4]); err != nil {
			text = fields[4]
		}
	}
	between := func(a, b netip.AddrPort) *packettest.Builder {
		return packettest.IP(a.Addr().String(), b.Addr().String())
	}
	tcp := func(a, b netip.AddrPort, flags, data string) {
		ab, ba := a.String()+b.String(), b.String()+a.String()
		s.packet(between(a, b).TCP(a.Port(), b.Port(), flags).Seq(s.seq[ab], s.seq[ba]).Payload(data))
		s.seq[ab] += uint32(len(data))
		if strings.ContainsAny(flags, "SF") {
			s.seq[ab]++
		}
	}
	switch fields[3] {
	case "open":
		tcp(src, dst, "S", "")
		tcp(dst, src, "SA", "")
		tcp(src, dst, "A", "")
	case "send":
		tcp(src, dst, "PA", text)
		tcp(dst, src, "A", "")
	case "udp":
		s.packet(between(src, dst).UDP(src.Port(), dst.Port()).Payload(text))
	case "icmp":
		var kind, code uint8
		if _, err := fmt.Sscan(text, &kind, &code); err != nil {
			s.t.Fatalf("%s: %v", line, err)
		}
		s.packet(between(src, dst).ICMP(kind, code, 1, 1).Payload("ping"))
	default:
		s.t.Fatalf("%s: what is %s?", line, fields[3])
	}
}

// packetOf is a datagram.
func packetOf(src, dst, payload string) *decode.Packet {
	return packettest.IP(src, dst).UDP(1, 2).Payload(payload).Packet(1_700_000_001e9)
}
