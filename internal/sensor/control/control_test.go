package control

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-ips/weir/pkg/verdict"
)

type service struct {
	verdicts []Entry
	killed   bool
	reloads  int
	learned  json.RawMessage
	next     next
}

// next is the installed program.
type next struct {
	refuses error  // its rules
	fails   string // to start
	looks   int    // at the status, after which it is healthy
	seen    int
}

func (s *service) Status() Status {
	st := Status{ID: "edge-1", KillSwitch: s.killed, Version: "v1", Started: time.Unix(1, 0), Healthy: true}
	if s.next.looks > 0 {
		s.next.seen++
		st.Started, st.Version, st.Healthy = time.Unix(2, 0), "v2", s.next.seen >= s.next.looks
		if !st.Healthy {
			st.Reasons = []string{"not attached yet"}
		}
		if s.next.fails != "" {
			st.Version, st.UpgradeRefused = "v1", s.next.fails
		}
	}
	return st
}
func (s *service) Verdicts() []Entry { return s.verdicts }

func (s *service) AddVerdict(v verdict.Verdict) (verdict.Verdict, error) {
	if v.Reason == "" || v.Origin != verdict.OriginAnalyst {
		return v, errors.New("reason: say why")
	}
	v.ID = "v1"
	s.verdicts = append(s.verdicts, Entry{Verdict: v, State: "enforced"})
	return v, nil
}

func (s *service) RemoveVerdict(id string) error {
	if id != "v1" {
		return ErrUnknown
	}
	s.verdicts = nil
	return nil
}

func (s *service) KillSwitch(on bool) error { s.killed = on; return nil }

func (s *service) Reload() error { s.reloads++; return nil }

// Upgrade starts a program that becomes healthy at the third look, or does not start, or does not fit.
func (s *service) Upgrade() (string, error) {
	if s.next.refuses != nil {
		return "", s.next.refuses
	}
	s.next.looks = 3
	return "v2", nil
}

func (s *service) Attacks() []Attack { return []Attack{{ID: "syn-flood-1", Vector: "syn-flood"}} }

func (s *service) Baselines() (json.RawMessage, error) { return s.learned, nil }

func (s *service) SetBaselines(text json.RawMessage) error { s.learned = text; return nil }

func start(t *testing.T) (*service, *Client, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "run", "sensor.sock")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	s := &service{}
	done := make(chan error)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { done <- Serve(ctx, l, s) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s, Dial(path), path
}

func TestEveryCallReachesTheSensor(t *testing.T) {
	s, c, _ := start(t)
	v := verdict.Verdict{Match: verdict.Match{Src: netip.MustParsePrefix("203.0.113.9/32")}, Action: verdict.Drop, Reason: "test"}
	added, err := c.AddVerdict(v)
	if err != nil || added.ID != "v1" {
		t.Fatal(added, err)
	}
	list, err := c.Verdicts()
	if err != nil || len(list) != 1 || list[0].Match.Src != v.Match.Src || list[0].Action != verdict.Drop {
		t.Fatal(list, err)
	}
	if err := c.RemoveVerdict("v1"); err != nil || len(s.verdicts) != 0 {
		t.Error(err)
	}
	if err := c.KillSwitch(true); err != nil || !s.killed {
		t.Error(err)
	}
	if err := c.Reload(); err != nil || s.reloads != 1 {
		t.Error(err)
	}
	if list, err := c.Attacks(); err != nil || len(list) != 1 || list[0].ID != "syn-flood-1" {
		t.Error(list, err)
	}
	if err := c.SetBaselines(json.RawMessage(`{"version":1}`)); err != nil {
		t.Error(err)
	}
	if text, err := c.Baselines(); err != nil || string(text) != `{"version":1}` {
		t.Errorf("%s %v", text, err)
	}
	if st, err := c.Status(); err != nil || st.ID != "edge-1" || !st.KillSwitch {
		t.Error(st, err)
	}
}

func TestUpgradeWaitsForHealth(t *testing.T) {
	s, c, _ := start(t)
	s.next.refuses = errors.New("t.rules:1: no")
	if _, err := c.Upgrade(time.Second); err == nil || err.Error() != "t.rules:1: no; version v1 goes on" {
		t.Errorf("rules that do not fit: %v", err)
	}
	s.next = next{}
	if u, err := c.Upgrade(5 * time.Second); err != nil || u.From != "v1" || u.To != "v2" || !u.Now.Healthy || s.next.seen != 3 {
		t.Errorf("%+v, %v after %d looks", u, err, s.next.seen)
	}
	s.next = next{fails: "port taken"}
	if _, err := c.Upgrade(5 * time.Second); err == nil || err.Error() != "version v2 did not start: port taken; version v1 goes on" {
		t.Errorf("a program that does not start: %v", err)
	}
	s.next = next{seen: -1000}
	if _, err := c.Upgrade(100 * time.Millisecond); err == nil || !strings.Contains(err.Error(), "not healthy after 100ms: not attached yet") {
		t.Errorf("a program that does not get healthy: %v", err)
	}
}

func TestRefusalsComeBackInWords(t *testing.T) {
	_, c, _ := start(t)
	if _, err := c.AddVerdict(verdict.Verdict{}); err == nil || err.Error() != "reason: say why" {
		t.Error(err)
	}
	if err := c.RemoveVerdict("v2"); err == nil || err.Error() != ErrUnknown.Error() {
		t.Error(err)
	}
	if err := Dial("/nonexistent/s.sock").Reload(); err == nil || !strings.Contains(err.Error(), "no sensor answers on /nonexistent/s.sock") {
		t.Error(err)
	}
}

func TestASecondSensorIsRefusedAndADeadOneReplaced(t *testing.T) {
	_, _, path := start(t)
	if _, err := Listen(path); err == nil || !strings.Contains(err.Error(), "another sensor is running there") {
		t.Error(err)
	}
	dead := filepath.Join(t.TempDir(), "dead.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: dead, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	again, err := Listen(dead)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket mode %v %v", info.Mode(), err)
	}
}
