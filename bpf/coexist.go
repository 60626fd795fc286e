package bpf

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// DefaultPriority puts the sensor behind xdp-filter (10), which drops, and before libxdp's program for AF_XDP sockets (20) and what says
// nothing (50).
const DefaultPriority = 15

// membership is the program as a part of an interface's dispatcher.
type membership struct {
	bpffs string
	iface *net.Interface
	prog  *ebpf.Program
	id    ebpf.ProgramID
	pin   string // by which the next process knows it
	seen  uint32 // the dispatcher that it was last found in
}

// Close lets go of it; it stays where it is.
func (m *membership) Close() error { return m.prog.Close() }

// detach takes it out of the dispatcher, and the dispatcher off the interface if nothing else is in it.
func (m *membership) detach() error {
	return errors.Join(leave(m.bpffs, m.iface, m.id), os.Remove(m.pin), m.Close())
}

// join makes the program a part of the interface's dispatcher, in the place of that of an earlier process, or makes a dispatcher.
// Everything is in its place before the interface is given the new dispatcher, at once instead of the old one.
func (s *Sensor) join(iface *net.Interface) (attachment, error) {
	if s.opts.NoPin {
		return nil, errors.New("bpf: a dispatcher's programs must be pinned")
	}
	if err := s.refuseOwnLink(iface); err != nil {
		return nil, err
	}
	prog, err := s.loadPart()
	if err != nil {
		return nil, err
	}
	mine, err := newPart(prog)
	if err != nil {
		prog.Close()
		return nil, err
	}
	mine.priority, mine.actions, mine.frags = s.opts.Priority, actionPass, s.opts.Frags
	m := &membership{bpffs: s.opts.BPFFS, iface: iface, prog: prog, id: mine.id, pin: filepath.Join(s.opts.folder(), partName(iface.Name))}
	if err := s.enrol(m, mine); err != nil {
		prog.Close()
		return nil, err
	}
	return m, nil
}

func (s *Sensor) enrol(m *membership, mine part) error {
	before, pins, err := earlierPart(s.opts, m.iface.Name)
	if err != nil {
		return err
	}
	err = change(m.bpffs, m.iface, func(old *dispatcher) ([]part, error) {
		parts := append(old.without(before), mine)
		order(parts)
		return parts, nil
	})
	if err != nil {
		return err
	}
	for _, pin := range pins {
		if err := os.Remove(pin); err != nil {
			return fmt.Errorf("bpf: %w", err)
		}
		if folder := filepath.Dir(pin); folder != s.opts.folder() {
			if err := forget(folder); err != nil {
				return err
			}
		}
	}
	clone, err := m.prog.Clone()
	if err != nil {
		return fmt.Errorf("bpf: %w", err)
	}
	defer clone.Close()
	if err := clone.Pin(m.pin); err != nil {
		return explain(fmt.Errorf("bpf: pin program %s: %w", m.pin, err))
	}
	return nil
}

// earlierPart finds the program that an earlier process of the same name, of whatever ABI, made a part of the interface's dispatcher;
// number 0 if there is none.
func earlierPart(o Options, ifname string) (id ebpf.ProgramID, pins []string, err error) {
	pins, err = filepath.Glob(filepath.Join(o.BPFFS, "weir", "v*", pinName(o.Name), partName(ifname)))
	if err != nil {
		return 0, nil, fmt.Errorf("bpf: %w", err)
	}
	for _, pin := range pins {
		if id, err = pinnedID(pin); err != nil {
			return 0, nil, err
		}
	}
	return id, pins, nil
}

func pinnedID(pin string) (ebpf.ProgramID, error) {
	prog, err := ebpf.LoadPinnedProgram(pin, nil)
	if err != nil {
		return 0, explain(fmt.Errorf("bpf: open pinned program %s: %w", pin, err))
	}
	defer prog.Close()
	p, err := newPart(prog)
	return p.id, err
}

