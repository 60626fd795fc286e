package threshold

import "github.com/weir-ips/weir/pkg/decode"

// count counts a packet at a place and, if it is one too many, starts the attack.
func (d *Detector) count(k *place, p *decode.Packet, peer uint64) *tally {
	t := d.tallies.of(k, d.hash(k), d.now/slot)
	if t == nil {
		return nil
	}
	n := size(p)
	i := t.head % slots
	if t.first == 0 {
		t.first = d.now
	}
	t.count[i]++
	t.bytes[i] += uint32(n)
	t.peer(peer)
	t.sample(p)
	if t.on {
		t.packets++
		t.octets += uint64(n)
		t.last = d.now
		return t
	}
	if t.doubted > 0 {
		t.doubted--
		return t
	}
	if floor := d.limits.rate(k.vector); t.sum(&t.count, slots) >= floor || t.sum(&t.count, fastSlots)*uint64(fastScale) >= fastFactor*floor ||
		k.vector == Amplification && t.sum(&t.bytes, slots) >= amplifiedBytes {
		d.judge(t, p)
	}
	return t
}

// hash is where a place is found.
func (d *Detector) hash(k *place) uint64 {
	return d.seed.with(d.seed.addr(&k.addr)^k.name, uint64(k.port)<<8|uint64(k.vector))
}

// speaks counts what speaks against an attack at a place.
func (d *Detector) speaks(k *place) {
	t := d.tallies.of(k, d.hash(k), d.now/slot)
	if t != nil {
		t.against[t.head%slots]++
	}
}

// judge starts the attack if the statistic and what else it takes are over the threshold.
func (d *Detector) judge(t *tally, p *decode.Packet) {
	floor := d.limits.rate(t.vector)
	value, window, unit := d.statistic(t, floor)
	if value == 0 || !d.plausible(t) || !d.room() {
		t.doubted = 16
		return
	}
	t.attack = attack{since: max(t.first, d.now-slots*slot), last: d.now, told: d.now, peak: value, packets: t.sum(&t.count, slots), octets: t.sum(&t.bytes, slots),
		proto: p.Proto, src: t.src, many: t.many, label: t.label, to: t.to}
	t.merge()
	d.floods = append(d.floods, t)
	e := d.event(t, Start, value, floor, window)
	e.Number = p.Number
	if unit != "" {
		e.Unit, e.Threshold = unit, amplifiedBytes*8
	}
	d.emit(e)
}

// merge makes the peers of this second those of the attack.
func (t *tally) merge() {
	for i := range t.peers[0] {
		t.peers[0][i] = max(t.peers[0][i], t.peers[1][i])
	}
	t.on = true
}

// statistic returns the value that is over the threshold, and the window it was measured over; 0 if none is.
func (d *Detector) statistic(t *tally, floor uint64) (value uint64, window int64, unit string) {
	net := t.net
	if t.vector == Amplification { // questions are compared as a ratio
		net = func(n int64) uint64 { return t.sum(&t.count, n) }
	}
	if fast := net(fastSlots) * uint64(fastScale); fast >= fastFactor*floor {
		return fast, fastSlots * slot, ""
	}
	if rate := net(slots); rate >= floor {
		return rate, slots * slot, ""
	}
	if octets := t.sum(&t.bytes, slots); t.vector == Amplification && octets >= amplifiedBytes {
		return octets * 8, slots * slot, "bit/s"
	}
	return 0, 0, ""
}

// plausible asks for what a vector takes besides its rate.
func (d *Detector) plausible(t *tally) bool {
	count, against := t.sum(&t.count, slots), t.sum(&t.against, slots)
	switch t.vector {
	case SYNFlood:
		return 2*against <= count
	case Reflection:
		return t.peersAtLeast(reflectors)
	case Amplification:
		return count >= answerRatio*against && t.peersAtLeast(amplifierCount)
	case Carpet:
		return t.peersAtLeast(carpetHosts) && !d.within(t)
	case HTTPFlood, TLSFlood:
		return t.lasts(d.now)
	case TLSGroup:
		return t.peersAtLeast(groupClients) && d.idle(t)
	case ACKFlood:
		return t.peersAtLeast(reflectors)
	case WaterTorture:
		return t.peersAtLeast(namesSeen)
	case UDPSource:
		return true
	}
	return true
}

// lasts reports whether the rate has been over the threshold long enough: a page with all it needs, or a test, is no attack.
func (t *tally) lasts(now int64) bool {
	if now-t.overLast > slots*slot {
		t.overFrom = now
	}
	t.overLast = now
	return now-t.overFrom >= requestsLast
}

// requestsLast is for how long requests must come too fast.
const requestsLast = int64(10e9)

// within reports whether one address of the network is attacked: that is then no attack on the network.
func (d *Detector) within(t *tally) bool {
	for _, f := range d.floods {
		if f.vector != Carpet && Network(f.addr) == t.addr {
			return true
		}
	}
	return false
}

