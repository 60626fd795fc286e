package capture_test

import (
	"strings"
	"testing"
	"time"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/pkg/capture"
)

func TestJumboForwardsByteForByte(t *testing.T) {
	r := jumboRig(t, 1)
	x := r.open(t, capture.XSKConfig{Chains: true, Frames: 256})
	sent := r.framesTo(1000, 8500)
	var kept [][]byte
	var broken int
	for at := 0; at < len(sent); at += 50 { // 150 buffers at most
		batch := sent[at : at+50]
		_, err := r.wire.Send(batch...)
		check(t, err)
		n := at
		pump(t, x, len(batch), func(f *capture.Frame) {
			if string(f.Data) != string(sent[n]) || f.WireLen != len(f.Data) {
				broken++
			}
			if n%5 == 0 {
				f.Fate = capture.Discard
			} else {
				kept = append(kept, sent[n])
			}
			n++
		})
	}
	compare(t, r.geneve(t, len(kept)), kept)
	s := x.Stats()
	if broken > 0 || s.Frames != 1000 || s.Chained < 400 || s.Forwarded != 800 || s.Dropped != 200 || s.Lost+s.TxFull != 0 {
		t.Errorf("%d frames came to inspection otherwise than they were sent; %+v", broken, s)
	}
	rest(t, x)
	if c := r.sensor.Credit(0); c.Granted-c.Used != 256 {
		t.Errorf("credit for %d buffers afterwards; want 256", c.Granted-c.Used)
	}
}

// TestJumboBackPressure leaves frames lying that need three buffers each: what finds no room for all of it goes by the program's policy.
func TestJumboBackPressure(t *testing.T) {
	r := jumboRig(t, 1)
	x := r.open(t, capture.XSKConfig{Chains: true, Frames: 64})
	sent := r.framesTo(4000, 8500)
	var whole [][]byte // of 8,500 bytes within
	for i := 0; i < len(sent); i += 100 {
		whole = append(whole, sent[i])
	}
	_, err := r.wire.Send(whole...)
	check(t, err)
	got := r.geneve(t, len(whole)-21)
	if open := r.path(t, bpf.PathCreditOpen); len(got) != len(whole)-21 || open != uint64(len(got)) {
		t.Errorf("%d frames came back around the full socket, and the program counts %d; want %d", len(got), open, len(whole)-21)
	}
	pump(t, x, 21, func(*capture.Frame) {})
	for f, n := range r.geneve(t, 21) {
		got[f] += n
	}
	compare(t, got, whole)
	rest(t, x)
	if s, c := x.Stats(), r.sensor.Credit(0); s.Chained != 21 || s.Forwarded != 21 || s.Lost+s.TxFull != 0 || c.Granted-c.Used != 64 {
		t.Errorf("%+v, credit for %d", s, c.Granted-c.Used)
	}
}

// TestJumboTransmitRingFull has a transmit ring that holds two frames and a part of a third: a frame is sent whole or not at all.
func TestJumboTransmitRingFull(t *testing.T) {
	r := jumboRig(t, 1)
	x := r.open(t, capture.XSKConfig{Chains: true, Frames: 64, TxRing: 8})
	big := r.framesTo(1, 8500)[0]
	frames := make([]capture.Frame, 64)
	total, back := 0, 0
	for range 20 { // a buffer lost each time would be noticed
		for range 10 {
			_, err := r.wire.Send(big)
			check(t, err)
		}
		got := 0
		for got < 10 {
			n, err := x.Recv(frames[got:], time.Second)
			check(t, err)
			if n == 0 {
				t.Fatalf("%d of 10 frames came", got)
			}
			got += n
		}
		check(t, x.Done(frames[:got]))
		total += got
		for f, n := range r.geneve(t, 2) {
			if f != string(swapped(big)) {
				t.Fatalf("a frame of %d bytes came back", len(f))
			}
			back += n
		}
	}
	if s := x.Stats(); s.Forwarded != uint64(back) || s.Forwarded != 40 || s.TxFull != uint64(total-back) || s.Lost != 0 {
		t.Errorf("of %d frames %d came back: %+v", total, back, s)
	}
}

// TestOversize sends frames of several buffers to a socket that takes one: they go by policy, and are counted.
func TestOversize(t *testing.T) {
	r := jumboRig(t, 1)
	x := r.open(t, capture.XSKConfig{})
	sent := r.framesTo(200, 8500)
	fit := 0
	for _, f := range sent {
		if len(f) <= 3840 {
			fit++
		}
	}
	_, err := r.wire.Send(sent[:100]...)
	check(t, err)
	time.Sleep(10 * time.Millisecond)
	_, err = r.wire.Send(sent[100:]...)
	check(t, err)
	pump(t, x, fit, func(*capture.Frame) {})
	compare(t, r.geneve(t, len(sent)), sent)
	if n := r.path(t, bpf.PathOversizeOpen); n != uint64(len(sent)-fit) || x.Stats().Lost != 0 {
		t.Errorf("the program counts %d frames that are too long, want %d; %+v", n, len(sent)-fit, x.Stats())
	}
}

// TestJumboIsInherited leaves a socket with frames of several buffers waiting in it to a successor.
func TestJumboIsInherited(t *testing.T) {
	r := jumboRig(t, 1)
	x := r.open(t, capture.XSKConfig{Chains: true, Frames: 256})
	for round := range 3 {
		sent := r.framesTo(60, 8500)
		_, err := r.wire.Send(sent[:30]...)
		check(t, err)
		left, err := x.Bequeath()
		check(t, err)
		_, err = r.wire.Send(sent[30:]...) // while nobody is there
		check(t, err)
		x = r.open(t, capture.XSKConfig{Chains: true, Inherited: left})
		pump(t, x, 60, func(*capture.Frame) {})
		compare(t, r.geneve(t, 60), sent)
		rest(t, x)
		if s, c := x.Stats(), r.sensor.Credit(0); s.Chained == 0 || s.Lost+s.TxFull > 0 || c.Granted-c.Used != 256 {
			t.Errorf("round %d: %+v, credit for %d buffers; want 256", round, s, c.Granted-c.Used)
		}
	}
	check(t, x.Close())
	one := r.open(t, capture.XSKConfig{Frames: 64})
	left, err := one.Bequeath()
	check(t, err)
	check(t, r.far.NS.Run(func() error {
		_, err := capture.OpenXSK(capture.XSKConfig{Ifindex: r.index, Sockets: r.sensor.Sockets(), Credit: r.sensor.Credit(0), Chains: true, Inherited: left})
		if err == nil || !strings.Contains(err.Error(), "stop the sensor and start it") {
			t.Errorf("a socket of single buffers was taken over for frames of several: %v", err)
		}
		return nil
	}))
	check(t, capture.Forsake(left))
}
