package threshold

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"strings"
	"testing"

	"github.com/weir-ips/weir/pkg/decode"
)

const begin = int64(1_700_000_000_000_000_000)

func address(s string) decode.Addr { return decode.AddrFrom(netip.MustParseAddr(s)) }

// spoofed is the i-th of many source addresses.
func spoofed(i uint32) decode.Addr {
	a := address("11.0.0.0")
	binary.BigEndian.PutUint32(a[12:], 11<<24+i*2654435761>>8)
	return a
}

// world drives a detector with packets of which flow tracking is mimicked by the test.
type world struct {
	d      *Detector
	now    int64
	flow   uint64
	events []Detection
	packet decode.Packet
}

func newWorld(l Limits) *world { return &world{d: NewDetector(l), now: begin} }

func (w *world) send(p decode.Packet, f Facts) {
	w.packet = p
	w.packet.Time, w.packet.IPVersion, w.packet.L4 = w.now, 6, []byte{0}
	w.packet.IPPayload = payload100
	if p.Src.Is4() {
		w.packet.IPVersion = 4
	}
	if f.Flow == 0 {
		w.flow++
		f.Flow = w.flow
	}
	w.d.Packet(&w.packet, &f)
	w.events = append(w.events, w.d.Take()...)
}

var payload100 = make([]byte, 100)

// wait lets time pass by tenths of a second.
func (w *world) wait(ns int64) {
	for end := w.now + ns; w.now < end; {
		w.now += slot
		w.d.Tick(w.now)
		w.events = append(w.events, w.d.Take()...)
	}
}

// each calls f rate times a second for so many seconds.
func (w *world) each(rate, seconds int64, f func(i uint32)) {
	for i := range rate * seconds {
		f(uint32(i))
		w.now += 1e9 / rate
	}
}

func (w *world) phases() string {
	var out []string
	for _, e := range w.events {
		out = append(out, e.Vector.String()+" "+e.Phase.String())
	}
	return strings.Join(out, ", ")
}

func (w *world) want(t *testing.T, what string) {
	t.Helper()
	if got := w.phases(); got != what {
		t.Errorf("got %q, want %q", got, what)
		for _, e := range w.events {
			t.Log(e.Explain())
		}
	}
}

var opening = Facts{New: true, ToServer: true, Ours: 1}

func tcp(src, dst decode.Addr, sport, dport uint16, flags uint8) decode.Packet {
	return decode.Packet{Src: src, Dst: dst, SrcPort: sport, DstPort: dport, Proto: decode.ProtoTCP, Flags: flags}
}

func udp(src, dst decode.Addr, sport, dport uint16) decode.Packet {
	return decode.Packet{Src: src, Dst: dst, SrcPort: sport, DstPort: dport, Proto: decode.ProtoUDP}
}

func icmp(src, dst decode.Addr, kind uint8) decode.Packet {
	return decode.Packet{Src: src, Dst: dst, ICMPType: kind, Proto: decode.ProtoICMP}
}

var server, client = address("192.0.2.10"), address("198.51.100.7")

