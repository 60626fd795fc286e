// Package path is what happens to a frame between capture and verdict, for one worker: decode, flow, rules, records.
//
//	frame ──Tracker.Unpack──▶ packets ──Track──▶ flow, stream, transactions ──Inspect──▶ decision ──▶ records, Outcome
//
// A Path is used by one goroutine; frames of one conversation must all come to the same Path. In steady state it does
// not allocate but for what new flows, transactions and records need.
package path

import (
	"sync/atomic"

	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/event"
	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/signatures"
	"github.com/weir-ips/weir/pkg/signatures/keyword"
	"github.com/weir-ips/weir/pkg/threshold"
)

// Config is what a Path is built from. Flow, Decoder, Rules, Shared and Detector may be shared by several Paths.
type Config struct {
	Flow    *flow.Config
	Decoder *decode.Decoder
	Rules   *signatures.Ruleset // nil: no detection
	Shared  *signatures.Shared
	Profile *signatures.Profile // times the Rules, for one Path; nil: they are not timed
	Outputs []*event.Output

	// IPS carries drops out; without it they are recorded as alerts that were allowed. Flow.IPS and the ruleset's option
	// must agree with it.
	IPS bool
	// InnerOnly leaves frames that carry a tunnel out of inspection and looks at what they carry: GENEVE from a load
	// balancer, VXLAN from a mirror. Frames without a tunnel are still inspected.
	InnerOnly bool

	// Hashes are those that parsers compute because rules ask for them: Parsers.Files.Rules of the parsers in Flow. Rulesets add to it;
	// nil: they do not.
	Hashes *app.HashSet
	// HASSH lets ssh records wait for the key exchange, so that they have fingerprints; without it they come with the banners. Rules that
	// look at fingerprints turn it on.
	HASSH bool

	Iface   string // in_iface of records
	Capture string // pcap_filename of records
	Sensor  string // alert.context.weir.sensor

	// Block reports whether an alert of this signature drops its flow: the policy layer. It is never asked about rules
	// that write no alert. nil: only the rules' own actions drop.
	Block func(*keyword.Signature) bool
	// Spare reports whether packets from src to dst are let through whatever rules and policies say, and their flows go on: never-block.
	// It is asked about packets that would be dropped. nil: none are spared.
	Spare func(src, dst decode.Addr) bool
	// Detect holds the thresholds of floods, scans and the like; nil: they are not looked for.
	Detect *threshold.Limits
	// Detector takes the place of one of the Path's own, with its limits: several Paths see the traffic that it is to judge as one.
	Detector *Detector
	Hooks    Hooks
	Store    *FileStore // keeps files; nil: none are kept
	Remember int        // conversations that Recall still knows when they are over
	Stats    Stats      // what counters start from: the settings of the stats record
	Left     *Left      // flows of another program to go on with; nil: none
}

// Hooks tell the owner of a Path what has happened. They are called on the Path's goroutine; nil ones are not called.
type Hooks struct {
	// Alert is called for each alert with its record as the first output that takes alerts encodes it. Both are lent.
	Alert func(a *event.AlertRecord, line []byte)
	// Decided is called once when the rest of a flow has been decided by rules, by policy (by is then nil) or by an
	// exception; v is not Undecided.
	Decided func(f *flow.Flow, v flow.FlowVerdict, by *keyword.Signature)
	// Uninteresting is called once when a flow has nothing left to inspect: encrypted, or beyond the depth.
	Uninteresting func(f *flow.Flow)
	// Detected is called for each event of the detector; it is lent. Whoever takes it writes the record: RecordDetection.
	Detected func(*threshold.Detection)
	// Handshake is called when a client has completed a TCP handshake, if Detect is set.
	Handshake func(client, server decode.Addr)
	// Asked is called when a server from whose port reflection attacks come has answered a question, if Detect is set.
	Asked func(server decode.Addr)
	// Ended is called when a flow is over.
	Ended func(f *flow.Flow)
}

// Outcome is what became of a frame.
type Outcome struct {
	Drop   bool   // do not forward
	Reason string // EVE's drop.reason, when Drop
	// Reject asks for a reset or an unreachable: Reject to the sender, RejectDst to the receiver, RejectBoth, or 0.
	Reject keyword.Action
	Hits   int        // alerts
	Flow   *flow.Flow // of the innermost packet; nil without. Valid until the next call.
}

// Path is one worker's pipeline.
type Path struct {
	cfg     Config
	tracker *flow.Tracker
	engine  *signatures.Engine
	log     event.Logger
	start   int64 // time of the first frame, Unix ns
	now     int64 // time of the latest frame
	link    decode.LinkType
	out     Outcome
	result  flow.Result // of the packet at hand; here, and not on the stack, because a pointer to it leaves the package
	subject event.Subject
	alert   event.AlertRecord
	stats   Stats
	ips     bool // the packet at hand may be dropped
	rules   *signatures.Ruleset
	next    atomic.Pointer[signatures.Ruleset] // set by Swap
	url     func(kind string) string           // of rules
	wants   wants
	storing map[*app.File]*storing
	payload []byte // of a stream, for an alert
	frame   event.FrameData
	marked  []byte // of a frame, for records

	detection detection
	past      past
}

