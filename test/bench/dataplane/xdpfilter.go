package dataplane

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/cilium/ebpf"
)

// xdpFilters loads programs of an installed xdp-filter (policy allow: what is listed is dropped), with the same source listed; the error says why there are none.
func xdpFilters(keep *closers, listed, clean []byte) ([]*contender, error) {
	var field []*contender
	for _, features := range []string{"ip", "all"} {
		found, _ := filepath.Glob("/usr/lib/*/bpf/xdpfilt_alw_" + features + ".o")
		if len(found) == 0 {
			return nil, errors.New("not installed (apt-get install xdp-tools)")
		}
		prog, err := xdpFilter(found[0], listed, keep)
		if err != nil {
			return nil, err
		}
		field = append(field,
			&contender{name: features + "/listed", prog: prog, frame: listed, action: xdpDrop},
			&contender{name: features + "/clean", prog: prog, frame: clean, action: xdpPass})
	}
	return field, nil
}

// xdpFilter loads one object as it stands, without the dispatcher, and lists the frame's source.
func xdpFilter(object string, frame []byte, keep *closers) (*ebpf.Program, error) {
	spec, err := ebpf.LoadCollectionSpec(object)
	if err != nil {
		return nil, fmt.Errorf("xdp-filter: %w", err)
	}
	for _, m := range spec.Maps {
		m.Pinning = ebpf.PinNone // its maps are those of the tool otherwise
	}
	c, err := ebpf.NewCollection(spec)
	if err != nil {
		return nil, fmt.Errorf("xdp-filter: %s: %w", object, err)
	}
	keep.add(func() error { c.Close(); return nil })
	flags := make([]uint64, ebpf.MustPossibleCPU())
	for i := range flags {
		flags[i] = 1 // MAP_FLAG_SRC
	}
	if err := c.Maps["filter_ipv4"].Put([4]byte(frame[26:30]), flags); err != nil {
		return nil, fmt.Errorf("xdp-filter: list a source: %w", err)
	}
	for _, p := range c.Programs {
		return p, nil
	}
	return nil, fmt.Errorf("xdp-filter: %s has no program", object)
}
