package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/weir-ips/weir/internal/collector/api"
	"github.com/weir-ips/weir/internal/lab"
	"github.com/weir-ips/weir/internal/lab/fleet"
	"github.com/weir-ips/weir/internal/sensor/control"
	"github.com/weir-ips/weir/pkg/verdict"
)

// signature: an attack through the load balancer is seen, reported, and never arrives.
func (s *story) signature() error {
	s.title("1. A signature attack through the Gateway Load Balancer")
	attack := lab.HTTPAttacks()[0]
	s.attack("%s sends %s to %s: GET %s", s.Attacker.Addr, attack.Name, s.server.Addr, attack.Path)
	sent := time.Now()
	err := attack.Send(s.ctx, s.Attacker.Namespace, s.server.Addr, 1500*time.Millisecond)
	alert, found := s.await(func(a fleet.Arrival) bool { return a.SrcIP == s.Attacker.Addr && a.Sensor == s.Inline.ID }, 5*time.Second)
	s.check(found,
		fmt.Sprintf("alert %d %q in the collector's stream %s after the attack began (action: %s)", alert.SID, alert.Signature, millis(alert.At.Sub(sent)), alert.Action),
		"no alert reached the collector within 5 s")
	s.check(err != nil && s.server.Saw("jndi") == 0,
		"the server's own log never saw the request; the attacker waits for an answer that does not come",
		fmt.Sprintf("the request arrived: %d times in the server's log, attacker's error %v", s.server.Saw("jndi"), err))
	st, err := s.Inline.Status()
	if err != nil {
		return err
	}
	s.note("kernel counters of %s: %s packets seen, %s sent back in XDP, %s inspected, dropped by flow verdict %s, by inspection %s",
		st.ID, count(st.Traffic.Kernel), count(st.Traffic.Hairpin), count(st.Traffic.Inspected), count(st.Drops["flow"]), count(st.Drops["inspection"]))
	return s.ctx.Err()
}

// spread: one sensor's evidence becomes the other's drop.
func (s *story) spread() error {
	s.title("2. One sensor's detection becomes every sensor's drop")
	v, found := s.verdictOn(s.Attacker.Addr, 5*time.Second)
	if !found {
		s.check(false, "", "the collector made no verdict of it within 5 s")
		return nil
	}
	s.blocked = v.ID
	s.note("the collector decides: drop %s for %s, because %q (the handshake proves that the source is real)",
		v.Match.Src, time.Until(v.ExpiresAt).Round(time.Second), v.Reason)
	for _, sensor := range []*fleet.Sensor{s.Inline, s.Host} {
		e, ok := waitEntry(sensor, v.ID, 2*time.Second)
		s.check(ok && e.State == "enforced",
			fmt.Sprintf("in the XDP map of %s %s after it was made", sensor.ID, millis(e.AppliedAt.Sub(v.CreatedAt))),
			fmt.Sprintf("%s does not enforce it after 2 s (%+v)", sensor.ID, e))
	}
	s.attack("%s now tries the proxy, which it has never spoken to", s.Attacker.Addr)
	before := s.proxy.Requests()
	err := lab.HTTPAttacks()[1].Send(s.ctx, s.Attacker.Namespace, s.proxy.Addr, 1500*time.Millisecond)
	e, _ := waitEntry(s.Host, v.ID, time.Second)
	s.check(err != nil && s.proxy.Saw("passwd") == 0 && e.Packets > 0,
		fmt.Sprintf("not even its SYN arrives: the host sensor's kernel has dropped %s packets, %s bytes by this verdict", count(e.Packets), count(e.Bytes)),
		fmt.Sprintf("it got through: attacker's error %v, requests %d before, %d now, %d packets dropped", err, before, s.proxy.Requests(), e.Packets))
	return s.ctx.Err()
}

