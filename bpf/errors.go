package bpf

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// explain adds to an error what a person can do about it, where that is known.
func explain(err error) error {
	var verifier *ebpf.VerifierError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES) && !errors.As(err, &verifier):
		return fmt.Errorf("%w: run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON", err)
	case errors.Is(err, ebpf.ErrNotSupported):
		return fmt.Errorf("%w: needs Linux 5.10 or later with CONFIG_BPF_SYSCALL and CONFIG_XDP_SOCKETS", err)
	}
	return err
}

// checkBPFFS refuses a folder that is not on a bpf file system.
func checkBPFFS(path string) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return fmt.Errorf("bpf: %s: %w: mount a bpf file system there (mount -t bpf bpf %s)", path, err, path)
	}
	if fs.Type != unix.BPF_FS_MAGIC {
		return fmt.Errorf("bpf: %s is not a bpf file system: mount one (mount -t bpf bpf %s)", path, path)
	}
	return nil
}
