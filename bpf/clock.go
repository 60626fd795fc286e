package bpf

import "time"

// Clock converts between the program's ticks and time. A tick is jiffies >> shift, about 64 ms; jiffies run with
// CLOCK_MONOTONIC.
type Clock struct {
	hz    int64 // jiffies per second
	shift uint8
	zero  int64 // jiffies at CLOCK_MONOTONIC 0
}

// Tick is the tick at CLOCK_MONOTONIC mono.
func (c Clock) Tick(mono time.Duration) uint32 {
	return uint32((c.zero + int64(mono)/1e3*c.hz/1e6) >> c.shift)
}

// Time is the CLOCK_MONOTONIC time at which tick begins.
func (c Clock) Time(tick uint32) time.Duration {
	return time.Duration(int64(tick)<<c.shift-c.zero) * time.Second / time.Duration(c.hz)
}

// Length is how long a tick lasts.
func (c Clock) Length() time.Duration { return time.Second << c.shift / time.Duration(c.hz) }
