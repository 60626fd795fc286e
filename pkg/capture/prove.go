package capture

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/weir-ips/weir/bpf"
)

// proofWait is how long a frame may take to come or go; the drivers that lose frames lose them for good.
const proofWait = time.Second

// Prove sends one frame through the program into the socket, and one out of the socket, before traffic is trusted to it: there are
// drivers that accept a socket and lose its frames. A socket that fails in zero-copy mode is bound anew in copy mode, and LeftZeroCopy
// says why. The program must be ready to hand undecided frames to inspection. What else waits in the socket stays there. Before Linux
// 5.18, and of queues other than 0, only the way out can be tried. device must have the socket's number.
func (x *XSK) Prove(program *ebpf.Program, mode bpf.Mode, device *net.Interface) error {
	if x.inherited {
		return nil // has been at work
	}
	err := x.prove(program, mode, device)
	if err != nil && x.ZeroCopy() {
		x.distrust = err
		if err = x.rebind(); err == nil {
			err = x.prove(program, mode, device)
		}
	}
	if err != nil {
		return fmt.Errorf("capture: AF_XDP on %s, queue %d: %w", device.Name, x.cfg.Queue, err)
	}
	return nil
}

// LeftZeroCopy is why Prove bound the socket anew in copy mode; nil if it did not.
func (x *XSK) LeftZeroCopy() error { return x.distrust }

func (x *XSK) prove(program *ebpf.Program, mode bpf.Mode, device *net.Interface) error {
	if x.cfg.Queue > 0 {
		program = nil // the kernel lets such a frame come by queue 0 alone
	}
	if err := x.proveIn(program, proofFrame(mode)); err != nil {
		return err
	}
	return x.proveOut(device.HardwareAddr)
}

// Prove proves those of the sockets that are the device's.
func (b Bundle) Prove(program *ebpf.Program, mode bpf.Mode, device *net.Interface) error {
	for _, x := range b {
		if x.cfg.Ifindex != device.Index {
			continue
		}
		if err := x.Prove(program, mode, device); err != nil {
			return err
		}
	}
	return nil
}

// xdpMd is struct xdp_md (linux/bpf.h).
type xdpMd struct{ Data, DataEnd, DataMeta, IngressIfindex, RxQueueIndex, EgressIfindex uint32 }

// proveIn has the kernel run the program on a frame as if it had come by the queue, and looks for it in the receive ring.
func (x *XSK) proveIn(program *ebpf.Program, frame []byte) error {
	if program == nil {
		return nil
	}
	_, err := program.Run(&ebpf.RunOptions{Data: frame, Repeat: 1, Flags: unix.BPF_F_TEST_XDP_LIVE_FRAMES,
		Context: &xdpMd{DataEnd: uint32(len(frame)), IngressIfindex: uint32(x.cfg.Ifindex)}})
	if errors.Is(err, unix.EINVAL) || errors.Is(err, ebpf.ErrNotSupported) {
		return nil // no live frames: an older kernel
	}
	if err != nil {
		return fmt.Errorf("self-test: %w", err)
	}
	for start := time.Now(); time.Since(start) < proofWait; time.Sleep(time.Millisecond) {
		for i := range x.rx.ready() {
			desc := x.rx.at(x.rx.own + uint32(i))
			if bytes.Equal(x.area[desc.Addr:][:desc.Len], frame) {
				x.proof = desc.Addr + 1
				return nil
			}
		}
	}
	return fmt.Errorf("self-test: a frame that the program handed over did not come within %v: the driver loses frames of AF_XDP sockets", proofWait)
}

// proveOut sends a frame to the interface's own address and waits until the driver is done with it.
func (x *XSK) proveOut(own net.HardwareAddr) error {
	frame := localFrame(own)
	free := len(x.spare)
	x.copyOut([][]byte{frame})
	x.tx.publish()
	for start := time.Now(); time.Since(start) < proofWait; time.Sleep(time.Millisecond) {
		if err := x.kick(); err != nil {
			return fmt.Errorf("self-test: %w", err)
		}
		if x.reap(); len(x.spare) == free {
			return nil
		}
	}
	return fmt.Errorf("self-test: the driver did not send a frame within %v: is the interface up?", proofWait)
}

// localFrame is a frame to the interface itself that nobody listens for.
func localFrame(own net.HardwareAddr) []byte {
	frame := make([]byte, 60)
	copy(frame, own)
	copy(frame[6:], own)
	frame[12], frame[13] = 0x88, 0xb5 // for local experiments (IEEE 802)
	return frame
}

// proofFrame is a frame that no verdict is about and no rule of the program's dislikes: an empty DHCP datagram, in gwlb in GENEVE.
func proofFrame(mode bpf.Mode) []byte {
	datagram := []byte{
		0x45, 0, 0, 36, 0, 0, 0, 0, 64, 17, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 0, 68, 0, 67, 0, 16, 0, 0,
		'w', 'e', 'i', 'r', 't', 'e', 's', 't',
	}
	ethernet := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00}
	if mode != bpf.ModeGWLB {
		return append(append(ethernet, datagram...), make([]byte, 10)...)
	}
	outer := []byte{
		0x45, 0, 0, 72, 0, 0, 0, 0, 64, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x17, 0xc1, 0x17, 0xc1, 0, 52, 0, 0,
		0, 0, 0x08, 0x00, 0, 0, 0, 0,
	}
	return append(append(ethernet, outer...), datagram...)
}
