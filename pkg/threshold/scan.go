package threshold

import "github.com/weir-ips/weir/pkg/decode"

// What scans are made of.
const (
	probesKept  = 64
	scanWindow  = int64(60e9)
	answerTime  = int64(1e9) // an attempt that has waited so long is in vain
	scanSets    = 512
	scanWays    = 8
	scanForgets = 2 * scanWindow
)

// probe is one attempt to reach a port of a host.
type probe struct {
	time   int64 // Unix ns; 0: none, or it succeeded
	host   uint64
	port   uint16
	proto  uint8
	failed bool // refused, or known to be in vain
}

// scanner is a source and its latest attempts that have not succeeded.
type scanner struct {
	src     decode.Addr
	hash    uint64
	used    bool
	next    uint8
	last    int64
	from    int64  // when tried and reached began
	tried   uint32 // attempts of this minute and a share of those before
	reached uint32
	probes  [probesKept]probe
	scan    [2]*scan // of ports, of hosts; nil while none is on
}

// scan is a scan that is on.
type scan struct {
	*scanner
	vector Vector
	since  int64
	told   int64
	dst    decode.Addr // PortScan
	port   uint16      // HostSweep
	proto  uint8
	value  uint64
	count  uint64
	what   distinct // ports, or hosts
	sample [4]Sample
	taken  int
}

// scanners is a table of fixed size: 4,096 sources, of which the one with the fewest attempts in a set gives way to a new one.
type scanners struct {
	sets    [scanSets]*[scanWays]scanner
	evicted uint64
}

func (s *scanners) find(src *decode.Addr, h uint64) *scanner {
	if set := s.sets[h%scanSets]; set != nil {
		for i := range set {
			if set[i].used && set[i].src == *src {
				return &set[i]
			}
		}
	}
	return nil
}

func (s *scanners) of(src *decode.Addr, h uint64, now int64) *scanner {
	if c := s.find(src, h); c != nil {
		return c
	}
	set := s.sets[h%scanSets]
	if set == nil {
		set = new([scanWays]scanner)
		s.sets[h%scanSets] = set
	}
	var worst *scanner
	for i := range set {
		c := &set[i]
		switch {
		case c.scan[0] != nil || c.scan[1] != nil:
		case !c.used || now-c.last > scanForgets:
			worst = c
		case worst == nil || worst.used && now-worst.last <= scanForgets && c.tried < worst.tried:
			worst = c
		}
	}
	if worst == nil {
		s.evicted++
		return nil
	}
	if worst.used && now-worst.last <= scanForgets {
		s.evicted++
	}
	worst.reset(src, h, now)
	return worst
}

func (c *scanner) reset(src *decode.Addr, h uint64, now int64) {
	if c.tried > 0 { // else nothing was written
		clear(c.probes[:min(int(c.tried), probesKept)])
	}
	c.src, c.hash, c.used, c.next, c.last, c.from, c.tried, c.reached = *src, h, true, 0, now, now, 0, 0
}

// probe notes an attempt to open a conversation.
func (d *Detector) probe(p *decode.Packet, f *Facts) {
	if d.limits.Ports == 0 && d.limits.Hosts == 0 || !f.ToServer || !attempts(p, f) || multicast(&p.Dst) {
		return
	}
	c := d.scanners.of(&p.Src, d.seed.addr(&p.Src), d.now)
	if c == nil {
		return
	}
	c.last = d.now
	port := p.DstPort
	if p.L4 == nil || p.Proto == decode.ProtoICMP || p.Proto == decode.ProtoICMPv6 {
		port = 0
	}
	host := d.seed.addr(&p.Dst)
	if !c.add(host, port, p.Proto, d.now) {
		return
	}
	ports, hosts := c.inVain(host, port, p.Proto, d.now)
	if port != 0 && ports >= uint64(d.limits.Ports) && d.limits.Ports > 0 {
		d.scanOn(c, PortScan, ports, p)
	}
	if d.limits.Hosts > 0 && hosts >= uint64(d.limits.Hosts) && c.reached*2 <= c.tried {
		d.scanOn(c, HostSweep, hosts, p)
	}
}

// attempts reports whether a packet may be an attempt: a conversation's first, or an ICMP request. What comes from a service's
// port to a client's is an answer.
func attempts(p *decode.Packet, f *Facts) bool {
	switch p.Proto {
	case decode.ProtoUDP:
		service := p.SrcPort < 1024 || amplifiers.has(p.SrcPort)
		return f.New && p.L4 != nil && !(service && p.DstPort >= 1024) && !quic(p)
	case decode.ProtoTCP:
		return f.New
	}
	return true
}

// quic reports whether a datagram begins a QUIC conversation: a long header, padded to 1,200 bytes (RFC 9000 §14.1). Where a firewall
// swallows them browsers try each host in vain before they turn to TCP, which is no sweep.
func quic(p *decode.Packet) bool { return len(p.Payload) >= 1200 && p.Payload[0]&0x80 != 0 }

// add notes the attempt; false if it repeats one that is known.
func (c *scanner) add(host uint64, port uint16, proto uint8, now int64) bool {
	for i := range c.probes {
		if q := &c.probes[i]; q.host == host && q.port == port && q.proto == proto && q.time != 0 {
			return false
		}
	}
	if now-c.from > scanWindow {
		c.tried, c.reached, c.from = max(c.tried/2, 1), c.reached/2, now
	}
	c.tried++
	c.probes[c.next%probesKept] = probe{time: now, host: host, port: port, proto: proto}
	c.next++
	return true
}

