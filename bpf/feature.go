package bpf

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/features"
)

// Feature is what the program can do without: an object of its own, whose functions take the place of empty ones when the program is
// loaded. The kernel sees one program, as if a linker had made it: no look-up and no call is added for it.
type Feature string

// Features.
const (
	FeatureChallenge   Feature = "challenge"   // StepChallenge: asks sources of SYNs to prove themselves
	FeatureCookie      Feature = "cookie"      // StepCookie: SYN cookies of the kernel's
	FeatureFingerprint Feature = "fingerprint" // StepFingerprint and StepSight: a close look at packets
	FeatureCopy        Feature = "copy"        // copies to user space beyond OldSnapLen bytes
	FeatureFrags       Feature = "frags"       // frames over several buffers
)

// ErrMissing is wrapped by errors that say which feature is not there, and why.
var ErrMissing = errors.New("feature missing")

// object is a feature's.
type object struct {
	Feature
	constant  string // of the program, 1 if the feature is there; "": it need not know
	functions []string
	spec      func() (*ebpf.CollectionSpec, error)
	needs     func(Options) error // why it cannot be; nil: it is worth an attempt
	asked     func(Options) bool  // nil: always
}

func objects() []object {
	inline := func(o Options) bool { return o.Mode == ModeGWLB || o.Mode == ModeBridge }
	return []object{
		{FeatureChallenge, sensorVarHasChallenge, []string{challengeProgProves, challengeProgAnswerChallenge}, loadChallenge, nil, nil},
		{FeatureCookie, sensorVarHasCookie, []string{cookieProgAcknowledges, cookieProgAnswerCookie}, loadCookie,
			helper("Linux 6.0 or later", asm.FnTcpRawGenSyncookieIpv4), func(o Options) bool { return o.Mode == ModeHost }},
		{FeatureFingerprint, sensorVarHasFingerprint, []string{fingerprintProgLook}, loadFingerprint, nil, nil},
		{FeatureCopy, "", []string{copierProgCaptureFrame}, loadCopier,
			helper("Linux 5.18 or later", asm.FnXdpLoadBytes), func(o Options) bool { return !inline(o) }},
		{FeatureFrags, sensorVarHasFrags, []string{fragsProgFrameLength}, loadFrags,
			helper("Linux 5.18 or later", asm.FnXdpGetBuffLen), func(o Options) bool { return o.Frags }},
	}
}

// helper asks for a function of the kernel's.
func helper(version string, fn asm.BuiltinFunc) func(Options) error {
	return func(o Options) error {
		if o.old {
			return fmt.Errorf("needs %s", version)
		}
		if err := features.HaveProgramHelper(ebpf.XDP, fn); err != nil {
			return fmt.Errorf("needs %s: %w", version, err)
		}
		return nil
	}
}

// Missing says why features that were asked for are not there.
func (s *Sensor) Missing() map[Feature]error { return maps.Clone(s.missing) }

// Can is the error, which wraps ErrMissing, of what needs the feature.
func (s *Sensor) Can(f Feature) error {
	if s.linked[f] {
		return nil
	}
	if why := s.missing[f]; why != nil {
		return fmt.Errorf("bpf: %s: %w: %w", f, ErrMissing, why)
	}
	return fmt.Errorf("bpf: %s: %w: not made for mode %v", f, ErrMissing, s.opts.Mode)
}

// loadLinked loads the program with all features that are asked for and that the kernel takes. Should it refuse the whole, one after
// the other is put in, and those that it refuses are left out.
func (s *Sensor) loadLinked(spec *ebpf.CollectionSpec) error {
	all := s.wanted()
	linked, err := s.try(spec, all)
	if err == nil {
		return s.keep(linked, all)
	}
	kept := []object{}
	if linked, err = s.try(spec, kept); err != nil {
		return err // not a feature's fault
	}
	for _, o := range all {
		with, err := s.try(spec, append(slices.Clone(kept), o))
		if err != nil {
			s.missing[o.Feature] = err
			continue
		}
		linked.prog.Close()
		linked, kept = with, append(kept, o)
	}
	return s.keep(linked, kept)
}

// wanted are the objects to link, except for those of which it is known why not.
func (s *Sensor) wanted() []object {
	var out []object
	for _, o := range s.opts.objects {
		if o.asked != nil && !o.asked(s.opts) {
			continue
		}
		if o.needs != nil {
			if why := o.needs(s.opts); why != nil {
				s.missing[o.Feature] = why
				continue
			}
		}
		out = append(out, o)
	}
	return out
}

// loaded is the program in the kernel, and what it was loaded from.
type loaded struct {
	spec *ebpf.CollectionSpec
	prog *ebpf.Program
}

func (s *Sensor) try(spec *ebpf.CollectionSpec, objects []object) (loaded, error) {
	spec = spec.Copy()
	for _, o := range objects {
		if err := o.link(spec); err != nil {
			return loaded{}, fmt.Errorf("bpf: feature %s: %w", o.Feature, err)
		}
	}
	if err := s.adapt(spec, objects); err != nil {
		return loaded{}, err
	}
	prog, err := s.loadSpec(spec.Copy())
	if err != nil {
		return loaded{}, explain(fmt.Errorf("bpf: load program: %w", err))
	}
	return loaded{spec, prog}, nil
}

func (s *Sensor) keep(l loaded, objects []object) error {
	s.spec, s.prog = l.spec, l.prog
	for _, o := range objects {
		s.linked[o.Feature] = true
	}
	info, err := s.prog.Info()
	if err != nil {
		return fmt.Errorf("bpf: program: %w", err)
	}
	s.id, _ = info.ID() // known since Linux 4.13
	return nil
}

// link puts the object's functions into the place of the program's empty ones, and behind them what they call. Constants and maps are
// the program's: they lie alike in all objects.
func (o object) link(spec *ebpf.CollectionSpec) error {
	from, err := o.spec()
	if err != nil {
		return err
	}
	prog := spec.Programs[sensorProgSensor]
	for _, name := range o.functions {
		with, ok := from.Programs[name]
		if !ok {
			return fmt.Errorf("its object has no function %s", name)
		}
		if prog.Instructions, err = replaceFunction(prog.Instructions, name, with.Instructions); err != nil {
			return err
		}
	}
	if o.constant == "" {
		return nil
	}
	return spec.Variables[o.constant].Set(uint32(1))
}

// replaceFunction replaces the function of that name; with begins with the new one.
func replaceFunction(prog asm.Instructions, name string, with asm.Instructions) (asm.Instructions, error) {
	begin := functionAt(prog, name)
	if begin < 0 || len(with) == 0 || with[0].Symbol() != name {
		return nil, fmt.Errorf("no function %s", name)
	}
	own := functionEnd(with, 0)
	out := slices.Concat(prog[:begin], with[:own], prog[functionEnd(prog, begin):])
	for at := own; at < len(with); {
		end := functionEnd(with, at)
		if functionAt(out, with[at].Symbol()) < 0 { // two objects may call the same
			out = append(out, with[at:end]...)
		}
		at = end
	}
	return out, nil
}

func functionAt(prog asm.Instructions, name string) int {
	return slices.IndexFunc(prog, func(i asm.Instruction) bool { return i.Symbol() == name })
}

// functionEnd is where the function that begins there ends: at the next symbol.
func functionEnd(prog asm.Instructions, begin int) int {
	for i := begin + 1; i < len(prog); i++ {
		if prog[i].Symbol() != "" {
			return i
		}
	}
	return len(prog)
}
