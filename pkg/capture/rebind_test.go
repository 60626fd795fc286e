package capture_test

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/internal/lab"
	"github.com/weir-ips/weir/pkg/capture"
)

// TestXSKLeavesZeroCopy binds a socket anew between two batches: what comes afterwards goes through it as before. That a socket was in
// zero-copy mode makes no difference to how it leaves that.
func TestXSKLeavesZeroCopy(t *testing.T) {
	r := gwlbRig(t)
	x := r.open(t, capture.XSKConfig{Frames: 64})
	for range 3 {
		sent := r.frames(40)
		_, err := r.wire.Send(sent...)
		check(t, err)
		pump(t, x, 40, func(*capture.Frame) {})
		compare(t, r.geneve(t, 40), sent)
		x.LeaveZeroCopy()
		check(t, r.far.NS.Run(func() error { _, err := x.Recv(make([]capture.Frame, 1), 0); return err }))
		if c := r.sensor.Credit(0); c.Granted-c.Used != 64 {
			t.Errorf("credit for %d frames in the new socket; want 64", c.Granted-c.Used)
		}
	}
	if s := x.Stats(); s.Frames != 120 || s.Forwarded != 120 || s.Lost+s.TxFull+s.Abandoned != 0 {
		t.Errorf("%+v", s)
	}
}

// TestDealLeavesZeroCopy does so while other workers have frames of the sockets: those must come back first.
func TestDealLeavesZeroCopy(t *testing.T) {
	needTwoProcessors(t)
	r := newRigWith(t, bpf.Options{Mode: bpf.ModeGWLB}, 2, false)
	stats, stop := r.deal(t, capture.DealOptions{Workers: 2}, func(int, *capture.Frame) { time.Sleep(20 * time.Microsecond) })
	halves := r.conversations(40, 10, 660)
	want := append(halves[0], halves[1]...)
	r.sendHalves(t, halves)
	for _, x := range r.xsks {
		x.LeaveZeroCopy()
	}
	before := len(r.geneve(t, len(want))) // some may have waited in a socket that went
	halves = r.conversations(40, 10, 660)
	r.sendHalves(t, halves)
	compare(t, r.geneve(t, len(want)), append(halves[0], halves[1]...))
	stop()
	if s := stats(); s.HandedOver == 0 || s.Forwarded != s.Frames || s.Lost+s.TxFull != 0 {
		t.Errorf("%d came back while the sockets went: %+v", before, s)
	}
}

// TestProvesBack has XDP send frames by a cable whose other end cannot take such, which nobody says: the interface's counters show it.
func TestProvesBack(t *testing.T) {
	for name, taken := range map[string]bool{"taken": true, "lost": false} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			near, err := l.Namespace("near")
			check(t, err)
			far, err := l.Namespace("far")
			check(t, err)
			end, other, err := l.Cable(lab.End{NS: near, Name: "eth0", Pass: taken}, lab.End{NS: far, Name: "eth0"})
			check(t, err)
			rigOn(t, bpf.Options{Mode: bpf.ModeGWLB}, end, other)
			err = far.Run(func() error {
				device, err := net.InterfaceByName("eth0")
				if err != nil {
					return err
				}
				return capture.ProveBack(device)
			})
			if taken != (err == nil) || !taken && !strings.Contains(err.Error(), "frames") {
				t.Errorf("proved: %v", err)
			}
			t.Log(err)
		})
	}
}
