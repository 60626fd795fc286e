package path

import (
	"sync"

	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/event"
	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/dns"
	"github.com/weir-ips/weir/pkg/flow/http2"
	"github.com/weir-ips/weir/pkg/signatures"
	"github.com/weir-ips/weir/pkg/signatures/keyword"
	"github.com/weir-ips/weir/pkg/threshold"
)

// Detector finds floods, scans and the like in the traffic of all the Paths that are given it: an attack that is spread over many
// conversations is spread over the workers, too.
type Detector struct {
	mu       sync.Mutex
	detector *threshold.Detector
}

// NewDetector returns a detector with nothing seen.
func NewDetector(l threshold.Limits) *Detector { return &Detector{detector: threshold.NewDetector(l)} }

// detection is the Path's detector of floods, scans and the like, with what its records are made of.
type detection struct {
	detector *threshold.Detector // nil: off
	shared   *Detector           // whose it is, if others use it, too
	facts    threshold.Facts
	session  threshold.Session
	lookup   threshold.Lookup
	reset    threshold.Reset
	name     []byte
}

func newDetection(c *Config) detection {
	switch {
	case c.Detector != nil:
		return detection{detector: c.Detector.detector, shared: c.Detector}
	case c.Detect != nil:
		return detection{detector: threshold.NewDetector(*c.Detect)}
	}
	return detection{}
}

// lock begins the use of the detector, and unlock ends it.
func (d *detection) lock() {
	if d.shared != nil {
		d.shared.mu.Lock()
	}
}

func (d *detection) unlock() {
	if d.shared != nil {
		d.shared.mu.Unlock()
	}
}

// detect shows a packet and what is known of its flow to the detector, and records what that finds.
func (p *Path) detect(pk *decode.Packet, r *flow.Result) {
	d := &p.detection
	if d.detector == nil || pk.Tunnel != decode.NoTunnel {
		return
	}
	d.facts = threshold.Facts{ToServer: true}
	if r.Flow != nil {
		factsOf(&d.facts, r.Flow, pk, r)
	}
	if d.facts.Completed && p.cfg.Hooks.Handshake != nil {
		p.cfg.Hooks.Handshake(pk.Src, pk.Dst)
	}
	if p.cfg.Hooks.Asked != nil && pk.Proto == decode.ProtoUDP && !d.facts.ToServer && d.facts.Ours == 1 && threshold.Amplifier(pk.SrcPort) {
		p.cfg.Hooks.Asked(pk.Src)
	}
	d.lock()
	defer d.unlock()
	if f := r.Flow; f != nil && f.App == app.DNS && r.Fed[r.Dir] {
		p.lookups(pk, f)
	}
	d.detector.Packet(pk, &d.facts)
	p.detections()
}

func factsOf(to *threshold.Facts, f *flow.Flow, pk *decode.Packet, r *flow.Result) {
	ours, theirs := f.Packets[r.Dir], f.Packets[r.Dir.Opposite()]
	*to = threshold.Facts{
		Flow: f.ID, New: r.New, ToServer: r.Dir == app.ToServer, Answered: theirs > 0, Ours: ours, Theirs: theirs,
		Completed: pk.Proto == decode.ProtoTCP && r.Dir == app.ToServer && ours == 2 && pk.Flags&decode.SYN == 0 && handshaken(f),
		Service:   service(f),
	}
}

// handshaken reports whether the flow's handshake has been seen to its end.
func handshaken(f *flow.Flow) bool {
	return f.TCP != nil && !f.TCP.Midstream && (f.State == flow.Established || f.State == flow.Closed) && f.TCP.State >= flow.TCPEstablished
}

// service is what a client logs in to, by the protocol that was recognised, else by port.
func service(f *flow.Flow) threshold.Service {
	if f.Proto != decode.ProtoTCP {
		return threshold.NoService
	}
	switch f.App {
	case app.SSH:
		return threshold.SSH
	case app.FTP:
		return threshold.FTP
	case app.SMTP:
		return threshold.SMTP
	case app.Unknown, app.Failed:
		return threshold.ServiceAt(f.DstPort)
	}
	return threshold.NoService
}

// lookups shows the answers in a DNS packet to the detector.
func (p *Path) lookups(pk *decode.Packet, f *flow.Flow) {
	d := &p.detection
	for _, tx := range f.Parser.Txs() {
		t, ok := tx.(*dns.Tx)
		if !ok || t.Response == nil || t.Logged || len(t.Response.Queries) == 0 {
			continue
		}
		const servfail, nxdomain = 2, 3
		code := t.Response.Rcode()
		d.name = append(d.name[:0], t.Response.Queries[0].Name.Bytes...)
		d.lookup = threshold.Lookup{Server: pk.Src, Name: d.name, Failed: code == servfail || code == nxdomain}
		d.detector.Lookup(pk, &d.lookup)
	}
}

