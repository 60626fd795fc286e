package floods

import (
	"encoding/json"
	"iter"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/threshold"
	"github.com/weir-ips/weir/pkg/verdict"
	"github.com/weir-ips/weir/pkg/verdict/enforce"
)

// kernel counts what a test says, and notes what is armed.
type kernel struct {
	dests    map[netip.Addr]*enforce.Destination
	armed    map[armKey]uint32
	good     map[netip.Addr]bool
	steps    map[netip.Addr]map[bpf.Step]bool
	prints   map[netip.Addr][]bpf.Fingerprint
	filter   map[netip.Addr]bpf.Filter
	total    bpf.Counters
	verdicts []verdict.Verdict
}

func newKernel() *kernel {
	return &kernel{dests: map[netip.Addr]*enforce.Destination{}, armed: map[armKey]uint32{}, good: map[netip.Addr]bool{},
		steps: map[netip.Addr]map[bpf.Step]bool{}, prints: map[netip.Addr][]bpf.Fingerprint{}, filter: map[netip.Addr]bpf.Filter{}}
}

func (k *kernel) count(dst netip.Addr, class bpf.Class, n uint32) {
	d := k.dests[dst]
	if d == nil {
		d = &enforce.Destination{Way: len(k.dests), Addr: dst, Claims: 1}
		k.dests[dst] = d
	}
	d.Packets[class] += n
}

func (k *kernel) Destinations() iter.Seq[enforce.Destination] {
	return func(yield func(enforce.Destination) bool) {
		for _, d := range k.dests {
			if !yield(*d) {
				return
			}
		}
	}
}

func (k *kernel) Arm(dst netip.Addr, class bpf.Class, rate uint32, _ time.Duration) error {
	k.armed[armKey{dst, class}] = rate
	return nil
}

func (k *kernel) Disarm(dst netip.Addr, class bpf.Class) { delete(k.armed, armKey{dst, class}) }
func (k *kernel) MarkGood(src netip.Addr)                { k.good[src] = true }
func (k *kernel) Apply(v verdict.Verdict) error {
	k.verdicts = append(k.verdicts, v)
	return v.Validate()
}
func (k *kernel) Counters() (bpf.Counters, error) { return k.total, nil }

func (k *kernel) TakeStep(dst netip.Addr, s bpf.Step, _ time.Duration) error {
	if k.steps[dst] == nil {
		k.steps[dst] = map[bpf.Step]bool{}
	}
	k.steps[dst][s] = true
	return nil
}

func (k *kernel) EndStep(dst netip.Addr, s bpf.Step) { delete(k.steps[dst], s) }

func (k *kernel) DropUnasked(dst netip.Addr, ports []uint16, _ time.Duration) error {
	f := k.filter[dst]
	copy(f.Ports[:], ports)
	k.filter[dst] = f
	return k.TakeStep(dst, bpf.StepUnasked, 0)
}

func (k *kernel) DropLike(dst netip.Addr, f bpf.Fingerprint, _ time.Duration) error {
	for i := range k.prints[dst] {
		if p := &k.prints[dst][i]; p.Value == f.Value && p.Mask == f.Mask {
			p.Flags = f.Flags
			return nil
		}
	}
	k.prints[dst] = append(k.prints[dst], f)
	return nil
}

func (k *kernel) LiftLike(dst netip.Addr, f bpf.Fingerprint) {
	k.prints[dst] = slices.DeleteFunc(k.prints[dst], func(p bpf.Fingerprint) bool { return p.Value == f.Value && p.Mask == f.Mask })
}

func (k *kernel) Filter(dst netip.Addr) (bpf.Filter, bool) {
	f := k.filter[dst]
	copy(f.Prints[:], k.prints[dst])
	return f, true
}

// scene is a Control whose time and kernel a test moves.
type scene struct {
	*Control
	*kernel
	t    testing.TB
	now  time.Time
	told []threshold.Detection
}

var victim = netip.MustParseAddr("10.1.2.3")

