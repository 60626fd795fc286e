package bpf

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
)

// attachment is the program on one interface.
type attachment interface {
	Close() error  // lets go of it; what is pinned stays
	detach() error // takes it off
}

// ownLink is the program alone on an interface.
type ownLink struct {
	link.Link
	pin string // "" if not pinned
}

func (l *ownLink) detach() error {
	var gone error
	if l.pin != "" {
		gone = os.Remove(l.pin)
	}
	return errors.Join(gone, l.Link.Detach(), l.Close()) // closing alone takes its time before Linux 6.1
}

// Attach puts the program on the interface, or replaces ours there without a gap, and returns "native" or "generic", with Coexist and
// the programs it shares the interface with, in the order in which they run. Without Coexist it refuses an interface that carries another
// XDP program. Called once for each interface.
func (s *Sensor) Attach(ifname string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	iface, err := net.InterfaceByName(ifname)
	if err != nil {
		return "", fmt.Errorf("bpf: interface %s: %w", ifname, err)
	}
	put := s.alone
	if s.opts.Coexist {
		put = s.join
	}
	a, err := put(iface)
	if err != nil {
		return "", err
	}
	if old := s.links[ifname]; old != nil {
		old.Close()
	}
	s.links[ifname] = a
	return s.attachedMode(iface)
}

// alone puts the program on the interface by a link of its own, which keeps others off.
func (s *Sensor) alone(iface *net.Interface) (attachment, error) {
	l, err := s.takeOver(iface)
	if l != nil || err != nil {
		return l, err
	}
	if err := s.refuseForeign(iface); err != nil {
		return nil, err
	}
	return s.attachNew(iface)
}

// takeOver updates the link that an earlier process of the same name, of whatever ABI, left pinned for the interface; nil if
// there is none. Names keep sensors of different network namespaces apart: interface names and numbers repeat there.
func (s *Sensor) takeOver(iface *net.Interface) (*ownLink, error) {
	if s.opts.NoPin {
		return nil, nil
	}
	pins, err := filepath.Glob(filepath.Join(s.opts.BPFFS, "weir", "v*", pinName(s.opts.Name), linkName(iface.Name)))
	if err != nil {
		return nil, fmt.Errorf("bpf: %w", err)
	}
	for _, pin := range pins {
		l, err := link.LoadPinnedLink(pin, nil)
		if err != nil {
			return nil, explain(fmt.Errorf("bpf: open pinned link %s: %w", pin, err))
		}
		if !onInterface(l, iface) { // the interface it was for is gone
			os.Remove(pin)
			l.Close()
			continue
		}
		if err := l.Update(s.prog); err != nil {
			l.Close()
			return nil, explain(fmt.Errorf("bpf: replace program on %s: %w", iface.Name, err))
		}
		return s.repin(l, pin, iface)
	}
	return nil, nil
}

// repin moves a link's pin to this ABI's folder.
func (s *Sensor) repin(l link.Link, pin string, iface *net.Interface) (*ownLink, error) {
	want := filepath.Join(s.opts.folder(), linkName(iface.Name))
	if pin == want {
		return &ownLink{l, pin}, nil
	}
	if err := l.Pin(want); err != nil {
		l.Close()
		return nil, fmt.Errorf("bpf: pin link %s: %w", want, err)
	}
	if err := forget(filepath.Dir(pin)); err != nil {
		l.Close()
		return nil, err
	}
	return &ownLink{l, want}, nil
}

// forget removes the folder of another ABI, and with it the memory of its maps, when nothing on an interface is pinned there any more.
func forget(folder string) error {
	for _, name := range []string{linkName("*"), partName("*")} {
		if pins, err := filepath.Glob(filepath.Join(folder, name)); err != nil || len(pins) > 0 {
			return err
		}
	}
	if err := os.RemoveAll(folder); err != nil {
		return fmt.Errorf("bpf: maps of another version: %w", err)
	}
	return nil
}

func onInterface(l link.Link, iface *net.Interface) bool {
	info, err := l.Info()
	if err != nil {
		return false
	}
	xdp := info.XDP()
	return xdp != nil && int(xdp.Ifindex) == iface.Index
}

// refuseForeign fails if the interface carries an XDP program.
func (s *Sensor) refuseForeign(iface *net.Interface) error {
	dev, err := netlink.LinkByIndex(iface.Index)
	if err != nil {
		return fmt.Errorf("bpf: interface %s: %w", iface.Name, err)
	}
	xdp := dev.Attrs().Xdp
	if xdp == nil || !xdp.Attached {
		return nil
	}
	if s.opts.NoPin {
		return fmt.Errorf("bpf: interface %s already carries XDP program %s", iface.Name, programName(xdp.ProgId))
	}
	if shared, err := members(s.opts.BPFFS, iface); err == nil {
		return fmt.Errorf("bpf: interface %s already carries XDP programs by a dispatcher: %s: join them (attach: dispatcher), "+
			"or take them off first (sensor detach for an earlier sensor, xdp-loader unload %s --all)", iface.Name, partNames(shared), iface.Name)
	}
	return fmt.Errorf("bpf: interface %s already carries XDP program %s: take it off first "+
		"(ip link set dev %s xdp off, or xdp-loader unload %s --all)", iface.Name, programName(xdp.ProgId), iface.Name, iface.Name)
}

