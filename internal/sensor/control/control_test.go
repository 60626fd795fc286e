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

	"github.com/weir-ips/weir/pkg/verdict"
)

type service struct {
	verdicts []Entry
	killed   bool
	reloads  int
	learned  json.RawMessage
}

func (s *service) Status() Status    { return Status{ID: "edge-1", KillSwitch: s.killed} }
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