// flood: a spoofed SYN flood against the proxy is found and held in XDP.
func (s *story) flood() error {
	s.title("3. A spoofed SYN flood against the proxy")
	before := s.toProxy.Stats()
	dropped, err := s.Host.FloodDrops()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.ctx, 6*time.Second)
	defer cancel()
	flood := lab.Flood{Kind: lab.SYNFlood, From: s.Attacker, Dst: s.proxy.Addr, Src: netip.MustParsePrefix("192.0.0.0/5"), Rate: 50_000, Seed: 1}
	s.attack("50,000 SYNs a second from random sources for 6 s")
	sent := make(chan uint64, 1)
	start := time.Now()
	go func() {
		n, err := flood.Run(ctx, 0)
		if err != nil {
			s.bad("the generator failed: %v", err)
		}
		sent <- n
	}()
	held := s.waitDrops(dropped, 3*time.Second)
	s.check(held, fmt.Sprintf("the first SYN was dropped in XDP within %s of the onset", millis(time.Since(start))), "no SYN was dropped within 3 s")
	if st, err := s.Host.Status(); err == nil && len(st.Floods) > 0 {
		s.note("why: %s", st.Floods[0])
	}
	total := <-sent
	now, err := s.Host.FloodDrops()
	if err != nil {
		return err
	}
	s.check(now-dropped > total*8/10,
		fmt.Sprintf("%s SYNs sent, %s dropped in XDP (kernel counter)", count(total), count(now-dropped)),
		fmt.Sprintf("%s SYNs sent, but only %s dropped in XDP", count(total), count(now-dropped)))
	after := s.toProxy.Stats()
	s.check(after.Failed == before.Failed,
		fmt.Sprintf("the client made %d requests to the proxy meanwhile and lost none", after.OK-before.OK),
		fmt.Sprintf("the client lost %d requests meanwhile: %v", after.Failed-before.Failed, after.LastError))
	return s.ctx.Err()
}

// undo: an analyst lifts the verdict and the attacker is let in again.
func (s *story) undo() error {
	if s.blocked == "" {
		return nil
	}
	s.title("4. An analyst lifts the verdict")
	start := time.Now()
	if err := s.Collector.Lift(s.blocked); err != nil {
		return err
	}
	for _, sensor := range []*fleet.Sensor{s.Inline, s.Host} {
		gone := waitGone(sensor, s.blocked, 2*time.Second)
		s.check(gone, fmt.Sprintf("gone from the XDP map of %s after %s", sensor.ID, millis(time.Since(start))), sensor.ID+" still enforces it after 2 s")
	}
	err := lab.HTTPAttack{Name: "harmless", Method: "GET", Path: "/welcome-back"}.Send(s.ctx, s.Attacker.Namespace, s.proxy.Addr, 2*time.Second)
	s.check(err == nil, "the former attacker gets an answer from the proxy", fmt.Sprintf("the former attacker is still cut off: %v", err))
	return s.ctx.Err()
}

// await takes alerts from the stream until one fits.
func (s *story) await(fits func(fleet.Arrival) bool, timeout time.Duration) (fleet.Arrival, bool) {
	for deadline := time.After(timeout); ; {
		select {
		case a, ok := <-s.alerts:
			if ok && fits(a) {
				return a, true
			}
			if !ok {
				return fleet.Arrival{}, false
			}
		case <-deadline:
			return fleet.Arrival{}, false
		}
	}
}

// verdictOn waits for the collector's drop of an address.
func (s *story) verdictOn(addr netip.Addr, timeout time.Duration) (v api.VerdictStatus, found bool) {
	poll(timeout, func() bool {
		list, err := s.Collector.Verdicts()
		for _, have := range list {
			if err == nil && have.Match.Src.IsValid() && have.Match.Src.Contains(addr) && have.Action == verdict.Drop && have.State == "active" {
				v, found = have, true
			}
		}
		return found
	})
	return v, found
}

func (s *story) waitDrops(before uint64, timeout time.Duration) bool {
	return poll(timeout, func() bool {
		now, err := s.Host.FloodDrops()
		return err == nil && now > before
	})
}

// waitEntry waits until the sensor lists the verdict.
func waitEntry(sensor *fleet.Sensor, id string, timeout time.Duration) (e control.Entry, found bool) {
	poll(timeout, func() bool {
		e, found = entry(sensor, id)
		return found
	})
	return e, found
}

func waitGone(sensor *fleet.Sensor, id string, timeout time.Duration) bool {
	return poll(timeout, func() bool {
		list, err := sensor.Verdicts()
		return err == nil && !slices.ContainsFunc(list, func(e control.Entry) bool { return e.ID == id })
	})
}

func entry(sensor *fleet.Sensor, id string) (control.Entry, bool) {
	list, err := sensor.Verdicts()
	if err != nil {
		return control.Entry{}, false
	}
	i := slices.IndexFunc(list, func(e control.Entry) bool { return e.ID == id })
	if i < 0 {
		return control.Entry{}, false
	}
	return list[i], true
}

func poll(timeout time.Duration, done func() bool) bool {
	for deadline := time.Now().Add(timeout); ; time.Sleep(5 * time.Millisecond) {
		if done() {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
	}
}
