package capture_test

import (
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/internal/lab"
	"github.com/weir-ips/weir/pkg/capture"
)

// TestXSKServesALoadBalancer has a client talk to a server through a load balancer that holds every returned frame against AWS's
// rules, with the program and a socket as its appliance.
func TestXSKServesALoadBalancer(t *testing.T) {
	top, err := lab.GWLBTopology(newLab(t), lab.Options{})
	check(t, err)
	sensor, err := bpf.Load(bpf.Options{Mode: bpf.ModeGWLB, Name: "eth0", NoPin: true, Sources: 1024, Flows: 1024})
	check(t, err)
	closeAfter(t, sensor.Close)
	var x *capture.XSK
	check(t, top.Sensor.Run(func() (err error) {
		if _, err = sensor.Attach("eth0"); err != nil {
			return err
		}
		index, err := top.Sensor.Index("eth0")
		if err != nil {
			return err
		}
		x, err = capture.OpenXSK(capture.XSKConfig{Ifindex: index, Sockets: sensor.Sockets(), Credit: sensor.Credit(0)})
		return err
	}))
	var stop atomic.Bool
	done := make(chan error, 1)
	go func() { done <- serve(x, &stop) }()
	closeAfter(t, x.Close)

	for _, addr := range []netip.Addr{top.Server.Addr, top.Server.Addr6} {
		at := netip.AddrPortFrom(addr, 80)
		server, err := lab.StartHTTPServer(top.Server.Namespace, at)
		check(t, err)
		client := lab.StartHTTPClient(lab.HTTPClientConfig{NS: top.Client.Namespace, URL: "http://" + at.String() + "/", Rate: 100})
		for deadline := time.Now().Add(20 * time.Second); client.Stats().Sent < 30 && time.Now().Before(deadline); {
			time.Sleep(10 * time.Millisecond)
		}
		if s := client.Stop(); s.Failed > 0 || s.OK < 30 {
			t.Errorf("%s: %+v", addr, s)
		}
		check(t, server.Close())
	}
	for last := uint64(0); top.GWLB.Stats().Sent != last; time.Sleep(300 * time.Millisecond) {
		last = top.GWLB.Stats().Sent // connections are still being closed
	}
	stop.Store(true)
	check(t, <-done)
	s, g := x.Stats(), top.GWLB.Stats()
	if s.Forwarded != s.Frames || s.Frames != g.Accepted || g.Accepted != g.Sent || g.Dropped() != 0 || g.SourcePortChanged != 0 || s.Frames < 300 {
		t.Errorf("socket %+v\nload balancer %+v", s, g)
	}
}

// serve forwards everything until stop.
func serve(s capture.Source, stop *atomic.Bool) error {
	frames := make([]capture.Frame, 64)
	for !stop.Load() {
		n, err := s.Recv(frames, 50*time.Millisecond)
		if err != nil {
			return err
		}
		if err := s.Done(frames[:n]); err != nil {
			return err
		}
	}
	return nil
}