func newScene(t testing.TB, change func(*Options)) *scene {
	s := &scene{kernel: newKernel(), t: t, now: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)}
	o := Options{Kernel: s.kernel, Limits: threshold.DefaultLimits(), Carpet: 10_000, Enforce: true, Log: slog.New(slog.DiscardHandler),
		Publish: func(d *threshold.Detection) { s.told = append(s.told, *d) }}
	o.Floods.Floors = [threshold.NumFloodClasses]uint32{threshold.FloodSYN: 1000, threshold.FloodICMP: 1000, threshold.FloodFragment: 1000}
	if change != nil {
		change(&o)
	}
	s.Control = New(o, s.now)
	s.Look(s.now)
	return s
}

// pass lets time pass, with so many packets of a class to each of dsts in each tenth of a second.
func (s *scene) pass(d time.Duration, class bpf.Class, n uint32, dsts ...netip.Addr) {
	for end := s.now.Add(d); s.now.Before(end); {
		s.now = s.now.Add(lookEvery)
		for _, dst := range dsts {
			s.count(dst, class, n)
		}
		s.Look(s.now)
	}
}

// phases lists what was told, updates aside.
func (s *scene) phases() string {
	var out []string
	for _, d := range s.told {
		if d.Phase != threshold.Update {
			out = append(out, d.Vector.String()+" "+d.Phase.String())
		}
	}
	return strings.Join(out, ", ")
}

func TestAFloodIsToldArmedAndDisarmed(t *testing.T) {
	s := newScene(t, nil)
	s.pass(time.Second, bpf.ClassSYN, 2000, victim)
	if s.phases() != "syn-flood start" || s.armed[armKey{victim, bpf.ClassSYN}] != 1000 {
		t.Fatalf("%s; armed %v", s.phases(), s.armed)
	}
	s.pass(15*time.Second, bpf.ClassSYN, 1, victim)
	if s.phases() != "syn-flood start, syn-flood end" || len(s.armed) != 0 {
		t.Fatalf("%s; armed %v", s.phases(), s.armed)
	}
	last := s.told[len(s.told)-1]
	if s.told[0].ID == "" || s.told[0].ID != last.ID || last.Packets < 18_000 || s.told[0].Method == "" || len(last.Measures) != 2 {
		t.Errorf("%+v", s.told)
	}
}

// TestPulsesAreHeld sends a pulse of a second every ten seconds, and every thirty: from the second on nothing gets through unlimited.
func TestPulsesAreHeld(t *testing.T) {
	for _, gap := range []time.Duration{9 * time.Second, 29 * time.Second} {
		s := newScene(t, nil)
		for pulse := range 6 {
			armed := len(s.armed) > 0
			if pulse >= 2 && !armed {
				t.Errorf("with pauses of %v pulse %d finds nothing armed", gap, pulse+1)
			}
			s.pass(time.Second, bpf.ClassSYN, 2000, victim)
			s.pass(gap, bpf.ClassSYN, 1, victim)
		}
	}
}

func TestACarpetIsOneAttack(t *testing.T) {
	s := newScene(t, nil)
	var hosts []netip.Addr
	for i := range byte(250) {
		hosts = append(hosts, netip.AddrFrom4([4]byte{10, 1, 2, i}))
	}
	s.pass(time.Second, bpf.ClassSYN, 90, hosts...)
	if s.phases() != "carpet-bombing start" || len(s.armed) != 3*len(hosts) {
		t.Fatalf("%s; %d armed", s.phases(), len(s.armed))
	}
	if list := s.Attacks(); len(list) != 1 || list[0].Dst.IP().String() != "10.1.2.0" || list[0].Sources < 200 {
		t.Errorf("%+v", list)
	}
}

func TestASpreadOfClientsIsNoCarpet(t *testing.T) {
	s := newScene(t, nil)
	var hosts []netip.Addr
	for i := range byte(20) {
		hosts = append(hosts, netip.AddrFrom4([4]byte{10, 1, 2, i}))
	}
	s.pass(2*time.Second, bpf.ClassSYN, 90, hosts...)
	if s.phases() != "" {
		t.Errorf("%s", s.phases())
	}
}

