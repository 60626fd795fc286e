package bpf

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// TestFeaturesPresent loads all features that this kernel can have, and checks that one that it cannot have says which kernel has it.
func TestFeaturesPresent(t *testing.T) {
	s := mustLoad(t, Options{Mode: ModeHost, Frags: true})
	for f, why := range s.Missing() {
		if !strings.Contains(why.Error(), "or later") || HaveFrags() && f != FeatureCookie {
			t.Errorf("%s: %v", f, why)
		}
	}
	old := mustLoad(t, Options{Mode: ModeHost, Frags: true, old: true})
	for _, f := range []Feature{FeatureCookie, FeatureCopy, FeatureFrags} {
		if err := old.Can(f); !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "or later") {
			t.Errorf("%s: %v", f, err)
		}
	}
	for _, f := range []Feature{FeatureChallenge, FeatureFingerprint} {
		if err := old.Can(f); err != nil {
			t.Error(err)
		}
	}
	if old.Options().Frags {
		t.Error("frames of several buffers on a kernel without")
	}
}

// refused is an object whose function begins with what was never set, which no verifier takes.
func refused(o object) object {
	spec := o.spec
	o.spec = func() (*ebpf.CollectionSpec, error) {
		c, err := spec()
		if err == nil {
			first := &c.Programs[o.functions[0]].Instructions[0]
			*first = asm.Mov.Reg(asm.R0, asm.R9).WithMetadata(first.Metadata)
		}
		return c, err
	}
	return o
}

// TestRefusedFeature has the kernel refuse two features: the sensor runs without them, and with the others.
func TestRefusedFeature(t *testing.T) {
	bad := []Feature{FeatureChallenge, FeatureCopy}
	list := objects()
	for i := range list {
		if slices.Contains(bad, list[i].Feature) {
			list[i] = refused(list[i])
		}
	}
	s := mustLoad(t, Options{Mode: ModeHost, Sources: 64, Flows: 64, objects: list})
	for _, o := range list {
		err := s.Can(o.Feature)
		switch {
		case o.asked != nil && !o.asked(s.Options()), o.needs != nil && o.needs(s.Options()) != nil: // not on this kernel
		case !slices.Contains(bad, o.Feature) && err != nil:
			t.Errorf("%s went with the others: %v", o.Feature, err)
		case slices.Contains(bad, o.Feature) && (!errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "R9 !read_ok")):
			t.Errorf("%s: error %v, want what the verifier says", o.Feature, err)
		}
	}
	r := &rig{TB: t, Sensor: s, t: s.Tables()}
	r.expect(from(bad4), xdpPass, ReasonNone, ReasonNone)
	r.source(bad4, Verdict{Action: actDrop})
	r.expect(from(bad4), xdpDrop, ReasonSource, ReasonNone)
}

// TestStepWithoutFeature has steps taken, as an earlier program may have left them, that this program has no feature for: nothing is
// dropped for them that could not prove itself.
func TestStepWithoutFeature(t *testing.T) {
	s := mustLoad(t, Options{Mode: ModeHost, Sources: 64, Flows: 64, objects: []object{}})
	r := &rig{TB: t, Sensor: s, t: s.Tables()}
	syn := eth(ethIP4, ip4(good4, server4, protoTCP, tcp(4000, 443, "S")))
	r.send(syn)
	r.arm(server4, StepChallenge, StepCookie, StepFingerprint, StepSight)
	r.expect(syn, xdpPass, ReasonNone, ReasonNone)
	r.expect(from(good4), xdpPass, ReasonNone, ReasonNone)
}

// TestConstantsAlike checks what linking rests on: constants lie in the same places in every object.
func TestConstantsAlike(t *testing.T) {
	base, err := loadSensor()
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects() {
		spec, err := o.spec()
		if err != nil {
			t.Fatal(err)
		}
		for name, v := range spec.Variables {
			b := base.Variables[name]
			if b == nil || fmt.Sprint(v.Offset, v.Size()) != fmt.Sprint(b.Offset, b.Size()) {
				t.Errorf("%s: %s is not where the program has it", o.Feature, name)
			}
		}
		for name, m := range spec.Maps {
			if b := base.Maps[name]; b == nil || b.Type != m.Type || b.ValueSize != m.ValueSize {
				t.Errorf("%s: map %s is not the program's", o.Feature, name)
			}
		}
	}
}