func programName(id uint32) string {
	if p, err := ebpf.NewProgramFromID(ebpf.ProgramID(id)); err == nil {
		defer p.Close()
		if info, err := p.Info(); err == nil {
			return fmt.Sprintf("%q (id %d)", info.Name, id)
		}
	}
	return fmt.Sprintf("%d", id)
}

// attachNew tries the driver's own hook, then the generic one, but not for jumbo frames inline, where it would be too slow.
func (s *Sensor) attachNew(iface *net.Interface) (*ownLink, error) {
	l, native := link.AttachXDP(link.XDPOptions{Program: s.prog, Interface: iface.Index, Flags: link.XDPDriverMode})
	if native != nil && iface.MTU > SingleMTU && (s.opts.Mode == ModeGWLB || s.opts.Mode == ModeBridge) {
		return nil, explain(fmt.Errorf("bpf: the driver of %s takes no program for frames of several buffers (MTU %d): %w: set the MTU to %d or less (ip link set dev %s mtu %d)",
			iface.Name, iface.MTU, native, SingleMTU, iface.Name, SingleMTU))
	}
	if native != nil {
		var generic error
		l, generic = link.AttachXDP(link.XDPOptions{Program: s.prog, Interface: iface.Index, Flags: link.XDPGenericMode})
		if generic != nil {
			return nil, explain(fmt.Errorf("bpf: attach to %s (MTU %d): native: %w; generic: %w", iface.Name, iface.MTU, native, generic))
		}
	}
	if s.opts.NoPin {
		return &ownLink{Link: l}, nil
	}
	pin := filepath.Join(s.opts.folder(), linkName(iface.Name))
	if err := l.Pin(pin); err != nil {
		l.Close()
		return nil, explain(fmt.Errorf("bpf: pin link %s: %w", pin, err))
	}
	return &ownLink{l, pin}, nil
}

func linkName(ifname string) string { return "link_" + pinName(ifname) }

func (s *Sensor) attachedMode(iface *net.Interface) (string, error) {
	dev, err := netlink.LinkByIndex(iface.Index)
	if err != nil {
		return "", fmt.Errorf("bpf: interface %s: %w", iface.Name, err)
	}
	mode := "native"
	if xdp := dev.Attrs().Xdp; xdp != nil && xdp.AttachMode == nl.XDP_ATTACHED_SKB {
		mode = "generic"
	}
	if !s.opts.Coexist {
		return mode, nil
	}
	shared, err := members(s.opts.BPFFS, iface)
	return mode + ", shared: " + partNames(shared), err
}

// On says why the program is not on the interface any more: somebody has taken it off.
func (s *Sensor) On(ifname string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	dev, err := netlink.LinkByName(ifname)
	if err != nil {
		return fmt.Errorf("interface %s: %w", ifname, err)
	}
	var id uint32
	if xdp := dev.Attrs().Xdp; xdp != nil && xdp.Attached {
		id = xdp.ProgId
	}
	m, shared := s.links[ifname].(*membership)
	switch {
	case !shared && id == uint32(s.id), shared && id != 0 && id == m.seen:
		return nil
	case shared && id != 0:
		return s.look(m, id)
	}
	return fmt.Errorf("interface %s: the XDP program is not on it any more", ifname)
}

// look looks into another dispatcher than before.
func (s *Sensor) look(m *membership, id uint32) error {
	parts, err := members(s.opts.BPFFS, m.iface)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(parts, func(p part) bool { return p.id == m.id }) {
		return fmt.Errorf("interface %s: the XDP program is not on it any more, but %s", m.iface.Name, partNames(parts))
	}
	m.seen = id
	return nil
}

// Detach takes the program off its interfaces and removes the pins. The Sensor is still to be closed.
func (s *Sensor) Detach() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, a := range s.links {
		errs = append(errs, a.detach())
	}
	clear(s.links)
	if !s.opts.NoPin {
		errs = append(errs, Unpin(s.opts.BPFFS, s.opts.Name))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("bpf: detach: %w", err)
	}
	return nil
}

// Unpin removes everything that sensors of any ABI left pinned under name, which takes their programs off their
// interfaces if no process holds them. bpffs "" means /sys/fs/bpf.
func Unpin(bpffs, name string) error {
	o := Options{BPFFS: bpffs, Name: name}
	if o.BPFFS == "" {
		o.BPFFS = "/sys/fs/bpf"
	}
	folders, err := filepath.Glob(filepath.Join(o.BPFFS, "weir", "v*", pinName(name)))
	if err != nil {
		return fmt.Errorf("bpf: %w", err)
	}
	var errs []error
	for _, f := range folders {
		errs = append(errs, leaveAll(o.BPFFS, f), os.RemoveAll(f))
	}
	return errors.Join(errs...)
}