// streamReset shows a stream that its client has given up to the detector.
func (p *Path) streamReset(tx app.Tx) {
	d := &p.detection
	t, ok := tx.(*http2.Tx)
	if !ok || d.detector == nil || t.StreamID == 0 || !t.Request.HasError || p.subject.Packet == nil || p.subject.Flow == nil {
		return
	}
	d.lock()
	defer d.unlock()
	f := p.subject.Flow
	d.reset = threshold.Reset{Flow: f.ID, Client: f.Src, Server: f.Dst, Port: f.DstPort}
	d.detector.Reset(p.subject.Packet, &d.reset)
}

// sessionEnds tells the detector that a flow is over.
func (p *Path) sessionEnds(f *flow.Flow) {
	d := &p.detection
	if d.detector == nil || f.Proto != decode.ProtoTCP {
		return
	}
	s := service(f)
	if f.TCP == nil || f.TCP.Midstream || f.Packets[app.ToServer] < 3 || f.Packets[app.ToClient] < 2 && !f.TCP.Async {
		s = threshold.NoService
	}
	d.session = threshold.Session{Flow: f.ID, Src: f.Src, Dst: f.Dst, Port: f.DstPort, Service: s, Start: f.Start, End: f.Last, Packets: f.Packets[app.ToServer]}
	d.lock()
	defer d.unlock()
	d.detector.Ended(&d.session)
}

// detections records what the detector has found since the last call. The detector is locked.
func (p *Path) detections() {
	list := p.detection.detector.Take()
	for i := range list {
		p.stats.Alerts++
		if p.cfg.Hooks.Detected != nil {
			p.cfg.Hooks.Detected(&list[i])
			continue
		}
		RecordDetection(&p.log, &list[i])
	}
}

// tickDetection lets time pass.
func (p *Path) tickDetection() {
	if d := &p.detection; d.detector != nil {
		d.lock()
		defer d.unlock()
		d.detector.Tick(p.now)
		p.detections()
	}
}

// closeDetection ends what is on.
func (p *Path) closeDetection() {
	if d := &p.detection; d.detector != nil {
		d.lock()
		defer d.unlock()
		d.detector.Close()
		p.detections()
	}
}

// RecordDetection writes a detection as an alert. Its packet has addresses, ports and protocol only, and 0.0.0.0 or :: where there
// are many.
func RecordDetection(l *event.Logger, d *threshold.Detection) {
	pk := decode.Packet{Frame: decode.Frame{Time: d.Time, Number: d.Number}, IPVersion: 6, Src: d.Src, Dst: d.Dst, DstPort: d.Port, Proto: d.Proto}
	if d.Vector == threshold.Amplification {
		pk.SrcPort, pk.DstPort = d.Port, 0
	}
	if d.Src.Is4() || d.Dst.Is4() {
		pk.IPVersion = 4
		unspecified(&pk.Src)
		unspecified(&pk.Dst)
	}
	about := d.Vector.Describe()
	sig := keyword.Signature{Action: keyword.Alert, Meta: keyword.Meta{GID: 1, SID: d.Vector.SID(), Rev: 1, Msg: about.Message,
		Class: about.Class, Category: about.Category, Priority: about.Priority}}
	hit := signatures.Hit{Sig: &sig, Action: keyword.Alert}
	e := explanation(d)
	l.Alert(&event.AlertRecord{Subject: event.Subject{Time: d.Time, Packet: &pk}, Hit: &hit, Detection: &e})
}

// unspecified makes an address that is not set 0.0.0.0.
func unspecified(a *decode.Addr) {
	if *a == (decode.Addr{}) {
		a[10], a[11] = 0xff, 0xff
	}
}

func explanation(d *threshold.Detection) event.Detection {
	about := d.Vector.Describe()
	e := event.Detection{Vector: about.Name, Phase: d.Phase.String(), Explain: d.Explain(), Statistic: about.Statistic, Unit: about.Unit,
		Subject: d.Subject(), Value: d.Value, Threshold: d.Threshold, Peak: d.Peak, Window: d.Window, Since: d.Since, Packets: d.Packets,
		Bytes: d.Bytes, Sources: d.Sources, ID: d.ID, Usual: d.Usual, Learned: d.Learned, Method: d.Method, Pulses: d.Pulses}
	if d.Unit != "" {
		e.Unit = d.Unit
	}
	for _, s := range d.Samples {
		e.Samples = append(e.Samples, event.Sample(s))
	}
	for _, t := range d.Top {
		e.Top = append(e.Top, event.Talker(t))
	}
	for _, m := range d.Measures {
		e.Measures = append(e.Measures, event.Measure(m))
	}
	return e
}
