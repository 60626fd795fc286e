package bpf

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
)

// TestLayout proves that Go and C mean the same bytes: size and, field by field, offset, size and name of every struct that
// both use, by the object's BTF.
func TestLayout(t *testing.T) {
	spec, err := loadSensor()
	if err != nil {
		t.Fatal(err)
	}
	for name, mirror := range map[string]any{
		"control": Control{}, "cell": Cell{}, "bucket": Bucket{}, "verdict": Verdict{}, "target": Target{}, "tuple": Tuple{},
		"flow": Flow{}, "dest": Dest{}, "arm": Arm{}, "credit": Credit{}, "stats": Counters{}, "capture": CaptureHeader{},
		"sample": Sample{}, "sighting": Sighting{}, "features": Features{}, "fingerprint": Fingerprint{}, "filter": Filter{}, "coarse": Coarse{}, "good": Good{},
		"prefix_key": PrefixKey{},
	} {
		t.Run(name, func(t *testing.T) {
			var c *btf.Struct
			if err := spec.Types.TypeByName(name, &c); err != nil {
				t.Fatal(err)
			}
			compare(t, c, reflect.TypeOf(mirror))
		})
	}
}

func compare(t *testing.T, c *btf.Struct, g reflect.Type) {
	if uintptr(c.Size) != g.Size() {
		t.Errorf("struct %s has %d bytes, %v %d", c.Name, c.Size, g, g.Size())
	}
	members := map[string]btf.Member{}
	for _, m := range c.Members {
		members[strings.ReplaceAll(m.Name, "_", "")] = m
	}
	named := 0
	for i := range g.NumField() {
		f := g.Field(i)
		if f.Name == "_" {
			continue
		}
		named++
		m, ok := members[strings.ToLower(f.Name)]
		if !ok {
			t.Errorf("struct %s has no %s", c.Name, f.Name)
			continue
		}
		size, err := btf.Sizeof(m.Type)
		if err != nil {
			t.Fatal(err)
		}
		if uintptr(m.Offset.Bytes()) != f.Offset || uintptr(size) != f.Type.Size() {
			t.Errorf("%s.%s: offset %d size %d, in Go %d and %d", c.Name, m.Name, m.Offset.Bytes(), size, f.Offset, f.Type.Size())
		}
	}
	for name := range members {
		if strings.HasPrefix(name, "pad") || name == "spare" || name == "zero" || name == "scratch" {
			named++
		}
	}
	if named != len(c.Members) {
		t.Errorf("struct %s has %d members, %v names %d", c.Name, len(c.Members), g, named)
	}
}

// TestEnums proves that the constants are the same, by number and name.
func TestEnums(t *testing.T) {
	spec, err := loadSensor()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []struct {
		name, prefix string
		count        int
		mirror       func(i uint64) string
	}{
		{"reason", "REASON_", Reasons, func(i uint64) string { return Reason(i).String() }},
		{"path", "PATH_", Paths, func(i uint64) string { return Path(i).String() }},
		{"step", "STEP_", Steps, func(i uint64) string { return Step(i).String() }},
		{"class", "CLASS_", Classes, func(i uint64) string { return Class(i).String() }},
	} {
		var c *btf.Enum
		if err := spec.Types.TypeByName(e.name, &c); err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, v := range c.Values {
			name, ok := strings.CutPrefix(v.Name, e.prefix)
			if !ok {
				continue // the count
			}
			n++
			if got := e.mirror(v.Value); got != strings.ToLower(strings.ReplaceAll(name, "_", "-")) {
				t.Errorf("%s is %d, which Go calls %s", v.Name, v.Value, got)
			}
		}
		if n != e.count {
			t.Errorf("enum %s has %d values, Go %d", e.name, n, e.count)
		}
	}
	if got := fmt.Sprint(Reason(99), Path(99), Class(99), Step(99)); got != "reason(99) path(99) class(99) step(99)" {
		t.Error(got)
	}
}
