// Package flowlog writes conversations as AWS VPC Flow Logs records, so that queries and tools made for those read what a
// sensor has seen, including what Flow Logs leave out.
//
// A conversation is two records, one a direction, when both directions had packets. The fields are those of version 2 in their
// order, then tcp-flags, type, pkt-srcaddr, pkt-dstaddr, flow-direction (AWS, VPC User Guide, "Flow log records"), then our own:
// weir-tenant, weir-app, weir-unlogged.
package flowlog

import (
	"encoding/binary"
	"net/netip"
	"strconv"

	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/flow"
)

// Header names the fields; it is the first line of each file, as in files that AWS delivers.
const Header = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status " +
	"tcp-flags type pkt-srcaddr pkt-dstaddr flow-direction weir-tenant weir-app weir-unlogged\n"

// version is the highest of the fields' versions: flow-direction came with 5.
const version = "5"

// Identity is what a sensor knows about itself; empty fields are written as "-".
type Identity struct {
	Account   string // 12 digits
	Interface string // eni-…
	Local     func(netip.Addr) bool
}

// Append appends the records of f to b: up to two lines. It does not allocate when b has room.
func (id *Identity) Append(b []byte, f *flow.Flow) []byte {
	for dir := range f.Packets {
		if f.Packets[dir] > 0 {
			b = id.record(b, f, dir)
		}
	}
	return b
}

// record writes the direction dir, 0 from the initiator.
func (id *Identity) record(b []byte, f *flow.Flow, dir int) []byte {
	src, dst, sport, dport := f.Src, f.Dst, f.SrcPort, f.DstPort
	if dir == 1 {
		src, dst, sport, dport = dst, src, dport, sport
	}
	from, to := src.IP(), dst.IP()
	b = append(append(b, version...), ' ')
	b = text(text(b, id.Account), id.Interface)
	b = address(address(b, from), to)
	for _, n := range [...]uint64{uint64(sport), uint64(dport), uint64(f.Proto), f.Packets[dir], payload(f, dir)} {
		b = number(b, n)
	}
	b = number(number(b, seconds(f.Start)), seconds(f.Last))
	b = text(text(b, action(f)), "OK")
	b = number(b, uint64(tcpFlags(f, dir)))
	b = text(b, family(f))
	b = address(address(b, from), to)
	b = text(b, id.direction(from, to))
	b = text(b, tenant(f.Tenant))
	b = text(b, f.App.String())
	b = text(b, unlogged(f))
	b[len(b)-1] = '\n'
	return b
}

func text(b []byte, s string) []byte {
	if s == "" {
		s = "-"
	}
	return append(append(b, s...), ' ')
}

func number(b []byte, n uint64) []byte { return append(strconv.AppendUint(b, n, 10), ' ') }

func address(b []byte, a netip.Addr) []byte { return append(a.AppendTo(b), ' ') }

// seconds are Unix seconds of Unix nanoseconds.
func seconds(ns int64) uint64 { return uint64(max(ns, 0)) / 1e9 }

// payload are the bytes as AWS counts them: without the Ethernet header.
func payload(f *flow.Flow, dir int) uint64 {
	if f.Link != decode.LinkEthernet {
		return f.Bytes[dir]
	}
	const header = 14
	return f.Bytes[dir] - min(f.Bytes[dir], header*f.Packets[dir])
}

func action(f *flow.Flow) string {
	if f.Verdict == flow.FlowDrop {
		return "REJECT"
	}
	return "ACCEPT"
}

func family(f *flow.Flow) string {
	if f.IPVersion == 6 {
		return "IPv6"
	}
	return "IPv4"
}

// tcpFlags are FIN, SYN and RST of this direction, with ACK only beside SYN, as AWS has them.
func tcpFlags(f *flow.Flow, dir int) uint8 {
	if f.TCP == nil {
		return 0
	}
	flags := f.TCP.Flags[dir]
	kept := flags & (decode.FIN | decode.SYN | decode.RST)
	if dir == 1 && flags&decode.SYN != 0 {
		kept |= flags & decode.ACK
	}
	return kept
}

// direction is as seen from the sensor's own addresses.
func (id *Identity) direction(from, to netip.Addr) string {
	switch {
	case id.Local == nil:
		return ""
	case id.Local(from):
		return "egress"
	case id.Local(to):
		return "ingress"
	}
	return ""
}

// tenant names a load balancer's endpoint as AWS does; smaller numbers are a mirror session's VNI.
func tenant(t uint64) string {
	switch {
	case t == 0:
		return ""
	case t < 1<<24:
		return strconv.FormatUint(t, 10)
	}
	var id [8]byte
	binary.BigEndian.PutUint64(id[:], t)
	const digits = "0123456789abcdef"
	out := []byte("vpce-0")
	for _, c := range id {
		out = append(out, digits[c>>4], digits[c&15])
	}
	return string(out)
}