// TestFires has an attack in each line, and what must come of it.
func TestFires(t *testing.T) {
	for _, c := range []struct {
		name string
		pour func(w *world)
		want string
	}{
		{"spoofed SYNs", func(w *world) {
			w.each(3000, 2, func(i uint32) { w.send(tcp(spoofed(i), server, 1024, 443, decode.SYN), opening) })
		}, "syn-flood start"},
		{"SYNs with ECN bits", func(w *world) {
			w.each(3000, 2, func(i uint32) {
				w.send(tcp(spoofed(i), server, 1024, 443, decode.SYN|decode.ECE|decode.CWR), opening)
			})
		}, "syn-flood start"},
		{"SYNs from one source", func(w *world) {
			w.each(3000, 2, func(i uint32) { w.send(tcp(client, server, uint16(i), 443, decode.SYN), opening) })
		}, "syn-flood start"},
		{"SYNs over IPv6", func(w *world) {
			w.each(3000, 2, func(i uint32) {
				src := address("2001:db8::1")
				binary.BigEndian.PutUint32(src[8:], i)
				w.send(tcp(src, address("2001:db8:1::1"), 1024, 443, decode.SYN), opening)
			})
		}, "syn-flood start"},
		{"reflected SYN-ACKs", func(w *world) {
			w.each(3000, 2, func(i uint32) { w.send(tcp(spoofed(i%500), server, 443, 1024, decode.SYN|decode.ACK), opening) })
		}, "tcp-reflection start"},
		{"SNMP answers that nobody asked for", func(w *world) {
			w.each(3000, 2, func(i uint32) { w.send(udp(spoofed(i%300), server, 161, 80), opening) })
		}, "udp-amplification start"},
		{"memcached answers of 1,400 bytes from few servers", func(w *world) {
			w.each(1500, 2, func(i uint32) { w.send(udp(spoofed(i%25), server, 11211, 80), opening) })
		}, "udp-amplification start"},
		{"UDP from everywhere", func(w *world) {
			w.each(12_000, 2, func(i uint32) { w.send(udp(spoofed(i), server, 4000+uint16(i%1000), 9), opening) })
		}, "udp-flood start"},
		{"UDP of one source to many hosts", func(w *world) {
			w.each(12_000, 2, func(i uint32) { w.send(udp(client, spoofed(i%5000), 4000, 9), Facts{ToServer: true, Ours: 2}) })
		}, "udp-flood-source start"},
		{"echo requests", func(w *world) {
			w.each(3000, 2, func(i uint32) { w.send(icmp(spoofed(i), server, icmpEcho), opening) })
		}, "icmp-flood start"},
		{"unreachables that nobody asked for", func(w *world) {
			w.each(3000, 2, func(i uint32) { w.send(icmp(spoofed(i), server, icmpUnreachable), Facts{ToServer: true}) })
		}, "icmp-flood start"},
		{"carpet bombing", func(w *world) {
			w.each(60_000, 1, func(i uint32) {
				dst := address("203.0.113.0")
				dst[15] = byte(i)
				w.send(udp(spoofed(i), dst, 4000, 9), Facts{ToServer: true, Ours: 2})
			})
		}, "carpet-bombing start"},
		{"ports tried one a second", func(w *world) {
			w.each(1, 40, func(i uint32) { w.send(tcp(client, server, 40000, 1000+uint16(i), decode.SYN), opening) })
		}, "port-scan start"},
		{"ports that refuse, all at once", func(w *world) {
			w.each(1000, 1, func(i uint32) {
				port := 1000 + uint16(i)
				w.send(tcp(client, server, 40000, port, decode.SYN), opening)
				w.send(tcp(server, client, port, 40000, decode.RST|decode.ACK), Facts{Answered: true, Ours: 1, Theirs: 1})
			})
		}, "port-scan start"},
		{"UDP ports of three hosts in turn", func(w *world) {
			w.each(600, 1, func(i uint32) {
				w.send(udp(client, spoofed(i%3), 40000, 10000+uint16(i/3)), opening)
			})
		}, "port-scan start"},
		{"hosts pinged", func(w *world) {
			w.each(100, 2, func(i uint32) { w.send(icmp(client, spoofed(i), icmpEcho), opening) })
		}, "host-sweep start"},
		{"telnet sought", func(w *world) {
			w.each(20, 5, func(i uint32) { w.send(tcp(client, spoofed(i), 40000, 23, decode.SYN), opening) })
		}, "host-sweep start"},
		{"requests without end", func(w *world) {
			for i := range uint32(150) {
				p := tcp(spoofed(i), server, 40000, 80, decode.ACK|decode.PSH)
				p.Payload = []byte("GET / HTTP/1.1\r\nHost: example.org\r\n")
				w.send(p, Facts{ToServer: true, Answered: true, Ours: 3, Theirs: 1})
			}
			w.wait(11e9)
		}, "slow-http start"},
		{"short SSH sessions", func(w *world) {
			w.each(1, 25, func(i uint32) {
				w.d.Tick(w.now)
				w.d.Ended(&Session{Flow: uint64(i), Src: client, Dst: server, Port: 22, Service: SSH, Start: w.now - 2e9, End: w.now, Packets: 15})
				w.events = append(w.events, w.d.Take()...)
			})
		}, "brute-force start"},
		{"FTP logins refused", func(w *world) {
			w.each(2, 15, func(i uint32) {
				p := tcp(server, client, 21, 40000, decode.ACK|decode.PSH)
				p.Payload = []byte("530 Login incorrect.\r\n")
				w.send(p, Facts{Flow: 1, Answered: true, Ours: 5, Theirs: 5, Service: FTP})
			})
		}, "brute-force start"},
		{"random names in one zone", func(w *world) {
			w.each(300, 2, func(i uint32) {
				p := udp(server, client, 53, 40000)
				p.Time, p.IPVersion = w.now, 4
				w.d.Tick(w.now)
				w.d.Lookup(&p, &Lookup{Server: server, Name: binary.AppendUvarint([]byte("x"), uint64(i)*7919), Failed: true})
				name := append(binary.AppendUvarint([]byte("q"), uint64(i)*7919), ".example.org"...)
				w.d.Lookup(&p, &Lookup{Server: server, Name: name, Failed: true})
				w.events = append(w.events, w.d.Take()...)
			})
		}, "dns-water-torture start"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(DefaultLimits())
			c.pour(w)
			w.want(t, c.want)
			for _, e := range w.events {
				if len(e.Samples) == 0 || e.Value < e.Threshold || e.Since > e.Time || e.Explain() == "" {
					t.Errorf("%+v explains nothing", e)
				}
			}
			w.d.Close()
			w.events = append(w.events, w.d.Take()...)
			w.want(t, c.want+", "+strings.Replace(c.want, "start", "end", 1))
		})
	}
}

