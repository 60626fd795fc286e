package collector

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weir-ips/weir/internal/collector/api"
	"github.com/weir-ips/weir/pkg/verdict"
	"github.com/weir-ips/weir/pkg/wire"
)

// surveyor asks sensors what a verdict would hit.
type surveyor struct {
	conn   *nats.Conn
	key    ed25519.PrivateKey
	log    *slog.Logger
	busy   chan struct{} // one token a survey under way for a person
	trials chan struct{} // and for automation

	mu      sync.Mutex
	waiting map[uint64]chan *wire.Findings // by nonce
}

// maxSurveys bounds the surveys under way for people, and for automation: each may cost every sensor a walk through its conversations.
const maxSurveys = 4

func newSurveyor(conn *nats.Conn, key ed25519.PrivateKey, log *slog.Logger) (*surveyor, error) {
	s := &surveyor{conn: conn, key: key, log: log, busy: make(chan struct{}, maxSurveys), trials: make(chan struct{}, maxSurveys), waiting: map[uint64]chan *wire.Findings{}}
	if _, err := conn.Subscribe(wire.SubjectFindings, s.hear); err != nil {
		return nil, fmt.Errorf("listen for findings: %w", err)
	}
	return s, nil
}

// hear hands an answer to who asked. A sensor speaks for itself alone.
func (s *surveyor) hear(m *nats.Msg) {
	f, err := wire.DecodeFindings(m.Data)
	if err == nil && m.Subject != wire.FindingsSubject(f.Sensor) {
		err = fmt.Errorf("findings of sensor %q on %s", f.Sensor, m.Subject)
	}
	if err != nil {
		s.log.Debug("findings thrown away", "error", err)
		return
	}
	s.mu.Lock()
	answers := s.waiting[f.Nonce]
	s.mu.Unlock()
	select {
	case answers <- f: // for ever on nil, which nobody waits at
	default:
	}
}

var errSurveysBusy = errors.New("other previews are under way")

// ask returns what the sensors of a scope have found, by sensor, when all of want have answered or time is up.
func (s *surveyor) ask(ctx context.Context, lane chan struct{}, q *wire.Survey, want map[string]bool) (map[string]*wire.Findings, error) {
	select {
	case lane <- struct{}{}:
		defer func() { <-lane }()
	default:
		return nil, errSurveysBusy
	}
	q.Nonce = rand.Uint64()
	msg, err := q.Seal(s.key)
	if err != nil {
		return nil, err
	}
	answers := make(chan *wire.Findings, len(want))
	s.mu.Lock()
	s.waiting[q.Nonce] = answers
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.waiting, q.Nonce)
		s.mu.Unlock()
	}()
	if err := s.conn.Publish(wire.SubjectSurvey, msg); err != nil {
		return nil, fmt.Errorf("ask sensors: %w", err)
	}
	patience := time.NewTimer(wire.SurveyPatience)
	defer patience.Stop()
	found := map[string]*wire.Findings{}
	for len(found) < len(want) {
		select {
		case f := <-answers:
			if want[f.Sensor] {
				found[f.Sensor] = f
			}
		case <-patience.C:
			return found, nil
		case <-ctx.Done():
			return found, nil
		}
	}
	return found, nil
}

// survey asks the living sensors of v's scope, and adds up.
func (g *governor) survey(ctx context.Context, v *verdict.Verdict) (api.Traffic, error) {
	want := map[string]bool{}
	for _, r := range g.view().sensors {
		if wire.InScope(v.Scope, r.Sensor, r.Group) {
			want[r.Sensor] = true
		}
	}
	t := api.Traffic{Asked: len(want), Missing: []string{}}
	if len(want) == 0 {
		return t, nil
	}
	found, err := g.surveyor.ask(ctx, g.surveyor.busy, &wire.Survey{Scope: v.Scope, Match: v.Match, Window: previewWindow}, want)
	if err != nil {
		return t, err
	}
	for id := range want {
		if found[id] == nil && len(t.Missing) < maxMissing {
			t.Missing = append(t.Missing, id)
		}
	}
	addUp(&t, found)
	return t, nil
}

// addUp sums findings. The same address at the other end on several sensors is one, as far as it is named.
func addUp(t *api.Traffic, found map[string]*wire.Findings) {
	window := previewWindow
	peers := map[netip.Addr]bool{}
	var most uint64
	for _, f := range found {
		t.Answered++
		t.Flows, t.Packets, t.Bytes = t.Flows+f.Flows, t.Packets+f.Packets, t.Bytes+f.Bytes
		t.Established, t.LongLived = t.Established+f.Established, t.LongLived+f.LongLived
		for _, a := range f.Peers {
			peers[a] = true
		}
		most = max(most, f.PeerCount)
		t.AtLeast = t.AtLeast || f.Partial || f.PeerCount > uint64(len(f.Peers))
		window = min(window, max(f.Window, time.Second))
	}
	t.Peers, t.Seconds = max(uint64(len(peers)), most), int(window/time.Second)
	t.AtLeast = t.AtLeast || t.Answered < t.Asked
}
