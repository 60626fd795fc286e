package bpf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// Several XDP programs run on an interface as parts of a dispatcher, whose functions they replace. What follows is libxdp's protocol
// (xdp-tools, lib/libxdp/protocol.org), version 2: with the same layout and pins its programs and ours come and go as they like.
const (
	dispatcherMagic   = 236
	dispatcherVersion = 2
	dispatcherName    = "xdp_dispatcher"
	maxParts          = 10
	emptyPlace        = 1 << 31 // what a place without program returns, as an action after which the next part is run
	actionPass        = 1 << 2  // XDP_PASS likewise
)

// dispatcherConfig is the dispatcher's only map. Host byte order.
type dispatcherConfig struct {
	Magic, Version, Parts, Frags uint8
	Actions                      [maxParts]uint32 // bits by action after which the next part is run
	Priorities                   [maxParts]uint32
	Flags                        [maxParts]uint32 // BPF_F_XDP_HAS_FRAGS
}

// part is one program of a dispatcher.
type part struct {
	prog     *ebpf.Program
	id       ebpf.ProgramID
	name     string
	priority uint32 // lower ones run first
	actions  uint32 // bits by action after which the next part is run
	frags    bool   // takes frames of several buffers
}

func (p *part) String() string { return fmt.Sprintf("%s (priority %d)", p.name, p.priority) }

func newPart(prog *ebpf.Program) (part, error) {
	info, err := prog.Info()
	if err != nil {
		return part{}, fmt.Errorf("bpf: program of a dispatcher: %w", err)
	}
	id, _ := info.ID() // known since Linux 4.13
	return part{prog: prog, id: id, name: info.Name}, nil
}

// dispatcher is one on an interface, or about to be.
type dispatcher struct {
	prog   *ebpf.Program
	id     ebpf.ProgramID
	parts  []part
	links  []link.Link // of a new one, by part
	folder string      // of pins
}

func (d *dispatcher) close() {
	if d == nil {
		return
	}
	d.prog.Close()
	for _, p := range d.parts {
		p.prog.Close()
	}
	closeLinks(d.links)
}

func closeLinks(links []link.Link) {
	for _, l := range links {
		l.Close()
	}
}

// without is the dispatcher's parts but the one of that number.
func (d *dispatcher) without(id ebpf.ProgramID) []part {
	if d == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(d.parts), func(p part) bool { return p.id == id })
}

func (d *dispatcher) has(id ebpf.ProgramID) bool {
	return slices.ContainsFunc(d.parts, func(p part) bool { return p.id == id })
}

func partNames(parts []part) string {
	var names []string
	for i := range parts {
		names = append(names, parts[i].String())
	}
	return strings.Join(names, ", ")
}

// pinFolder is where libxdp keeps what a dispatcher's programs live by.
func pinFolder(bpffs string, ifindex int, id ebpf.ProgramID) string {
	return filepath.Join(bpffs, "xdp", fmt.Sprintf("dispatch-%d-%d", ifindex, id))
}

func placePin(folder string, n int, what string) string {
	return filepath.Join(folder, fmt.Sprintf("prog%d-%s", n, what))
}

var errNoDispatcher = errors.New("not a dispatcher")