// TestStaysQuiet has ordinary traffic in each line, at rates above the thresholds.
func TestStaysQuiet(t *testing.T) {
	for _, c := range []struct {
		name string
		pour func(w *world)
	}{
		{"a flash crowd that completes its handshakes", func(w *world) {
			w.each(2500, 3, func(i uint32) {
				w.send(tcp(spoofed(i), server, 1024, 443, decode.SYN), opening)
				w.send(tcp(spoofed(i), server, 1024, 443, decode.ACK), Facts{ToServer: true, Answered: true, Completed: true, Ours: 2, Theirs: 1})
			})
		}},
		{"answers to a client's own SYNs", func(w *world) {
			w.each(3000, 2, func(i uint32) {
				w.send(tcp(spoofed(i%500), server, 443, 1024, decode.SYN|decode.ACK), Facts{Answered: true, Ours: 1, Theirs: 1})
			})
		}},
		{"backscatter", func(w *world) {
			w.each(17, 10, func(i uint32) { w.send(tcp(spoofed(i), server, 80, 1024, decode.SYN|decode.ACK), opening) })
		}},
		{"a busy resolver", func(w *world) {
			w.each(4000, 2, func(i uint32) {
				w.send(udp(server, spoofed(i%400), uint16(20000+i%9999), 53), opening)
				w.send(udp(spoofed(i%400), server, 53, uint16(20000+i%9999)), Facts{Answered: true, Ours: 1, Theirs: 1})
			})
		}},
		{"a time server and its clients, 123 to 123", func(w *world) {
			w.each(3000, 2, func(i uint32) {
				w.send(udp(spoofed(i), server, 123, 123), opening)
				w.send(udp(server, spoofed(i), 123, 123), Facts{Answered: true, Ours: 1, Theirs: 1})
			})
		}},
		{"a QUIC download", func(w *world) {
			w.each(12_000, 2, func(i uint32) {
				w.send(udp(server, client, 443, 40000), Facts{Flow: 1, Answered: true, Ours: uint64(i), Theirs: uint64(i/10 + 1)})
			})
		}},
		{"one video stream that nothing comes back for", func(w *world) {
			w.each(3000, 3, func(i uint32) {
				w.send(udp(server, client, 5004, 5004), Facts{Flow: 1, ToServer: true, Ours: uint64(i + 1)})
			})
		}},
		{"errors that answer a client's own search", func(w *world) {
			w.each(2000, 2, func(i uint32) {
				w.send(udp(client, spoofed(i), 40000, 10000+uint16(i)), opening)
				w.send(icmp(spoofed(i), client, icmpUnreachable), Facts{})
			})
		}},
		{"a browser that opens many sites", func(w *world) {
			w.each(100, 5, func(i uint32) {
				w.send(tcp(client, spoofed(i), 40000, 443, decode.SYN), opening)
				w.now += 2e6
				w.send(tcp(client, spoofed(i), 40000, 443, decode.ACK), Facts{ToServer: true, Answered: true, Completed: true, Ours: 2, Theirs: 1})
			})
		}},
		{"passive FTP", func(w *world) {
			w.each(20, 5, func(i uint32) {
				port := 30000 + uint16(i)
				w.send(tcp(client, server, 40000, port, decode.SYN), opening)
				w.send(tcp(client, server, 40000, port, decode.ACK), Facts{ToServer: true, Answered: true, Completed: true, Ours: 2, Theirs: 1})
			})
		}},
		{"a SYN repeated", func(w *world) {
			w.each(1, 50, func(uint32) { w.send(tcp(client, server, 40000, 80, decode.SYN), opening) })
		}},
		{"a name server's answers to clients it was asked by before the capture began", func(w *world) {
			w.each(100, 3, func(i uint32) { w.send(udp(server, client, 53, 30000+uint16(i)), opening) })
		}},
		{"requests in two pieces", func(w *world) {
			for i := range uint32(300) {
				f := Facts{Flow: uint64(i) + 1, ToServer: true, Answered: true, Ours: 3, Theirs: 1}
				p := tcp(client, server, uint16(i), 80, decode.ACK)
				p.Payload = []byte("GET / HTTP/1.1\r\nHost: example.org\r\n\r")
				w.send(p, f)
				p.Payload = []byte("\n")
				w.send(p, f)
			}
			w.wait(15e9)
		}},
		{"requests given up", func(w *world) {
			for i := range uint32(300) {
				f := Facts{Flow: uint64(i) + 1, ToServer: true, Answered: true, Ours: 3, Theirs: 1}
				p := tcp(client, server, uint16(i), 80, decode.ACK)
				p.Payload = []byte("GET / HTTP/1.1\r\n")
				w.send(p, f)
				w.send(tcp(client, server, uint16(i), 80, decode.RST), f)
			}
			w.wait(15e9)
		}},
		{"long SSH sessions", func(w *world) {
			for i := range uint64(50) {
				w.d.Ended(&Session{Flow: i, Src: client, Dst: server, Port: 22, Service: SSH, Start: w.now - 2e9, End: w.now, Packets: 200})
			}
		}},
		{"a zone whose names exist", func(w *world) {
			w.each(1000, 2, func(i uint32) {
				p := udp(server, client, 53, 40000)
				w.d.Tick(w.now)
				w.d.Lookup(&p, &Lookup{Server: server, Name: []byte{'a' + byte(i%26), '.', 'e', 'x', '.', 'o', 'r', 'g'}, Failed: i%10 == 0})
			})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(DefaultLimits())
			c.pour(w)
			w.d.Close()
			w.events = append(w.events, w.d.Take()...)
			w.want(t, "")
		})
	}
}