func partName(ifname string) string { return "part_" + pinName(ifname) }

// refuseOwnLink fails if the sensor is on the interface without a dispatcher: one cannot take the other's place without a gap.
func (s *Sensor) refuseOwnLink(iface *net.Interface) error {
	pins, err := filepath.Glob(filepath.Join(s.opts.BPFFS, "weir", "v*", pinName(s.opts.Name), linkName(iface.Name)))
	if err == nil && len(pins) > 0 {
		err = fmt.Errorf("bpf: interface %s carries this sensor's program without a dispatcher, and packets would pass unjudged while that changes: "+
			"take it off first (sensor detach)", iface.Name)
	}
	return err
}

// leave takes a program out of the interface's dispatcher.
func leave(bpffs string, iface *net.Interface, id ebpf.ProgramID) error {
	return change(bpffs, iface, func(old *dispatcher) ([]part, error) {
		if old == nil || !old.has(id) {
			return nil, errGone
		}
		return old.without(id), nil
	})
}

var errGone = errors.New("is not there any more")

// tries bounds how often change begins anew because another has changed the interface's programs.
const tries = 10

// change has the interface run what pick makes of its dispatcher, which is nil if there is none.
func change(bpffs string, iface *net.Interface, pick func(*dispatcher) ([]part, error)) error {
	unlock, err := lockDispatchers(bpffs)
	if err != nil {
		return err
	}
	defer unlock()
	for n := range tries {
		err = changeOnce(bpffs, iface, pick)
		if errors.Is(err, errGone) {
			return nil
		}
		if !errors.Is(err, unix.EEXIST) && !errors.Is(err, unix.EBUSY) {
			return err
		}
		time.Sleep(time.Millisecond << n)
	}
	return err
}

func changeOnce(bpffs string, iface *net.Interface, pick func(*dispatcher) ([]part, error)) error {
	old, hook, err := current(bpffs, iface)
	if err != nil {
		return err
	}
	defer old.close()
	parts, err := pick(old)
	if err != nil {
		return err
	}
	if len(parts) == 0 {
		return errors.Join(swap(iface, -1, old, hook), old.unpin())
	}
	next, err := buildDispatcher(parts)
	if err != nil {
		return err
	}
	defer next.close()
	if err := next.pin(bpffs, iface); err != nil {
		return err
	}
	if err := swap(iface, next.prog.FD(), old, hook); err != nil {
		return errors.Join(err, next.unpin())
	}
	if old != nil {
		return old.unpin()
	}
	return nil
}

// current opens the interface's dispatcher, and says by which hook it is attached; nil if the interface has no XDP program.
func current(bpffs string, iface *net.Interface) (d *dispatcher, hook uint32, err error) {
	dev, err := netlink.LinkByIndex(iface.Index)
	if err != nil {
		return nil, 0, fmt.Errorf("bpf: interface %s: %w", iface.Name, err)
	}
	xdp := dev.Attrs().Xdp
	if xdp == nil || !xdp.Attached {
		return nil, 0, nil
	}
	hook = unix.XDP_FLAGS_DRV_MODE
	if xdp.AttachMode == nl.XDP_ATTACHED_SKB {
		hook = unix.XDP_FLAGS_SKB_MODE
	}
	d, err = openDispatcher(bpffs, iface.Index, ebpf.ProgramID(xdp.ProgId))
	if errors.Is(err, errNoDispatcher) {
		err = fmt.Errorf("bpf: interface %s carries XDP program %s by itself, which is not made to share it: "+
			"take it off first (ip link set dev %s xdp off)", iface.Name, programName(xdp.ProgId), iface.Name)
	}
	return d, hook, err
}