// amplification is what a worker reports.
func amplification(phase threshold.Phase, now time.Time, packets uint64) *threshold.Detection {
	return &threshold.Detection{Vector: threshold.Amplification, Phase: phase, Time: now.UnixNano(), Since: now.UnixNano(), Dst: decode.AddrFrom(victim),
		Port: 53, Proto: decode.ProtoUDP, Value: 2000, Threshold: 1000, Window: 1e9, Peak: 2000, Packets: packets}
}

func TestInspectionsWordIsTakenOver(t *testing.T) {
	s := newScene(t, func(o *Options) { o.OneSide = true }) // so that no measure is taken
	s.Report(amplification(threshold.Start, s.now, 2000))
	s.Report(amplification(threshold.Update, s.now.Add(time.Minute), 9000))
	if a := s.Attacks(); s.phases() != "udp-amplification start" || len(a) != 1 || a[0].Packets != 9000 {
		t.Fatalf("%s %+v", s.phases(), a)
	}
	s.Report(amplification(threshold.End, s.now.Add(2*time.Minute), 9500))
	if s.phases() != "udp-amplification start, udp-amplification end" || s.told[0].ID != s.told[1].ID || len(s.Attacks()) != 0 {
		t.Errorf("%s", s.phases())
	}
}

func TestCountersAndInspectionTellOneStory(t *testing.T) {
	s := newScene(t, nil)
	flood := func(phase threshold.Phase) {
		d := amplification(phase, s.now, 2000)
		d.Vector, d.Port = threshold.SYNFlood, 0
		s.Report(d)
	}
	s.pass(500*time.Millisecond, bpf.ClassSYN, 2000, victim)
	flood(threshold.Start)
	s.pass(500*time.Millisecond, bpf.ClassSYN, 2000, victim)
	flood(threshold.End)
	s.pass(20*time.Second, bpf.ClassSYN, 0)
	flood(threshold.Start)
	s.pass(500*time.Millisecond, bpf.ClassSYN, 2000, victim)
	s.pass(100*time.Second, bpf.ClassSYN, 0) // it has come back, and is held longer
	if s.phases() != "syn-flood start, syn-flood end, syn-flood start" {
		t.Fatal(s.phases())
	}
	flood(threshold.End)
	s.pass(20*time.Second, bpf.ClassSYN, 0)
	if s.phases() != "syn-flood start, syn-flood end, syn-flood start, syn-flood end" {
		t.Error(s.phases())
	}
}

func TestAnAttackThatInspectionForgotEnds(t *testing.T) {
	s := newScene(t, nil)
	s.Report(amplification(threshold.Start, s.now, 2000))
	s.pass(silence+2*lapse, bpf.ClassUDP, 0)
	if s.phases() != "udp-amplification start, udp-amplification end" {
		t.Errorf("%s", s.phases())
	}
}

// answer has the kernel drop answers that nobody asked for.
func (s *scene) answer(d time.Duration, n uint64) {
	for end := s.now.Add(d); s.now.Before(end); {
		f := s.filter[victim]
		f.Unasked += n
		s.filter[victim] = f
		s.pass(lookEvery, bpf.ClassUDP, uint32(n), victim)
	}
}

// TestWhatIsDroppedIsStillOn lets inspection see nothing of an attack because the kernel drops it.
func TestWhatIsDroppedIsStillOn(t *testing.T) {
	s := newScene(t, nil)
	s.Report(amplification(threshold.Start, s.now, 2000))
	s.answer(2*time.Second, 200)
	s.Report(amplification(threshold.End, s.now, 2000))
	s.answer(30*time.Second, 200)
	if a := s.Attacks(); len(a) != 1 || !s.steps[victim][bpf.StepUnasked] || s.filter[victim].Ports[0] != 53 || a[0].Measures[0].Dropped < 6000 {
		t.Fatalf("the attack goes on: %s, steps %v, %+v", s.phases(), s.steps, a)
	}
	if len(s.armed) != 0 {
		t.Errorf("all UDP is limited: %v", s.armed)
	}
	s.pass(20*time.Second, bpf.ClassUDP, 1000, victim) // which was asked for
	if s.phases() != "udp-amplification start, udp-amplification end" || s.steps[victim][bpf.StepUnasked] {
		t.Errorf("%s, steps %v", s.phases(), s.steps)
	}
}

