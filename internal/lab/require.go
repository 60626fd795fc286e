package lab

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

const (
	bpffs     = "/sys/fs/bpf"
	sysAdmin  = unix.CAP_SYS_ADMIN
	netAdmin  = unix.CAP_NET_ADMIN
	netRaw    = unix.CAP_NET_RAW
	bpfRights = unix.CAP_BPF
)

// Require says in one sentence what the machine lacks for a lab with sensors in it: root, namespaces, BPF, bpffs. It changes nothing.
func Require() error {
	if err := requirePrivileges(); err != nil {
		return err
	}
	if err := requireBPF(); err != nil {
		return err
	}
	mounted, err := bpffsMounted()
	if err != nil {
		return fmt.Errorf("lab: %s: %w", bpffs, err)
	}
	if !mounted {
		return fmt.Errorf("lab: no BPF file system at %s: mount -t bpf bpf %s", bpffs, bpffs)
	}
	return nil
}

// requirePrivileges checks what every lab needs: the right to make namespaces and interfaces and to send raw frames.
func requirePrivileges() error {
	for _, c := range []struct {
		bit  int
		name string
	}{{sysAdmin, "CAP_SYS_ADMIN"}, {netAdmin, "CAP_NET_ADMIN"}, {netRaw, "CAP_NET_RAW"}} {
		if ok, err := capable(c.bit); err != nil {
			return fmt.Errorf("lab: reading this process's capabilities: %w", err)
		} else if !ok {
			return fmt.Errorf("lab: network namespaces need root (%s is missing): run as root", c.name)
		}
	}
	if _, err := os.Stat("/proc/self/ns/net"); err != nil {
		return errors.New("lab: the kernel has no network namespaces (CONFIG_NET_NS)")
	}
	return nil
}

// requireBPF loads the smallest XDP program there is, and opens an AF_XDP socket.
func requireBPF() error {
	if ok, err := capable(bpfRights); err == nil && !ok {
		return errors.New("lab: loading XDP programs needs root (CAP_BPF is missing): run as root")
	}
	fd, err := loadReturn(xdpPass, 0)
	if err != nil {
		return fmt.Errorf("lab: the kernel does not load XDP programs (CONFIG_BPF_SYSCALL, or a lock-down): %w", err)
	}
	if err := unix.Close(fd); err != nil {
		return fmt.Errorf("lab: closing an XDP program: %w", err)
	}
	if fd, err = unix.Socket(unix.AF_XDP, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
		return fmt.Errorf("lab: the kernel has no AF_XDP (CONFIG_XDP_SOCKETS): %w", err)
	}
	return unix.Close(fd)
}

// capable reports whether the capability is in this process's effective set.
func capable(bit int) (bool, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false, err
	}
	return data[bit/32].Effective&(1<<(bit%32)) != 0, nil
}

func bpffsMounted() (bool, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(bpffs, &st); err != nil {
		return false, err
	}
	return st.Type == unix.BPF_FS_MAGIC, nil
}

// MountBPFFS mounts the BPF file system at /sys/fs/bpf unless it is there already, and returns how to undo it. It is for make demo
// and CI, which say so; nothing else in the lab calls it.
func MountBPFFS() (undo func() error, err error) {
	nothing := func() error { return nil }
	switch mounted, err := bpffsMounted(); {
	case err != nil:
		return nil, fmt.Errorf("lab: %s: %w", bpffs, err)
	case mounted:
		return nothing, nil
	}
	if err := unix.Mount("bpf", bpffs, "bpf", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0700"); err != nil {
		return nil, fmt.Errorf("lab: mounting the BPF file system at %s: %w", bpffs, err)
	}
	return func() error {
		if err := unix.Unmount(bpffs, 0); err != nil {
			return fmt.Errorf("lab: unmounting %s: %w", bpffs, err)
		}
		return nil
	}, nil
}
