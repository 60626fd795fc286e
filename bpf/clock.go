package bpf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Clock converts between the program's ticks and time. A tick is jiffies >> shift, about 64 ms; jiffies run with
// CLOCK_MONOTONIC.
type Clock struct {
	hz    int64 // jiffies per second
	shift uint8
	zero  int64 // jiffies at CLOCK_MONOTONIC 0

	base time.Time     // some moment
	mono time.Duration // CLOCK_MONOTONIC then
}

// Now is CLOCK_MONOTONIC, by way of Go's clock, which needs no system call.
func (c Clock) Now() time.Duration { return c.mono + time.Since(c.base) }

// Tick is the tick at CLOCK_MONOTONIC mono.
func (c Clock) Tick(mono time.Duration) uint32 {
	return uint32((c.zero + int64(mono/time.Microsecond)*c.hz/1e6) >> c.shift)
}

// Time is the CLOCK_MONOTONIC time at which tick begins.
func (c Clock) Time(tick uint32) time.Duration {
	jiffies := int64(tick)<<c.shift - c.zero
	return time.Duration(jiffies/c.hz)*time.Second + time.Duration(jiffies%c.hz)*time.Second/time.Duration(c.hz)
}

// Length is how long a tick lasts.
func (c Clock) Length() time.Duration { return time.Second << c.shift / time.Duration(c.hz) }

// Ticks is how many ticks d takes, rounded up.
func (c Clock) Ticks(d time.Duration) uint32 { return uint32((d + c.Length() - 1) / c.Length()) }

// Monotonic reads CLOCK_MONOTONIC.
func Monotonic() time.Duration {
	var ts unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // cannot fail: the clock exists and ts is ours
	return time.Duration(ts.Nano())
}

// readClock asks the kernel, through a program of ours, how jiffies relate to CLOCK_MONOTONIC.
func readClock(spec *ebpf.ProgramSpec) (Clock, error) {
	prog, err := ebpf.NewProgram(spec)
	if err != nil {
		return Clock{}, explain(fmt.Errorf("bpf: load program clock: %w", err))
	}
	defer prog.Close()
	_, out, err := prog.Test(make([]byte, 64))
	if err != nil {
		return Clock{}, explain(fmt.Errorf("bpf: run program clock: %w", err))
	}
	c, err := newClock(int64(binary.LittleEndian.Uint64(out)), time.Duration(binary.LittleEndian.Uint64(out[8:])))
	c.base, c.mono = time.Now(), Monotonic()
	return c, err
}

// newClock finds CONFIG_HZ from one reading: jiffies start 300 s before they wrap at 32 bits (INITIAL_JIFFIES,
// include/linux/jiffies.h) and run with CLOCK_MONOTONIC from then on.
func newClock(jiffies int64, mono time.Duration) (Clock, error) {
	for _, hz := range []int64{100, 250, 300, 1000, 200, 128, 256, 512, 1024, 500} {
		initial := int64(uint32(-300 * hz))
		expect := initial + int64(mono/time.Microsecond)*hz/1e6
		if diff := jiffies - expect; diff > -2*hz && diff < 2*hz {
			c := Clock{hz: hz, zero: jiffies - (expect - initial)}
			for c.Length() < 50*time.Millisecond {
				c.shift++
			}
			return c, nil
		}
	}
	return Clock{}, errors.New("bpf: jiffies do not run with CLOCK_MONOTONIC at any known CONFIG_HZ")
}