func TestOneAttackIsOneStory(t *testing.T) {
	w := newWorld(DefaultLimits())
	flood := func(seconds int64) {
		w.each(4000, seconds, func(i uint32) { w.send(tcp(spoofed(i), server, 1024, 443, decode.SYN), opening) })
	}
	flood(2)
	for range 7 { // pulses of a second, nine seconds apart
		w.wait(9e9)
		flood(1)
	}
	w.want(t, "syn-flood start, syn-flood update")
	w.wait(12e9)
	w.want(t, "syn-flood start, syn-flood update, syn-flood end")
	if e := w.events[2]; e.Packets < 35_000 || e.Peak < 3500 || e.Sources < 1000 {
		t.Errorf("end: %+v", e)
	}
	if took := w.events[0].Time - begin; took > 200e6 {
		t.Errorf("found after %d ms", took/1e6)
	}
}

func TestTenMillionSourcesTakeNoMemory(t *testing.T) {
	n := uint32(10_000_000)
	if testing.Short() {
		n = 1_000_000
	}
	w := newWorld(DefaultLimits())
	step := func(i uint32) {
		w.now += 1000
		w.send(tcp(spoofed(i), server, 1024, uint16(i%7), decode.SYN), opening)
		if i%32 == 0 {
			w.send(udp(spoofed(i), spoofed(^i), 53, uint16(i)), opening)
		}
	}
	for i := range uint32(200_000) {
		step(i)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := range n {
		step(i + 200_000)
	}
	runtime.ReadMemStats(&after)
	if grown := int64(after.Sys) - int64(before.Sys); grown > 24<<20 {
		t.Errorf("memory grew by %d bytes", grown)
	}
	if w.d.Evicted() == 0 {
		t.Error("nothing was forgotten, so nothing was tried")
	}
	if len(w.events) > 100 {
		t.Errorf("%d events", len(w.events))
	}
}

func TestAScannerIsFoundAmongSpoofedSources(t *testing.T) {
	w := newWorld(DefaultLimits())
	w.each(50_000, 5, func(i uint32) {
		w.send(tcp(spoofed(i), server, 1024, 443, decode.SYN), opening)
		if i%5000 == 0 {
			w.send(tcp(client, server, 40000, uint16(i/5000), decode.SYN), opening)
		}
	})
	if got := w.phases(); !strings.Contains(got, "port-scan start") {
		t.Error(got)
	}
}

func TestPacketsDoNotAllocate(t *testing.T) {
	d := NewDetector(DefaultLimits())
	p := tcp(client, server, 1024, 443, decode.SYN)
	p.IPVersion, p.L4 = 4, []byte{0}
	u := udp(client, server, 1024, 4000)
	u.IPVersion, u.L4 = 4, []byte{0}
	f := opening
	now, i := begin, uint32(0)
	step := func() {
		now += 1e7
		i++
		p.Time, p.DstPort, u.Time, u.DstPort = now, uint16(i%20), now, uint16(i%20)
		d.Packet(&p, &f)
		d.Packet(&u, &f)
	}
	for range 5000 {
		step()
	}
	if n := testing.AllocsPerRun(1000, step); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

func BenchmarkDetectorSYNFlood(b *testing.B) {
	d := NewDetector(DefaultLimits())
	p := tcp(client, server, 1024, 443, decode.SYN)
	p.IPVersion, p.L4, p.IPPayload = 4, []byte{0}, payload100
	f := opening
	for i := range uint32(b.N) {
		p.Src = spoofed(i)
		p.Time = begin + int64(i)*1000
		d.Packet(&p, &f)
		d.Take()
	}
}
