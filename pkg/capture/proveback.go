package capture

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

const (
	backFrames = 256                    // of the proof: many, so that other traffic is told from them
	backWait   = 100 * time.Millisecond // for the interface to count them
)

// ProveBack has the kernel send frames to the interface itself as an XDP program does (XDP_TX), and sees whether the interface counts them
// as sent: there are drivers that say nothing and lose them. A program must be attached, since drivers send such frames only then. It may
// be called by any goroutine in the interface's network namespace.
func ProveBack(device *net.Interface) error {
	back, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: "prove_back", Type: ebpf.XDP, License: "MIT", Instructions: asm.Instructions{
		asm.Mov.Imm(asm.R0, 3 /* XDP_TX */), asm.Return(),
	}})
	if err != nil {
		return fmt.Errorf("self-test: %w", err)
	}
	defer back.Close()
	start, err := sentBy(device.Name)
	if err != nil {
		return err
	}
	time.Sleep(backWait)
	before, err := sentBy(device.Name)
	if err != nil {
		return err
	}
	frame := localFrame(device.HardwareAddr)
	if _, err := back.Run(&ebpf.RunOptions{Data: frame, Repeat: backFrames, Flags: unix.BPF_F_TEST_XDP_LIVE_FRAMES,
		Context: &xdpMd{DataEnd: uint32(len(frame)), IngressIfindex: uint32(device.Index)}}); err != nil {
		return fmt.Errorf("self-test: sending frames by XDP_TX: %w", err)
	}
	noise := before - start
	for end := time.Now().Add(2 * backWait); ; time.Sleep(backWait / 20) {
		now, err := sentBy(device.Name)
		if err != nil {
			return err
		}
		if now-before >= backFrames/2+2*noise {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("self-test: of %d frames that XDP sent by itself %d went out (beside some %d of others): the driver loses them", backFrames, now-before, noise)
		}
	}
}

// sentBy is how many packets an interface has sent, by the namespace of the calling thread (proc(5), /proc/net/dev).
func sentBy(name string) (uint64, error) {
	const file, column = "/proc/thread-self/net/dev", 9 // of the numbers
	f, err := os.Open(file)
	if err != nil {
		return 0, fmt.Errorf("self-test: %w", err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		dev, numbers, _ := strings.Cut(lines.Text(), ":")
		if fields := strings.Fields(numbers); strings.TrimSpace(dev) == name && len(fields) > column {
			return strconv.ParseUint(fields[column], 10, 64)
		}
	}
	return 0, fmt.Errorf("self-test: %s: no interface %s", file, name)
}
