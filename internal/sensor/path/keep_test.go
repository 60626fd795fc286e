package path

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/weir-ips/weir/pkg/decode/packettest"
	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/signatures"
)

// talk is one TCP connection of a test, with its sequence numbers.
type talk struct {
	host     byte // 0 is client
	port     uint16
	seq, ack uint32
}

func (k *talk) client() string { return fmt.Sprintf("10.0.0.%d", 1+k.host) }

func (k *talk) up(flags, data string) []byte {
	b := packettest.IP4(k.client(), server).TCP(k.port, 80, flags).Seq(k.seq, k.ack).Payload(data).Ethernet()
	k.seq += uint32(len(data))
	return b
}

func (k *talk) down(flags, data string) []byte {
	b := packettest.IP4(server, k.client()).TCP(80, k.port, flags).Seq(k.ack, k.seq).Payload(data).Ethernet()
	k.ack += uint32(len(data))
	return b
}

// begin sends a handshake.
func (k *talk) begin(s *scene) {
	k.seq, k.ack = 1000, 0
	s.send(k.up("S", ""))
	k.seq, k.ack = 1001, 5000
	s.send(packettest.IP4(server, k.client()).TCP(80, k.port, "SA").Seq(5000, 1001).Ethernet())
	k.ack = 5001
	s.send(k.up("A", ""))
}

// follow makes the scene of the next program, with other rules before those of the test, so that their names have other numbers.
func (s *scene) follow(t *testing.T, rules string, ips bool) *scene {
	t.Helper()
	data := Keep([]*Path{s.Path}, s.cfg.Shared, s.rules, start+s.frames*1e6)
	const others = "alert tcp any any -> any 9 (flowbits:set,another; flowint:another,=,1; xbits:set,another,track ip_src; noalert; sid:9001;)\n"
	next := newScene(t, others+rules, ips, func(c *Config) {
		var err error
		if c.Left, err = ReadLeft(data, c.Shared, c.Rules, start+s.frames*1e6); err != nil {
			t.Fatal(err)
		}
	})
	next.frames = s.frames
	return next
}

