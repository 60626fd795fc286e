package threshold

import (
	"bytes"

	"github.com/weir-ips/weir/pkg/decode"
)

// requestBegins counts an HTTP request of a client that has been answered, by client and the host it asks for.
func (d *Detector) requestBegins(p *decode.Packet, f *Facts) {
	if d.limits.HTTP == 0 || !f.Answered && f.Ours < 3 {
		return
	}
	host := hostOf(p.Payload)
	k := place{addr: p.Src, name: d.seed.with(d.seed.addr(&p.Dst), d.seed.bytes(host)), port: p.DstPort, vector: HTTPFlood}
	d.named(&k, p, p.Dst, host)
}

// named counts at a place with a label and another address, both kept once much has been counted.
func (d *Detector) named(k *place, p *decode.Packet, server decode.Addr, label []byte) {
	t := d.tallies.of(k, d.hash(k), d.now/slot)
	if t != nil && t.to == (decode.Addr{}) && t.sum(&t.count, slots) >= d.limits.rate(k.vector)/4 {
		t.label, t.to = string(label), server
	}
	d.count(k, p, d.seed.addr(&server))
}

const maxHost = 128 // bytes of a name that are told

// hostOf finds the Host field of a request's first packet; nil without one.
func hostOf(b []byte) []byte {
	b = b[:min(len(b), 2048)]
	for len(b) > 0 {
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			end = len(b) - 1
		}
		line := b[:end]
		b = b[end+1:]
		if len(line) > 5 && line[4] == ':' && bytes.EqualFold(line[:4], []byte("host")) {
			line = bytes.TrimSpace(line[5:])
			return line[:min(len(line), maxHost)]
		}
	}
	return nil
}

// Reset is a stream of HTTP/2 that its client has given up (CVE-2023-44487).
type Reset struct {
	Flow           uint64
	Client, Server decode.Addr
	Port           uint16
}

// Reset counts one. p is the packet at hand; lent.
func (d *Detector) Reset(p *decode.Packet, r *Reset) {
	if d.limits.Resets == 0 {
		return
	}
	d.pass(p.Time)
	d.named(&place{addr: r.Client, name: r.Flow, port: r.Port, vector: RapidReset}, p, r.Server, nil)
}

// stray counts a TCP segment that begins no conversation and belongs to none. What was under way when the detector began is that, too.
func (d *Detector) stray(p *decode.Packet, f *Facts) {
	if d.limits.Stray == 0 || f.Flow != 0 && !f.New || d.now-d.began < strayAfter {
		return
	}
	d.count(&place{addr: p.Dst, vector: ACKFlood}, p, d.seed.addr(&p.Src))
}

// strayAfter is how long after the first packet conversations may be met for the first time, in the middle.
const strayAfter = int64(10e9)