// floodTick ends attacks whose rate has stayed below half the threshold, and tells of those that go on.
func (d *Detector) floodTick() {
	kept := d.floods[:0]
	for _, t := range d.floods {
		t.advance(d.now / slot)
		floor := d.limits.rate(t.vector)
		rate := t.net(slots)
		t.peak = max(t.peak, rate, t.net(fastSlots)*uint64(fastScale))
		switch {
		case rate >= floor/2 || t.vector == Amplification && t.sum(&t.bytes, slots) >= amplifiedBytes/2:
			t.lowFrom = 0
		case t.lowFrom == 0:
			t.lowFrom = d.now
		case d.now-t.lowFrom >= holdDown:
			d.floodEnds(t)
			continue
		}
		if d.now-t.told >= updateEvery {
			t.told = d.now
			d.emit(d.event(t, Update, rate, floor, slots*slot))
		}
		kept = append(kept, t)
	}
	clear(d.floods[len(kept):])
	d.floods = kept
}

func (d *Detector) floodEnds(t *tally) {
	d.emit(d.event(t, End, t.net(slots), d.limits.rate(t.vector), slots*slot))
	t.on = false
	t.used = false
}

func (d *Detector) event(t *tally, phase Phase, value, floor uint64, window int64) Detection {
	e := Detection{Vector: t.vector, Phase: phase, Since: t.since, Dst: t.addr, Port: t.port, Proto: t.proto, Name: t.label, Value: value,
		Threshold: floor, Window: window, Peak: t.peak, Packets: t.packets, Bytes: t.octets, Sources: t.distinctPeers(),
		Samples: append([]Sample(nil), t.samples[:t.taken]...)}
	switch {
	case t.vector == UDPSource:
		e.Src, e.Dst = t.addr, decode.Addr{}
	case t.vector.ofSource():
		e.Src, e.Dst, e.Sources = t.addr, t.to, 1
	case !t.many:
		e.Src = t.src
	}
	return e
}

// attacked reports whether an attack on an address is on.
func (d *Detector) attacked(dst *decode.Addr) bool {
	for _, t := range d.floods {
		if t.addr == *dst && t.vector != UDPSource && t.vector != WaterTorture && t.vector != ICMPFlood && !t.vector.ofSource() {
			return true
		}
	}
	return false
}

func (d *Detector) synSeen(p *decode.Packet) {
	src := d.seed.addr(&p.Src)
	if d.limits.SYN > 0 {
		d.count(&place{addr: p.Dst, port: p.DstPort, vector: SYNFlood}, p, src)
	}
	d.carpet(p)
}

// handshake takes a SYN back: it was a client's.
func (d *Detector) handshake(p *decode.Packet) {
	if d.limits.SYN > 0 {
		d.speaks(&place{addr: p.Dst, port: p.DstPort, vector: SYNFlood})
	}
	if d.limits.Carpet > 0 {
		d.speaks(&place{addr: Network(p.Dst), vector: Carpet})
	}
}

func (d *Detector) unsolicited(p *decode.Packet, f *Facts) {
	began := p.Flags&decode.RST != 0 && f.Ours > 1 // who takes back what he said before answers nobody
	if d.limits.Reflection == 0 || f.Theirs > 0 || began {
		return
	}
	d.count(&place{addr: p.Dst, vector: Reflection}, p, d.seed.addr(&p.Src))
}

// amplification counts answers and questions of services that amplify; it reports whether the datagram is one of many
// sources' answers, which are no flood besides.
func (d *Detector) amplification(p *decode.Packet) (many bool) {
	if d.limits.Amplification == 0 {
		return false
	}
	if amplifiers.has(p.DstPort) {
		d.speaks(&place{addr: p.Src, port: p.DstPort, vector: Amplification})
	}
	if !amplifiers.has(p.SrcPort) {
		return false
	}
	t := d.count(&place{addr: p.Dst, port: p.SrcPort, vector: Amplification}, p, d.seed.addr(&p.Src))
	return t != nil && (t.on || t.many && t.peersAtLeast(amplifierCount))
}

func (d *Detector) datagram(p *decode.Packet) {
	if d.limits.UDP == 0 || multicast(&p.Dst) {
		return
	}
	t := d.count(&place{addr: p.Dst, vector: UDPFlood}, p, d.seed.addr(&p.Src))
	if t == nil || !t.on {
		d.count(&place{addr: p.Src, vector: UDPSource}, p, d.seed.addr(&p.Dst))
	}
	d.carpet(p)
}

func (d *Detector) echo(p *decode.Packet) {
	if d.limits.ICMP == 0 || multicast(&p.Dst) {
		return
	}
	d.count(&place{addr: p.Dst, vector: ICMPFlood}, p, d.seed.addr(&p.Src))
	d.carpet(p)
}

func (d *Detector) fragment(p *decode.Packet) {
	if d.limits.Fragments > 0 && !multicast(&p.Dst) {
		d.count(&place{addr: p.Dst, vector: FragmentFlood}, p, d.seed.addr(&p.Src))
	}
}

func (d *Detector) carpet(p *decode.Packet) {
	if d.limits.Carpet > 0 {
		d.count(&place{addr: Network(p.Dst), vector: Carpet}, p, d.seed.addr(&p.Dst))
	}
}

// Network returns the first address of an address's /24 or, IPv6, /64.
func Network(a decode.Addr) decode.Addr {
	if a.Is4() {
		a[15] = 0
	} else {
		clear(a[8:])
	}
	return a
}

// multicast reports whether an address is multicast or the IPv4 broadcast address.
func multicast(a *decode.Addr) bool {
	if a.Is4() {
		return a[12]>>4 == 0xe || a[12] == 0xff
	}
	return a[0] == 0xff
}
