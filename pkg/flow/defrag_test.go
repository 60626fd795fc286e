package flow_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/decode/packettest"
	"github.com/weir-ips/weir/pkg/flow"
)

// fragments cuts a packet's transport segment at the given offsets.
func fragments(whole *packettest.Builder, src, dst string, id uint32, cuts ...int) [][]byte {
	seg := whole.Segment()
	var out [][]byte
	for i, from := range cuts {
		to := len(seg)
		if i+1 < len(cuts) {
			to = cuts[i+1]
		}
		b := packettest.IP(src, dst).Proto(decode.ProtoUDP).ID(id).Fragment(from, to < len(seg)).Bytes(seg[from:to]).VLAN(7)
		out = append(out, b.Ethernet())
	}
	return out
}

func TestDefragmentation(t *testing.T) {
	payload := strings.Repeat("0123456789abcdef", 20)
	for _, ip := range [][2]string{{client, server}, {"fd00::1", "fd00::2"}} {
		whole := packettest.IP(ip[0], ip[1]).UDP(1111, 2222).Payload(payload)
		for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 0, 2}, {1, 1, 2, 0}} {
			b := newBench(t, nil)
			frags := fragments(whole, ip[0], ip[1], 99, 0, 104, 208)
			var got *decode.Packet
			for i, n := range order {
				pk := b.tr.Unpack(packettest.Frame(frags[n], b.now))
				if len(pk) == 2 {
					got = pk[0]
					if i != len(order)-1 {
						t.Fatalf("%v: complete after %d fragments", order, i+1)
					}
				}
			}
			if got == nil {
				t.Fatalf("%s %v: the datagram was not put together", ip[0], order)
			}
			if string(got.Payload) != payload || got.DstPort != 2222 || got.BadL4Checksum || got.BadIPChecksum || got.VLAN[0] != 7 ||
				got.Source != decode.SourceDefrag || !got.Rebuilt {
				t.Errorf("%s %v: %+v", ip[0], order, got)
			}
			want := whole.Clone().VLAN(7).ID(99).Ethernet()
			if ip[0] != client {
				want = whole.Clone().VLAN(7).Ethernet()
			}
			if !bytes.Equal(got.Data, want) {
				t.Errorf("%s: frame\n%x, want\n%x", ip[0], got.Data, want)
			}
		}
	}
}

// TestFragmentOverlap sends a datagram whose second fragment exists twice, with different bytes.
func TestFragmentOverlap(t *testing.T) {
	whole := packettest.IP4(client, server).UDP(1, 2).Payload(strings.Repeat("a", 40))
	whole.Segment()
	head := fragments(whole, client, server, 5, 0, 24)
	other := packettest.IP4(client, server).Proto(decode.ProtoUDP).ID(5).Fragment(24, false).Payload(strings.Repeat("b", 24)).VLAN(7).Ethernet()
	for style, want := range map[flow.OverlapStyle]string{flow.BSD: "a", flow.Linux: "b", flow.Windows: "a", flow.LastWins: "b", flow.BSDRight: "b"} {
		b := newBench(t, func(c *flow.Config) { c.OS = []flow.OSPolicy{{Prefix: prefix(t, "10.0.0.0/8"), Style: style}} })
		b.frame(head[1])
		pk := b.tr.Unpack(packettest.Frame(other, b.now))
		if !pk[0].Events.Has(decode.IPv4FragmentOverlap) {
			t.Errorf("style %d: the overlap is no event", style)
		}
		pk = b.tr.Unpack(packettest.Frame(head[0], b.now))
		if len(pk) != 2 || string(pk[0].Payload[39:]) != want {
			t.Errorf("style %d: ends with %q, want %q", style, pk[0].Payload, want)
		}
	}
}

