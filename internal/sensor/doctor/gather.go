package doctor

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/weir-ips/weir/bpf"
)

// Subject is what to look at.
type Subject struct {
	Mode       string // host, gwlb, bridge or mirror
	Interfaces []string
	BPFFS      string
}

// Gather looks. What cannot be found out stands in the facts as an error; nothing on the host changes.
func Gather(s Subject) Facts {
	f := Facts{Mode: s.Mode, BPFFS: s.BPFFS, Kernel: release(), Program: program(s.Mode), Capabilities: effective(), ClockSynced: synced()}
	var fs unix.Statfs_t
	f.BPFFSMounted = unix.Statfs(s.BPFFS, &fs) == nil && fs.Type == unix.BPF_FS_MAGIC
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit) == nil {
		f.LockedMemory = limit.Cur
	}
	for _, name := range s.Interfaces {
		f.Interfaces = append(f.Interfaces, look(name, s.Mode))
	}
	f.DefaultRoutes = defaultRoutes()
	return f
}

func release() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

// modeOf is the program's mode; host for one that there is not.
func modeOf(name string) bpf.Mode {
	for _, m := range []bpf.Mode{bpf.ModeGWLB, bpf.ModeBridge, bpf.ModeMirror} {
		if m.String() == name {
			return m
		}
	}
	return bpf.ModeHost
}

// program loads the real program with small maps that end with it.
func program(mode string) string {
	m := modeOf(mode)
	o := bpf.Options{Mode: m, Name: "doctor", NoPin: true, Sources: 64, Flows: 64}
	if m == bpf.ModeHost || m == bpf.ModeMirror {
		o.Rings = 1
	}
	k, err := bpf.Load(o)
	if err != nil {
		return err.Error()
	}
	if err := k.Close(); err != nil {
		return err.Error()
	}
	return ""
}

// effective reads the process's effective capabilities.
func effective() uint64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "CapEff:"); ok {
			n, err := strconv.ParseUint(strings.TrimSpace(v), 16, 64)
			if err != nil {
				return 0
			}
			return n
		}
	}
	return 0
}

// synced asks the kernel's clock discipline (adjtimex(2)).
func synced() bool {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	return err == nil && state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0
}

func look(name, mode string) Interface {
	i := Interface{Name: name}
	nic, err := net.InterfaceByName(name)
	if err != nil {
		i.Error = fmt.Sprintf("no such interface: %v", err)
		return i
	}
	i.Up, i.MTU = nic.Flags&net.FlagUp != 0, nic.MTU
	if err := bpf.Jumbo(nic, modeOf(mode)); err != nil {
		i.OneBuffer = err.Error()
	}
	if addrs, err := nic.Addrs(); err == nil {
		i.Addresses = len(addrs)
	}
	sys := filepath.Join("/sys/class/net", name)
	if target, err := os.Readlink(filepath.Join(sys, "device/driver")); err == nil {
		i.Driver = filepath.Base(target)
	}
	if b, err := os.ReadFile(filepath.Join(sys, "device/driver/module/version")); err == nil {
		i.DriverVersion = strings.TrimSpace(string(b))
	}
	queues, _ := filepath.Glob(filepath.Join(sys, "queues/rx-*")) // the pattern is right
	i.Queues = max(len(queues), 1)
	return i
}

// defaultRoutes names the interfaces of default routes, IPv4 and IPv6.
func defaultRoutes() (names []string) {
	routes, err := netlink.RouteList(nil, netlink.FAMILY_ALL)
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil
	}
	for _, r := range routes {
		if r.Dst != nil {
			if ones, _ := r.Dst.Mask.Size(); ones != 0 || !r.Dst.IP.IsUnspecified() {
				continue
			}
		}
		if nic, err := net.InterfaceByIndex(r.LinkIndex); err == nil {
			names = append(names, nic.Name)
		}
	}
	return names
}
