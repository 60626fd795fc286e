package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"
)

// bootLimit is for a kernel and all its checks together.
const bootLimit = 15 * time.Minute

// boot starts the kernel in qemu and follows its console until it turns itself off.
func boot(ctx context.Context, i image, initrd, accel string, log io.Writer) ([]result, error) {
	ctx, cancel := context.WithTimeout(ctx, bootLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", qemuArgs(i, initrd, accel)...)
	console, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w: apt-get install qemu-system-x86", err)
	}
	c := newConsole(log)
	for lines := bufio.NewScanner(console); lines.Scan(); {
		c.line(lines.Text())
	}
	err = cmd.Wait()
	switch {
	case ctx.Err() != nil:
		err = fmt.Errorf("not done within %v: %w", bootLimit, ctx.Err())
	case err == nil && !c.done:
		err = errors.New("the kernel stopped before the last check")
	}
	return c.results, err
}

// qemuArgs describe a machine with two processors, a serial console, and two network cards of one queue on one cable. With
// iommu_platform a card is one that can do zero-copy AF_XDP. Without cx16 kernels do without CMPXCHG16B, after which the emulation of
// QEMU 7.2 gives Linux 6.12 flags that are none, and it crashes in its allocator.
func qemuArgs(i image, initrd, accel string) []string {
	args := []string{
		"-machine", "q35,accel=" + accel, "-cpu", "max,cx16=off", "-smp", "2", "-m", "2048",
		"-nodefaults", "-nographic", "-no-reboot", "-serial", "stdio", "-monitor", "none",
		"-kernel", i.vmlinuz, "-initrd", initrd, "-append", "console=ttyS0 quiet loglevel=1 panic=-1",
	}
	for n := range 2 {
		args = append(args,
			"-netdev", fmt.Sprintf("hubport,id=port%d,hubid=0", n),
			"-device", fmt.Sprintf("virtio-net-pci,netdev=port%d,iommu_platform=on,disable-legacy=on,romfile=", n))
	}
	return args
}