// TestGoesOn has another program go on in the middle of a conversation, for each thing that rules remember.
func TestGoesOn(t *testing.T) {
	for _, c := range []struct {
		name, rules string
		before      []string // payloads of the client
		after       string
		drop        bool // what follows
		alerts      int  // after
	}{
		{"flowbits", `alert tcp any any -> any any (content:"knock"; flowbits:set,knocked; flowbits:noalert; sid:1;)
alert tcp any any -> any any (content:"enter"; flowbits:isset,knocked; sid:2;)`, []string{"knock"}, "enter", false, 1},
		{"flowbits that are not set", `alert tcp any any -> any any (content:"knock"; flowbits:set,knocked; flowbits:noalert; sid:1;)
alert tcp any any -> any any (content:"enter"; flowbits:isset,knocked; sid:2;)`, []string{"nothing"}, "enter", false, 0},
		{"flowint", `alert tcp any any -> any any (content:"one"; flowint:n,+,1; noalert; sid:1;)
alert tcp any any -> any any (content:"enter"; flowint:n,==,2; sid:2;)`, []string{"one", "one"}, "enter", false, 1},
		{"xbits", `alert tcp any any -> any any (content:"knock"; xbits:set,knocked,track ip_src,expire 60; noalert; sid:1;)
alert tcp any any -> any any (content:"enter"; xbits:isset,knocked,track ip_src; sid:2;)`, []string{"knock"}, "enter", false, 1},
		{"hostbits", `alert tcp any any -> any any (content:"knock"; hostbits:set,knocked,src; noalert; sid:1;)
alert tcp any any -> any any (content:"enter"; hostbits:isset,knocked,src; sid:2;)`, []string{"knock"}, "enter", false, 1},
		{"threshold", `alert tcp any any -> any any (content:"try"; threshold:type threshold,track by_src,count 3,seconds 60; sid:1;)`,
			[]string{"try", "try"}, "try", false, 1},
		{"limit", `alert tcp any any -> any any (content:"try"; threshold:type limit,track by_src,count 1,seconds 60; sid:1;)`,
			[]string{"try"}, "try", false, 0},
		{"dropped", `drop tcp any any -> any any (content:"evil"; sid:1;)`, []string{"evil"}, "good", true, 0},
		{"passed", `pass tcp any any -> any any (content:"friend"; sid:1;)
alert tcp any any -> any any (content:"enter"; sid:2;)`, []string{"friend"}, "enter", false, 0},
		{"established, from the beginning", `alert tcp any any -> any any (content:"enter"; flow:established,to_server; stream_size:client,=,9; sid:2;)`,
			[]string{"two"}, "enter", false, 1},
		{"http between requests", `alert http any any -> any any (http.uri; content:"/enter"; sid:2;)`,
			[]string{"GET /first HTTP/1.1\r\nHost: a\r\n\r\n"}, "GET /enter HTTP/1.1\r\nHost: a\r\n\r\n", false, 1},
		{"http within a request", `alert http any any -> any any (http.uri; content:"/enter"; sid:2;)
alert tcp any any -> any any (content:"rest"; sid:3;)`,
			[]string{"POST /first HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf"}, "rest", false, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			first := newScene(t, c.rules, true, nil)
			k := talk{port: 4000}
			k.begin(first)
			for _, data := range c.before {
				first.send(k.up("PA", data))
				first.send(k.down("A", ""))
				if strings.Contains(c.name, "between") {
					first.send(k.down("PA", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
					first.send(k.up("A", ""))
				}
			}
			second := first.follow(t, c.rules, true)
			out := second.send(k.up("PA", c.after))
			second.send(k.down("A", ""))
			if out.Drop != c.drop {
				t.Errorf("dropped %v (%s), want %v", out.Drop, out.Reason, c.drop)
			}
			if n := second.records.count("alert"); n != c.alerts {
				t.Errorf("%d alerts, want %d", n, c.alerts)
			}
			s := second.Stats()
			if s.Flow.Flow.Resumed != 1 || s.Flow.TCP.Midstream != 0 || s.Detect.Unrestored != 0 {
				t.Errorf("resumed %d, midstream %d", s.Flow.Flow.Resumed, s.Flow.TCP.Midstream)
			}
			second.Close()
			if n := first.records.count("flow") + second.records.count("flow"); n != 1 {
				t.Errorf("%d flow records, want one of the whole", n)
			}
		})
	}
}

// TestSilentFlowsEnd checks that flows that are never heard again have their record, once, whichever of the workers writes it.
func TestSilentFlowsEnd(t *testing.T) {
	first := newScene(t, "", false, nil)
	for port := range uint16(10) {
		k := talk{port: 4000 + port}
		k.begin(first)
	}
	rs, _ := signatures.Load(nil, signatures.Options{})
	shared := signatures.NewShared()
	data := Keep([]*Path{first.Path}, shared, rs, start)
	left, err := ReadLeft(data, shared, rs, start)
	if err != nil || left.Len() != 10 {
		t.Fatalf("%d flows, %v", left.Len(), err)
	}
	later := start + int64(2*keptFor)
	var workers []*scene
	for range 2 {
		workers = append(workers, newScene(t, "", false, func(c *Config) { c.Left = left }))
	}
	workers[0].Tick(start + 1e9)
	if n := workers[0].records.count("flow"); n != 0 || left.Len() != 10 {
		t.Errorf("%d ended before their time", n)
	}
	workers[1].Tick(later)
	workers[0].Tick(later)
	workers[0].Close()
	if n := workers[0].records.count("flow") + workers[1].records.count("flow"); n != 10 || left.Len() != 0 {
		t.Errorf("%d flow records, want 10; %d are left", n, left.Len())
	}
}

// TestKeptTwice hands on what has not been heard when the next program follows at once.
func TestKeptTwice(t *testing.T) {
	const rules = `alert tcp any any -> any any (content:"knock"; flowbits:set,knocked; flowbits:noalert; sid:1;)
alert tcp any any -> any any (content:"enter"; flowbits:isset,knocked; sid:2;)`
	first := newScene(t, rules, true, nil)
	k := talk{port: 4000}
	k.begin(first)
	first.send(k.up("PA", "knock"))
	third := first.follow(t, rules, true).follow(t, rules, true)
	third.send(k.up("PA", "enter"))
	if n := third.records.count("alert"); n != 1 {
		t.Errorf("%d alerts, want 1", n)
	}
}

// kept is what a program leaves that has seen one connection.
func kept(t testing.TB) []byte {
	s := newScene(t, `alert tcp any any -> any any (content:"knock"; flowbits:set,knocked; hostbits:set,h,src; threshold:type limit,track by_src,count 1,seconds 60; sid:1;)`, true, nil)
	k := talk{port: 4000}
	k.begin(s)
	s.send(k.up("PA", "knock"))
	return Keep([]*Path{s.Path}, s.cfg.Shared, s.rules, start)
}

// TestKeptIsChecked refuses what is cut short, anywhere, and other versions.
func TestKeptIsChecked(t *testing.T) {
	data := kept(t)
	rs, _ := signatures.Load(nil, signatures.Options{})
	whole, err := ReadLeft(data, signatures.NewShared(), rs, start)
	if err != nil || whole.Len() != 1 {
		t.Fatalf("%d flows, %v", whole.Len(), err)
	}
	full := 0
	for n := range data {
		if l, err := ReadLeft(data[:n], signatures.NewShared(), rs, start); err == nil && l.Len() > 0 {
			full++
		}
	}
	if full > 0 {
		t.Errorf("%d of %d beginnings were taken for a flow", full, len(data))
	}
	other := bytes.Clone(data)
	binary.LittleEndian.PutUint16(other[len(keptMagic):], keptVersion+1)
	if _, err := ReadLeft(other, signatures.NewShared(), rs, start); err == nil || !strings.Contains(err.Error(), "in form 2, and this program reads 1") {
		t.Errorf("error %v, want the versions", err)
	}
}

// FuzzReadLeft gives the reader what no program writes, and goes on with what it takes for flows.
func FuzzReadLeft(f *testing.F) {
	head := binary.LittleEndian.AppendUint16([]byte(keptMagic), keptVersion)
	f.Add(append(head, 0))
	f.Add(append(bytes.Clone(head), byte(app.NumProtos)))
	f.Add(kept(f))
	rs, _ := signatures.Load(nil, signatures.Options{})
	f.Fuzz(func(t *testing.T, data []byte) {
		shared := signatures.NewShared()
		left, err := ReadLeft(data, shared, rs, start)
		if err != nil {
			return
		}
		s := newScene(t, "", true, func(c *Config) { c.Rules, c.Shared, c.Left = rs, shared, left })
		k := talk{port: 4000, seq: 1006, ack: 5001}
		s.send(k.up("PA", "enter"))
		s.send(k.down("PA", "hello"))
		s.Close()
	})
}

// BenchmarkKeep leaves and reads 100,000 connections: ns/flow of each.
func BenchmarkKeep(b *testing.B) {
	const flows = 100_000
	s := newScene(b, `alert tcp any any -> any any (content:"knock"; flowbits:set,knocked; flowbits:noalert; sid:1;)`, true, nil)
	for i := range flows {
		k := talk{port: uint16(1024 + i%60000), host: byte(i / 60000)}
		k.begin(s)
		s.send(k.up("PA", "knock"))
	}
	data := Keep([]*Path{s.Path}, s.cfg.Shared, s.rules, start)
	b.Run("keep", func(b *testing.B) {
		for b.Loop() {
			data = Keep([]*Path{s.Path}, s.cfg.Shared, s.rules, start)
		}
		b.ReportMetric(float64(b.Elapsed())/float64(b.N*flows), "ns/flow")
		b.ReportMetric(float64(len(data))/flows, "bytes/flow")
	})
	b.Run("read", func(b *testing.B) {
		for b.Loop() {
			if l, err := ReadLeft(data, signatures.NewShared(), s.rules, start); err != nil || l.Len() != flows {
				b.Fatal(l.Len(), err)
			}
		}
		b.ReportMetric(float64(b.Elapsed())/float64(b.N*flows), "ns/flow")
	})
}