func TestHandshakesAreSpared(t *testing.T) {
	s := newScene(t, nil)
	client := decode.AddrFrom(netip.MustParseAddr("198.51.100.7"))
	for range 30 {
		for range 300 {
			s.Handshake(client, decode.AddrFrom(victim))
		}
		s.pass(lookEvery, bpf.ClassSYN, 300, victim)
	}
	if s.phases() != "" || !s.good[client.IP()] {
		t.Errorf("3,000 clients a second: %s; good %v", s.phases(), s.good)
	}
}

func TestWhatWasLearnedIsKept(t *testing.T) {
	dir := t.TempDir()
	learn := func(o *Options) { o.Learn, o.Dir = true, dir }
	s := newScene(t, learn)
	text := json.RawMessage(`{"version":1,"baselines":[{"network":"10.1.2.0/24","class":"syn","pinned":900,"weeks":0,"hours":{}}]}`)
	if err := s.Import(text, s.now); err != nil {
		t.Fatal(err)
	}
	s.Close(s.now)
	s = newScene(t, learn)
	s.pass(3*time.Second, bpf.ClassSYN, 400, victim)
	if s.phases() != "" {
		t.Errorf("four and a half times what an operator calls usual: %s", s.phases())
	}
	s.pass(3*time.Second, bpf.ClassSYN, 600, victim)
	if s.phases() != "syn-flood start" || s.told[0].Threshold != 4500 || !strings.Contains(s.told[0].Explain(), "as 900 are usual") {
		t.Errorf("%s: %+v", s.phases(), s.told)
	}
	for _, bad := range []string{`{"version":2}`, `{"version":1,"baselines":[{"network":"10.1.2.0/25"}]}`, `[]`, `{"version":1,"baseline":[]}`} {
		if err := s.Import(json.RawMessage(bad), s.now); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

func TestADamagedFileIsPutAside(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, baselinesFile)
	if err := os.WriteFile(path, []byte(`{"version":1,"baselines":[`), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newScene(t, func(o *Options) { o.Learn, o.Dir = true, dir })
	if _, err := os.Stat(path + ".bad"); err != nil {
		t.Error(err)
	}
	if s.Close(s.now); s.Baselines() == nil {
		t.Error("nothing is learned any more")
	}
	if _, err := readSaved(path); err != nil {
		t.Error(err)
	}
}

func TestWithoutLearningThereIsNothingToExport(t *testing.T) {
	s := newScene(t, nil)
	if _, err := s.Export(s.now); err == nil {
		t.Error("exported")
	}
	if err := s.Import(json.RawMessage(`{"version":1}`), s.now); err == nil {
		t.Error("imported")
	}
}

// BenchmarkLook is one look at as many busy destinations as the kernel counts.
func BenchmarkLook(b *testing.B) {
	k := newKernel()
	o := Options{Kernel: k, Limits: threshold.DefaultLimits(), Learn: true, Log: slog.New(slog.DiscardHandler), Publish: func(*threshold.Detection) {}}
	o.Floods.Floors = [threshold.NumFloodClasses]uint32{threshold.FloodSYN: 1000, threshold.FloodICMP: 1000, threshold.FloodFragment: 1000}
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	c := New(o, now)
	for i := range 16_384 {
		k.count(netip.AddrFrom4([4]byte{10, byte(i >> 14), byte(i >> 8), byte(i)}), bpf.ClassSYN, 1)
	}
	for b.Loop() {
		for _, d := range k.dests {
			d.Packets[bpf.ClassSYN]++
			d.Packets[bpf.ClassUDP]++
		}
		now = now.Add(lookEvery)
		c.Look(now)
	}
}