// wants are the costly records that no output may ask for.
type wants struct{ decode, stream, drop, app, ether, arp, payload, frame, tcp bool }

// New builds a Path.
func New(c Config) *Path {
	p := &Path{cfg: c, rules: c.Rules, stats: c.Stats, detection: newDetection(&c)}
	p.past.ring = make([]Conversation, c.Remember)
	p.tracker = flow.NewTracker(c.Flow, c.Decoder, (*handler)(p))
	if c.Rules != nil {
		p.engine = signatures.NewEngine(c.Rules, c.Shared)
		p.engine.Profile(c.Profile)
		p.url = c.Rules.ReferenceURL
	}
	p.log = event.Logger{Outputs: c.Outputs, Iface: c.Iface, Capture: c.Capture, Sensor: c.Sensor, OnAlert: c.Hooks.Alert}
	if p.engine != nil {
		p.log.State = p.variables
	}
	for _, o := range c.Outputs {
		anomaly := o.Types.Has(event.Anomaly)
		p.wants.decode = p.wants.decode || anomaly && o.Anomaly.Decode
		p.wants.stream = p.wants.stream || anomaly && o.Anomaly.Stream
		p.wants.app = p.wants.app || anomaly && o.Anomaly.AppLayer
		p.wants.ether = p.wants.ether || o.Ethernet
		p.wants.arp = p.wants.arp || o.Types.Has(event.ARP)
		alert := &o.Options.Alert
		p.wants.payload = p.wants.payload || o.Types.Has(event.Alert) && (alert.Payload || alert.Printable || alert.PayloadLength)
		p.wants.tcp = p.wants.tcp || o.Types.Has(event.StreamTCP)
		p.wants.frame = p.wants.frame || o.Types.Has(event.Frame)
		p.wants.drop = p.wants.drop || o.Types.Has(event.Drop)
	}
	p.adopt()
	if c.Left != nil {
		p.resume(c.Left)
	}
	return p
}

// adopt makes parsers compute and mark what the ruleset in use looks at.
func (p *Path) adopt() {
	p.wantFrames(p.rules)
	if p.rules == nil {
		return
	}
	p.cfg.HASSH = p.cfg.HASSH || wantsHASSH(p.rules)
	if p.cfg.Hashes != nil {
		p.cfg.Hashes.Add(p.rules.Hashes())
	}
}

// Process takes one frame through the path. Frames come in order of time.
func (p *Path) Process(f decode.Frame) Outcome {
	p.out = Outcome{}
	p.renew()
	if p.start == 0 {
		p.start = f.Time
	}
	p.now, p.link = max(p.now, f.Time), f.Link
	packets := p.tracker.Unpack(f)
	for i, pk := range packets {
		if p.cfg.InnerOnly && pk.Depth == 0 && pk.Tunnel != decode.NoTunnel && len(packets) > 1 {
			continue
		}
		p.packet(pk, outer(packets[i+1:], pk))
	}
	p.count(&p.out)
	return p.out
}

// renew takes up the rules of the last Swap.
func (p *Path) renew() {
	if rs := p.next.Load(); rs != nil && rs != p.rules {
		p.rules, p.url = rs, rs.ReferenceURL
		p.adopt()
	}
}

// Rules is the ruleset in use. It is for the Path's goroutine.
func (p *Path) Rules() *signatures.Ruleset { return p.rules }

// outer finds the packet that carried pk among those that come after it.
func outer(rest []*decode.Packet, pk *decode.Packet) *decode.Packet {
	for _, o := range rest {
		if o.Depth < pk.Depth {
			return o
		}
	}
	return nil
}

// Tick lets time pass while no frame comes; now is Unix ns.
func (p *Path) Tick(now int64) {
	p.now = max(p.now, now)
	if p.renew(); p.engine != nil {
		p.engine.Renew()
	}
	p.tracker.Tick(now)
	p.tickDetection()
}

// Close ends all flows as at the end of a capture. The Path is empty afterwards and can be used again.
func (p *Path) Close() {
	p.tracker.Close(p.now)
	p.closeDetection()
}

// Swap replaces the ruleset before the next packet; it may be called from any goroutine, on a Path that has rules. Flows keep their state.
func (p *Path) Swap(rs *signatures.Ruleset) {
	p.engine.Swap(rs)
	p.next.Store(rs)
}

// SetCapture names the capture that the next records are about.
func (p *Path) SetCapture(name string) { p.log.Capture = name }