// swap gives the interface the program, -1 for none, in the place of the old dispatcher; without one, by the driver's hook or else the
// generic one.
func swap(iface *net.Interface, fd int, old *dispatcher, hook uint32) error {
	if old != nil {
		err := setXDP(iface.Index, fd, old.prog.FD(), hook|unix.XDP_FLAGS_REPLACE)
		if err != nil {
			err = explain(fmt.Errorf("bpf: replace the dispatcher of %s (MTU %d): %w", iface.Name, iface.MTU, err))
		}
		return err
	}
	native := setXDP(iface.Index, fd, -1, unix.XDP_FLAGS_DRV_MODE|unix.XDP_FLAGS_UPDATE_IF_NOEXIST)
	if native == nil {
		return nil
	}
	if generic := setXDP(iface.Index, fd, -1, unix.XDP_FLAGS_SKB_MODE|unix.XDP_FLAGS_UPDATE_IF_NOEXIST); generic != nil {
		return explain(fmt.Errorf("bpf: attach a dispatcher to %s (MTU %d): native: %w; generic: %w", iface.Name, iface.MTU, native, generic))
	}
	return nil
}

// iflaXDPExpectedFD names the program that is to be replaced (linux/if_link.h, Linux 5.7).
const iflaXDPExpectedFD = 8

// setXDP asks the kernel as libxdp does: without a link, which would lock others out.
func setXDP(ifindex, fd, expected int, flags uint32) error {
	req := nl.NewNetlinkRequest(unix.RTM_SETLINK, unix.NLM_F_ACK)
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(ifindex)
	req.AddData(msg)
	xdp := nl.NewRtAttr(unix.IFLA_XDP|unix.NLA_F_NESTED, nil)
	xdp.AddRtAttr(nl.IFLA_XDP_FD, nl.Uint32Attr(uint32(int32(fd))))
	xdp.AddRtAttr(nl.IFLA_XDP_FLAGS, nl.Uint32Attr(flags))
	if flags&unix.XDP_FLAGS_REPLACE != 0 {
		xdp.AddRtAttr(iflaXDPExpectedFD, nl.Uint32Attr(uint32(int32(expected))))
	}
	req.AddData(xdp)
	_, err := req.Execute(unix.NETLINK_ROUTE, 0)
	return err
}

// lockDispatchers takes libxdp's lock: whoever looks at pins of dispatchers, or changes them, holds it.
func lockDispatchers(bpffs string) (unlock func(), err error) {
	folder := filepath.Join(bpffs, "xdp")
	if err := os.Mkdir(folder, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("bpf: dispatchers: %w", err)
	}
	f, err := os.Open(folder)
	if err != nil {
		return nil, fmt.Errorf("bpf: dispatchers: %w", err)
	}
	for { // what holds it is done in a moment
		if err = unix.Flock(int(f.Fd()), unix.LOCK_EX); err != unix.EINTR {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("bpf: lock %s: %w", folder, err)
	}
	return func() { f.Close() }, nil
}

// leaveAll takes the programs that are pinned in the folder out of the dispatchers of all interfaces there are.
func leaveAll(bpffs, folder string) error {
	pins, err := filepath.Glob(filepath.Join(folder, partName("*")))
	if err != nil || len(pins) == 0 {
		return err
	}
	devices, err := net.Interfaces()
	if err != nil {
		return fmt.Errorf("bpf: %w", err)
	}
	var errs []error
	for _, pin := range pins {
		id, err := pinnedID(pin)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for i := range devices {
			if partName(devices[i].Name) == filepath.Base(pin) {
				errs = append(errs, leave(bpffs, &devices[i], id))
			}
		}
	}
	return errors.Join(errs...)
}

// members names the parts of the interface's dispatcher, in the order in which they run.
func members(bpffs string, iface *net.Interface) ([]part, error) {
	unlock, err := lockDispatchers(bpffs)
	if err != nil {
		return nil, err
	}
	defer unlock()
	d, _, err := current(bpffs, iface)
	if err != nil || d == nil {
		return nil, err
	}
	defer d.close()
	return slices.Clone(d.parts), nil
}