// openDispatcher reads the dispatcher of that number; errNoDispatcher for any other program. The caller holds the lock.
func openDispatcher(bpffs string, ifindex int, id ebpf.ProgramID) (*dispatcher, error) {
	prog, err := ebpf.NewProgramFromID(id)
	if err != nil {
		return nil, explain(fmt.Errorf("bpf: open XDP program %d: %w", id, err))
	}
	d := &dispatcher{prog: prog, id: id, folder: pinFolder(bpffs, ifindex, id)}
	config, err := readDispatcher(prog)
	if err == nil {
		err = d.openParts(config)
	}
	if err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

func readDispatcher(prog *ebpf.Program) (config dispatcherConfig, err error) {
	info, err := prog.Info()
	if err != nil {
		return config, fmt.Errorf("bpf: XDP program: %w", err)
	}
	ids, _ := info.MapIDs()
	if info.Name != dispatcherName || len(ids) != 1 {
		return config, errNoDispatcher
	}
	m, err := ebpf.NewMapFromID(ids[0])
	if err != nil {
		return config, explain(fmt.Errorf("bpf: open the dispatcher's map: %w", err))
	}
	defer m.Close()
	value, err := m.LookupBytes(uint32(0))
	if err != nil {
		return config, fmt.Errorf("bpf: read the dispatcher's map: %w", err)
	}
	if len(value) != binary.Size(config) || value[0] != dispatcherMagic || value[1] != dispatcherVersion {
		return config, fmt.Errorf("bpf: the interface has an XDP dispatcher of another version than %d, the one that is known here: "+
			"take its programs off first (xdp-loader unload IFACE --all)", dispatcherVersion)
	}
	err = binary.Read(bytes.NewReader(value), binary.NativeEndian, &config)
	if err != nil || config.Parts > maxParts {
		return config, errNoDispatcher
	}
	return config, nil
}

func (d *dispatcher) openParts(config dispatcherConfig) error {
	for n := range int(config.Parts) {
		pin := placePin(d.folder, n, "prog")
		prog, err := ebpf.LoadPinnedProgram(pin, nil)
		if err != nil {
			return explain(fmt.Errorf("bpf: the dispatcher's programs must be pinned where libxdp pins them: %s: %w", pin, err))
		}
		p, err := newPart(prog)
		if err != nil {
			prog.Close()
			return err
		}
		p.priority, p.actions = config.Priorities[n], config.Actions[n]
		p.frags = config.Flags[n]&unix.BPF_F_XDP_HAS_FRAGS != 0
		d.parts = append(d.parts, p)
	}
	return nil
}

// order sorts parts as libxdp does.
func order(parts []part) {
	slices.SortStableFunc(parts, func(a, b part) int {
		if a.priority != b.priority {
			return int(a.priority) - int(b.priority)
		}
		return strings.Compare(a.name, b.name)
	})
}

// buildDispatcher loads a dispatcher and puts clones of the parts into their places. Nothing is pinned or attached.
func buildDispatcher(parts []part) (*dispatcher, error) {
	if len(parts) > maxParts {
		return nil, fmt.Errorf("bpf: %d XDP programs for one interface (%s): a dispatcher has %d places", len(parts), partNames(parts), maxParts)
	}
	prog, err := loadDispatcherProgram(parts)
	if err != nil {
		return nil, err
	}
	d := &dispatcher{prog: prog}
	if err := d.fill(parts); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

func loadDispatcherProgram(parts []part) (*ebpf.Program, error) {
	spec, err := loadDispatcher()
	if err != nil {
		return nil, fmt.Errorf("bpf: %w", err)
	}
	config := dispatcherConfig{Magic: dispatcherMagic, Version: dispatcherVersion, Parts: uint8(len(parts)), Frags: 1}
	for i, p := range parts {
		config.Actions[i], config.Priorities[i] = p.actions|emptyPlace, p.priority
		if p.frags {
			config.Flags[i] = unix.BPF_F_XDP_HAS_FRAGS
		} else {
			config.Frags = 0
		}
	}
	if config.Frags != 0 {
		spec.Programs[dispatcherProgXdpDispatcher].Flags |= unix.BPF_F_XDP_HAS_FRAGS
	}
	if err := spec.Variables[dispatcherVarConfig].Set(config); err != nil {
		return nil, fmt.Errorf("bpf: dispatcher: %w", err)
	}
	c, err := ebpf.NewCollection(spec)
	if err != nil {
		return nil, explain(fmt.Errorf("bpf: load dispatcher: %w", err))
	}
	defer c.Close()
	return c.DetachProgram(dispatcherProgXdpDispatcher), nil
}

func (d *dispatcher) fill(parts []part) error {
	info, err := d.prog.Info()
	if err != nil {
		return fmt.Errorf("bpf: dispatcher: %w", err)
	}
	d.id, _ = info.ID() // known since Linux 4.13
	for n, p := range parts {
		l, err := link.AttachFreplace(d.prog, placeName(n, len(parts)), p.prog)
		if err != nil {
			return explain(fmt.Errorf("bpf: put %s into its place of the dispatcher: %w", p.name, err))
		}
		d.links = append(d.links, l)
		if p.prog, err = p.prog.Clone(); err != nil {
			return fmt.Errorf("bpf: %w", err)
		}
		d.parts = append(d.parts, p)
	}
	return nil
}

// placeName is the function that part n of all replaces: of a single one the dispatcher itself.
func placeName(n, all int) string {
	if all == 1 {
		return dispatcherName
	}
	return fmt.Sprintf("prog%d", n)
}

// pin keeps the parts in their places, as libxdp expects it. The caller holds the lock.
func (d *dispatcher) pin(bpffs string, iface *net.Interface) error {
	d.folder = pinFolder(bpffs, iface.Index, d.id)
	if err := os.Mkdir(d.folder, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("bpf: pin dispatcher: %w", err)
	}
	for n, p := range d.parts {
		if err := d.links[n].Pin(placePin(d.folder, n, "link")); err != nil {
			return errors.Join(explain(fmt.Errorf("bpf: pin dispatcher: %w", err)), d.unpin())
		}
		// A clone, since a program remembers one pin only.
		c, err := p.prog.Clone()
		if err == nil {
			err = c.Pin(placePin(d.folder, n, "prog"))
			c.Close()
		}
		if err != nil {
			return errors.Join(explain(fmt.Errorf("bpf: pin dispatcher: %w", err)), d.unpin())
		}
	}
	return nil
}

func (d *dispatcher) unpin() error {
	if err := os.RemoveAll(d.folder); err != nil {
		return fmt.Errorf("bpf: unpin dispatcher: %w", err)
	}
	return nil
}
