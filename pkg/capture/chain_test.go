package capture

import (
	"bytes"
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-ips/weir/bpf"
)

const (
	fakeFrames    = 16
	fakeFrameSize = 2048
)

// kernel is the other side of a socket's rings: it fills buffers with the pieces of frames, and sends what it is given.
type kernel struct {
	*testing.T
	x    *XSK
	free []uint64 // buffers it may fill
	sent [][]byte
}

func newRing[T any](size int) *ring[T] {
	words := new([3]uint32)
	return &ring[T]{producer: &words[0], consumer: &words[1], flags: &words[2], entries: make([]T, size), mask: uint32(size - 1)}
}

func newKernel(t *testing.T) *kernel {
	x := &XSK{
		fd: -1, area: make([]byte, fakeFrames*fakeFrameSize), rx: newRing[unix.XDPDesc](fakeFrames), tx: newRing[unix.XDPDesc](fakeFrames / 2),
		fill: newRing[uint64](fakeFrames), completion: newRing[uint64](fakeFrames),
	}
	x.cfg = XSKConfig{Frames: fakeFrames, FrameSize: fakeFrameSize, Credit: new(bpf.Credit), Chains: true}
	if err := x.prime(); err != nil {
		t.Fatal(err)
	}
	return &kernel{T: t, x: x}
}

// takeBack takes the buffers that it may fill.
func (k *kernel) takeBack() {
	for n := k.x.fill; *n.consumer != *n.producer; *n.consumer++ {
		k.free = append(k.free, *n.at(*n.consumer)&^(fakeFrameSize-1))
	}
}

// fill writes a frame of pieces of these sizes into buffers, nil if there are too few.
func (k *kernel) fill(number byte, sizes []int) (frame []byte, descs []unix.XDPDesc) {
	if k.takeBack(); len(k.free) < len(sizes) {
		return nil, nil
	}
	for i, size := range sizes {
		addr := k.free[0] + headroom
		k.free = k.free[1:]
		b := k.x.area[addr : addr+uint64(size)]
		for j := range b {
			b[j] = number + byte(j+i)
		}
		if i == 0 { // what hairpin swaps
			binary.BigEndian.PutUint16(b[12:], 0x0800)
		}
		frame = append(frame, b...)
		descs = append(descs, unix.XDPDesc{Addr: addr, Len: uint32(size), Options: unix.XDP_PKT_CONTD})
	}
	descs[len(descs)-1].Options = 0
	return frame, descs
}

// send takes what waits in the transmit ring, and completes it.
func (k *kernel) send() {
	x := k.x
	var frame []byte
	for ; *x.tx.consumer != *x.tx.producer; *x.tx.consumer++ {
		desc := *x.tx.at(*x.tx.consumer)
		frame = append(frame, x.area[desc.Addr:desc.Addr+uint64(desc.Len)]...)
		*x.completion.at(*x.completion.producer) = desc.Addr
		*x.completion.producer++
		if desc.Options&unix.XDP_PKT_CONTD == 0 {
			k.sent = append(k.sent, frame)
			frame = nil
		}
	}
	if frame != nil {
		k.Fatalf("the transmit ring ends within a frame, after %d bytes", len(frame))
	}
}

// inOrder checks that what was sent is what is wanted, but for frames that found no room.
func (k *kernel) inOrder(wanted [][]byte) {
	for i, frame := range k.sent {
		for len(wanted) > 0 && !bytes.Equal(wanted[0], frame) {
			wanted = wanted[1:]
		}
		if len(wanted) == 0 {
			k.Fatalf("frame %d that was sent, of %d bytes, is none that was forwarded, or not in its turn", i, len(frame))
		}
		wanted = wanted[1:]
	}
}

// FuzzChains plays the kernel: frames of one to five pieces, of which it shows some at a time, are inspected in batches of any size, and
// sent on or dropped while the kernel sends now and then. What is inspected is what came, what is sent is that with its addresses
// swapped or nothing, and no buffer is lost. Each byte of the script is a step.
func FuzzChains(f *testing.F) {
	f.Add([]byte{0x01, 0x02, 0xf3, 0x83, 0x84, 0xc0, 0x03, 0xf2, 0xa0, 0xc0})
	f.Add([]byte{0x04, 0x04, 0x04, 0xf1, 0xf1, 0x81, 0xf9, 0x8f, 0x05, 0x05, 0xff, 0x8f, 0xc0, 0x04, 0xff, 0x8f, 0xc0})
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 400 {
			t.Skip("longer than it need be")
		}
		k := newKernel(t)
		x := k.x
		var hidden []unix.XDPDesc // received, and not shown yet
		var came, wanted [][]byte
		inspected, full := 0, 0
		show := func(n int) {
			for ; n > 0 && len(hidden) > 0; n-- {
				*x.rx.at(*x.rx.producer) = hidden[0]
				hidden = hidden[1:]
				*x.rx.producer++
			}
		}
		inspect := func(batch int, drop bool) {
			frames := make([]Frame, batch)
			n := x.take(frames)
			x.gathered.gather(frames[:n], func(*Frame) *XSK { return x })
			for i := range frames[:n] {
				data := frames[i].Data
				if inspected == len(came) || !bytes.Equal(data, came[inspected]) || frames[i].WireLen != len(data) {
					t.Fatalf("frame %d of %d bytes is not what came", inspected, len(data))
				}
				inspected++
				if drop {
					frames[i].Fate = Discard
					continue
				}
				want := bytes.Clone(data)
				hairpin(want)
				wanted = append(wanted, want)
			}
			before := x.stats.txFull.Load()
			if err := x.Done(frames[:n]); err != nil {
				t.Fatal(err)
			}
			full += int(x.stats.txFull.Load() - before)
		}
		for i, step := range script {
			switch step >> 6 {
			case 0, 1: // a frame comes
				var sizes []int
				for p := range int(step%5) + 1 {
					sizes = append(sizes, 64+(i*131+p*977+int(step))%(fakeFrameSize-headroom-64))
				}
				if frame, descs := k.fill(byte(i), sizes); frame != nil {
					came, hidden = append(came, frame), append(hidden, descs...)
				}
			case 2: // a batch is inspected
				inspect(int(step&7)+1, step&0x20 != 0)
			case 3:
				if step&0x30 == 0 {
					k.send()
					x.reap()
				} else {
					show(int(step&0x0f) + 1)
				}
			}
		}
		show(len(hidden))
		for range len(came) {
			inspect(1, true)
		}
		k.send()
		x.reap()
		if inspected != len(came) || len(k.sent) != len(wanted)-full {
			t.Fatalf("of %d frames %d were inspected; of %d forwarded %d were sent, and %d found no room", len(came), inspected, len(wanted), len(k.sent), full)
		}
		k.inOrder(wanted)
		if k.takeBack(); len(k.free) != fakeFrames {
			t.Fatalf("%d of %d buffers came back", len(k.free), fakeFrames)
		}
	})
}
