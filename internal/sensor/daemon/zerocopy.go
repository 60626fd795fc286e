package daemon

import (
	"context"
	"net"
	"time"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/pkg/capture"
)

const (
	zeroCopyLook   = 250 * time.Millisecond
	zeroCopySample = 64 // packets that XDP sends by itself between two judgements
)

// sends are packets on their way out, since the beginning: by XDP itself, by the sockets, and what the interfaces say of all of them.
type sends struct{ byXDP, bySockets, byInterfaces uint64 }

// lost reports whether the driver has lost most of what XDP sent by itself since before.
func (now sends) lost(before sends) bool {
	return now.byInterfaces-before.byInterfaces < now.bySockets-before.bySockets+(now.byXDP-before.byXDP)/2
}

// zeroCopied returns the sockets that are in zero-copy mode, and tells of those that the self-test took out of it.
func (d *Daemon) zeroCopied(bundles []capture.Bundle) (sockets []*capture.XSK) {
	for _, b := range bundles {
		for _, x := range b {
			if err := x.LeftZeroCopy(); err != nil {
				d.zeroCopyLeft.Add(1)
				d.log.Warn("zero-copy mode failed its self-test: the socket is in copy mode", "error", err)
			}
			if x.ZeroCopy() {
				sockets = append(sockets, x)
			}
		}
	}
	return sockets
}

// watchZeroCopy is the part of the self-test that needs the attached program, and traffic. There are drivers that lose what XDP sends on a
// queue whose socket is in zero-copy mode: all of it, or what came by the wire alone (virtio-net on Linux 7.3), which no frame of our own can
// show. The first packets that XDP sends by itself, and all others, must show in what the interface counts; else the sockets are bound
// anew in copy mode, for good.
func (d *Daemon) watchZeroCopy(ctx context.Context) error {
	for _, name := range d.cfg.Interfaces {
		dev, err := net.InterfaceByName(name)
		if err == nil {
			err = capture.ProveBack(dev)
		}
		if err != nil {
			d.leaveZeroCopy("error", err)
			return nil
		}
	}
	ticker := time.NewTicker(zeroCopyLook)
	defer ticker.Stop()
	before, settling := d.sends(), false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		now := d.sends()
		switch {
		case now.byXDP-before.byXDP < zeroCopySample:
		case !settling: // interfaces may count a moment later
			settling = true
		case now.lost(before):
			d.leaveZeroCopy("sent by XDP", now.byXDP-before.byXDP, "by sockets", now.bySockets-before.bySockets,
				"counted by interfaces", now.byInterfaces-before.byInterfaces)
			return nil
		default:
			before, settling = now, false
		}
	}
}

func (d *Daemon) leaveZeroCopy(why ...any) {
	d.log.Warn("the driver loses what XDP sends in zero-copy mode: all sockets go to copy mode", append(why, "interfaces", d.cfg.Interfaces)...)
	for _, x := range d.zeroCopy {
		x.LeaveZeroCopy()
	}
	d.zeroCopyLeft.Add(uint64(len(d.zeroCopy)))
}

func (d *Daemon) sends() (s sends) {
	if c, err := d.kernel.Counters(); err == nil {
		for _, p := range []bpf.Path{bpf.PathHairpin, bpf.PathKilled, bpf.PathLeaseOpen, bpf.PathCreditOpen, bpf.PathNoSocket, bpf.PathOversizeOpen, bpf.PathChallenged} {
			s.byXDP += c.Paths[p]
		}
	}
	for _, w := range d.workers {
		c := w.source.Stats()
		s.bySockets += c.Forwarded + c.Sent
	}
	for _, name := range d.cfg.Interfaces {
		s.byInterfaces += interfaceStats(name).TxPackets
	}
	return s
}

// inZeroCopy is how many sockets are in zero-copy mode.
func (d *Daemon) inZeroCopy() (n int) {
	for _, x := range d.zeroCopy {
		if x.ZeroCopy() {
			n++
		}
	}
	return n
}