// inVain counts the ports of the host, and the hosts with the port, among the attempts of the last minute that have failed. When
// twice as many wait at the same time, they count too: nobody but a scanner begins so much at once. So do those at other hosts
// when nothing but attempts in vain is left and this host got its share of them: several hosts are scanned in turn.
func (c *scanner) inVain(host uint64, port uint16, proto uint8, now int64) (ports, hosts uint64) {
	var waitPorts, waitHosts, all uint64
	for i := range c.probes {
		q := &c.probes[i]
		if q.time == 0 || q.proto != proto || now-q.time > scanWindow {
			continue
		}
		all++
		failed := q.failed || now-q.time >= answerTime
		if q.host == host {
			waitPorts++
			if failed {
				ports++
			}
		}
		if q.port == port {
			waitHosts++
			if failed {
				hosts++
			}
		}
	}
	if all == probesKept && waitPorts >= probesKept/8 && waitHosts < waitPorts {
		waitPorts = all
	}
	return max(ports, waitPorts/2), max(hosts, waitHosts/2)
}

// succeeded forgets an attempt that was answered as it should.
func (d *Detector) succeeded(src, dst *decode.Addr, port uint16, proto uint8) {
	if q, c := d.attempt(src, dst, port, proto); q != nil {
		*q = probe{}
		c.reached++
	}
}

// refused notes that a host has refused an attempt.
func (d *Detector) refused(p *decode.Packet, f *Facts) {
	if f.ToServer {
		return
	}
	if q, _ := d.attempt(&p.Dst, &p.Src, p.SrcPort, p.Proto); q != nil {
		q.failed = true
	}
}

func (d *Detector) attempt(src, dst *decode.Addr, port uint16, proto uint8) (*probe, *scanner) {
	c := d.scanners.find(src, d.seed.addr(src))
	if c == nil {
		return nil, nil
	}
	host := d.seed.addr(dst)
	for i := range c.probes {
		if q := &c.probes[i]; q.host == host && q.port == port && q.proto == proto && q.time != 0 {
			return q, c
		}
	}
	return nil, c
}

// searching reports whether an address has lately tried much in vain: errors that it gets are answers.
func (d *Detector) searching(src *decode.Addr) bool {
	c := d.scanners.find(src, d.seed.addr(src))
	return c != nil && d.now-c.last < scanWindow && c.tried-min(c.reached, c.tried) >= 8
}

func (d *Detector) scanOn(c *scanner, v Vector, value uint64, p *decode.Packet) {
	s := c.scan[v-PortScan]
	if s == nil {
		if !d.room() {
			return
		}
		s = &scan{scanner: c, vector: v, since: c.earliest(d.now), told: d.now, proto: p.Proto, count: value}
		if v == PortScan {
			s.dst = p.Dst
		} else {
			s.port = p.DstPort
		}
		c.scan[v-PortScan] = s
		d.scans = append(d.scans, s)
		s.note(d, value, p)
		e := s.event(Start, &d.limits)
		e.Number = p.Number
		d.emit(e)
		return
	}
	s.count++
	s.note(d, value, p)
}

func (s *scan) note(d *Detector, value uint64, p *decode.Packet) {
	if s.vector == PortScan {
		s.what.add(d.seed.with(uint64(d.seed), uint64(p.DstPort)))
		if p.Dst != s.dst {
			s.dst = decode.Addr{} // several hosts
		}
	} else {
		s.what.add(d.seed.addr(&p.Dst))
	}
	s.value = max(s.value, value, s.what.estimate())
	if s.taken < len(s.sample) {
		s.sample[s.taken] = sampleOf(p)
		s.taken++
	}
}

// earliest is when the oldest attempt of the last minute was made.
func (c *scanner) earliest(now int64) int64 {
	first := now
	for i := range c.probes {
		if q := &c.probes[i]; q.time != 0 && now-q.time <= scanWindow {
			first = min(first, q.time)
		}
	}
	return first
}

func (s *scan) event(phase Phase, l *Limits) Detection {
	e := Detection{Vector: s.vector, Phase: phase, Since: s.since, Src: s.src, Dst: s.dst, Port: s.port, Proto: s.proto, Value: s.value,
		Threshold: uint64(l.Ports), Window: scanWindow, Peak: s.value, Packets: s.count, Sources: 1,
		Samples: append([]Sample(nil), s.sample[:s.taken]...)}
	if s.vector == HostSweep {
		e.Threshold = uint64(l.Hosts)
	}
	return e
}

// scanTick ends scans that have been quiet for a minute.
func (d *Detector) scanTick() {
	kept := d.scans[:0]
	for _, s := range d.scans {
		if d.now-s.last >= scanWindow {
			d.scanEnds(s)
			continue
		}
		if d.now-s.told >= updateEvery {
			s.told = d.now
			d.emit(s.event(Update, &d.limits))
		}
		kept = append(kept, s)
	}
	clear(d.scans[len(kept):])
	d.scans = kept
}

func (d *Detector) scanEnds(s *scan) {
	s.scanner.scan[s.vector-PortScan] = nil
	d.emit(s.event(End, &d.limits))
}