func TestFragmentLimits(t *testing.T) {
	frag := func(id uint32, off int) []byte {
		return packettest.IP4(client, server).Proto(17).ID(id).Fragment(off, true).Payload("12345678").Ethernet()
	}
	b := newBench(t, func(c *flow.Config) { c.Defrag.MaxDatagrams = 10 })
	for i := range uint32(30) {
		b.frame(frag(i, 8))
	}
	if s := b.tr.Stats().Defrag; s.MaxTrackersReached != 20 || s.IPv4Fragments != 30 {
		t.Errorf("datagrams: %+v", s)
	}
	b.wait(61 * time.Second)
	if s := b.tr.Stats().Defrag; s.Timeouts != 10 {
		t.Errorf("%d timed out, want 10", s.Timeouts)
	}

	b = newBench(t, func(c *flow.Config) { c.Defrag.Memcap = 1000; inline(c) })
	b.frame(frag(1, 8))
	pk := b.tr.Unpack(packettest.Frame(frag(2, 8), b.now))
	if r := b.tr.Track(pk[0]); !r.Drop || r.DropReason != "defrag memcap" || b.tr.Stats().Defrag.Memcap != 1 {
		t.Errorf("beyond the memcap: %+v", r)
	}

	b = newBench(t, nil)
	pk = b.tr.Unpack(packettest.Frame(packettest.IP4(client, server).Proto(17).Fragment(65528, false).Payload("123456789").Ethernet(), b.now))
	if !pk[0].Events.Has(decode.IPv4FragmentPacketTooLarge) {
		t.Error("a fragment beyond 65,535 bytes is no event")
	}
}

func TestFragmentsInTunnel(t *testing.T) {
	b := newBench(t, nil)
	whole := packettest.IP4(client, server).UDP(1111, 2222).Payload(strings.Repeat("z", 100))
	seg := whole.Segment()
	var last []*decode.Packet
	for _, cut := range [][2]int{{0, 48}, {48, len(seg)}} {
		inner := packettest.IP4(client, server).Proto(17).ID(3).Fragment(cut[0], cut[1] < len(seg)).Bytes(seg[cut[0]:cut[1]])
		last = b.tr.Unpack(packettest.Frame(packettest.GENEVE("1.1.1.1", "2.2.2.2", packettest.AWS(42, 0, 7), inner.Raw()), b.now))
	}
	if len(last) != 3 || last[0].DstPort != 2222 || last[0].Tenant != 42 || last[0].Depth != 1 {
		t.Fatalf("%d packets: %+v", len(last), last[0])
	}
}

// FuzzDefrag sends fragments of one datagram in any order, overlap and truncation, and looks for panics, and for datagrams
// that hold other bytes than were sent when fragments did not contradict each other.
func FuzzDefrag(f *testing.F) {
	f.Add(true, []byte{0, 4, 1, 4, 4, 0})
	f.Add(false, []byte{4, 4, 0, 0, 4, 1, 0, 8, 1})
	f.Add(true, []byte{2, 2, 1, 0, 2, 1, 4, 2, 0, 1, 3, 1})
	f.Fuzz(func(t *testing.T, v4 bool, ops []byte) {
		cfg := flow.NewConfig()
		tr := flow.NewTracker(cfg, decode.Default(), &reader{t: t})
		src, dst := "fd00::1", "fd00::2"
		if v4 {
			src, dst = client, server
		}
		content := make([]byte, 8*512)
		for i := range content {
			content[i] = byte(i * 7)
		}
		for ; len(ops) >= 3; ops = ops[3:] {
			from := int(ops[0]) * 8
			to := min(from+int(ops[1])*8, len(content))
			fr := packettest.IP(src, dst).Proto(250).ID(9).Fragment(from, ops[2]&1 == 1).Bytes(content[from:to]).Ethernet()
			if ops[2]&2 != 0 && len(fr) > 20 {
				fr = fr[:len(fr)-int(ops[2]>>4)]
			}
			pk := tr.Unpack(packettest.Frame(fr, 1e18))
			if len(pk) == 2 && !bytes.Equal(pk[0].IPPayload, content[:len(pk[0].IPPayload)]) {
				t.Fatalf("datagram of %d bytes differs from what was sent", len(pk[0].IPPayload))
			}
		}
		tr.Close(1e18)
	})
}
