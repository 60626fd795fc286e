// Package uplink is a sensor's connection to the collector: alerts go up through a bounded spool on disk, verdicts come down
// in order, health is reported. Without the collector everything else goes on: alerts are spooled, the least severe given up
// first when the spool is full, and verdicts stay until they expire.
package uplink

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weir-ips/weir/pkg/verdict"
	"github.com/weir-ips/weir/pkg/wire"
)

// Applier carries out the collector's verdicts. Calls come from one goroutine, in the order of the log. An error refuses
// the verdict: it is reported to the collector, and not offered again before the next Replace.
type Applier interface {
	Apply(v verdict.Verdict) error // add, or replace the one with the same ID
	Remove(id string) error
	// Replace makes vs the whole set of the collector's verdicts, by generation swap: those not in it go, and no verdict in
	// both sets lapses in between. The error is a join of *Refusal for single verdicts, or one for the whole.
	Replace(epoch, seq uint64, vs []verdict.Verdict) error
}

// Refusal is an Applier's error about one verdict.
type Refusal struct {
	ID  string
	Err error
}

func (r *Refusal) Error() string { return "verdict " + r.ID + ": " + r.Err.Error() }

// Unwrap returns the reason.
func (r *Refusal) Unwrap() error { return r.Err }

// Options says who the sensor is and how it reaches the collector. Sensor, URL, Dir and Applier are required.
type Options struct {
	Sensor      string
	Group       string // verdicts scoped to it apply here too; the credentials' if empty
	URL         string // nats://host:port or tls://host:port, several separated by commas
	Credentials string // file made by Enroll or `collector sensor add`; one that does not exist is as good as none
	Dir         string // the spool's: kept over restarts, used by one process at a time
	SpoolBytes  int64  // bound of the spool on disk; 256 MB if 0
	Applier     Applier
	Reload      func() error                                       // loads the rules again, RulesPath among them; nil: this sensor wants no rules of the collector
	KillSwitch  func(on bool)                                      // stops or resumes all dropping; called when the collector's switch changes, and by New if it was on
	Hold        func(wire.KillSwitch)                              // has verdicts of its Origins and Rules count and stop nothing; called when they change, and by New if there are any
	Arm         func(*wire.Arming)                                 // takes the collector's word on what is under attack; nil: it is not heard
	Survey      func(context.Context, *wire.Survey) *wire.Findings // counts, until the context ends, what a verdict would hit; nil: surveys are not answered
	Health      func(*wire.Health)                                 // fills in what the sensor knows; identity, log position and uplink counters are set already
	Wall        func() time.Time                                   // the host's clock, which may be set while the sensor runs; nil: time.Now
	Log         *slog.Logger                                       // nil: slog.DiscardHandler
}

const defaultSpool = 256 << 20

// Uplink is the connection. Publish and Stats may be called from any goroutine.
type Uplink struct {
	o        Options
	creds    *wire.Credentials
	identity *identity // nil: no certificate
	spool    *spool
	intake   *intake
	sender   *sender
	follower *follower
	rules    *rulesKeeper
	surveys  chan *wire.Survey // to be answered; more than one waits for nobody
	subs     []*nats.Subscription

	started    time.Time
	bus        atomic.Pointer[nats.Conn]
	connected  atomic.Bool
	reconnects atomic.Uint64
	running    atomic.Bool
}

// New opens the spool and reads the credentials; Run connects.
func New(o Options) (*Uplink, error) {
	if err := wire.CheckName(o.Sensor); err != nil {
		return nil, fmt.Errorf("uplink: sensor id: %w", err)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.SpoolBytes == 0 {
		o.SpoolBytes = defaultSpool
	}
	creds, err := credentials(&o)
	if err != nil {
		return nil, fmt.Errorf("uplink: %w", err)
	}
	if creds != nil && o.Group == "" {
		o.Group = creds.Group
	}
	id, err := openIdentity(o.Credentials, creds, o.Log)
	if err != nil {
		return nil, fmt.Errorf("uplink: %w", err)
	}
	sp, err := openSpool(filepath.Join(o.Dir, "spool"), o.SpoolBytes)
	if err != nil {
		return nil, fmt.Errorf("uplink: %w", err)
	}
	keys, err := openKeyring(o.Dir, creds)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("uplink: %w", err), sp.close())
	}
	rules, err := newRulesKeeper(&o)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("uplink: %w", err), sp.close())
	}
	kill, err := openKillSwitch(&o)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("uplink: %w", err), sp.close())
	}
	in := newIntake(o.Sensor, sp, o.Log)
	return &Uplink{
		o: o, creds: creds, identity: id, spool: sp, intake: in, started: time.Now(),
		sender:   &sender{sensor: o.Sensor, spool: sp, stored: in.stored, log: o.Log},
		follower: newFollower(&o, keys, rules, kill), rules: rules,
		surveys: make(chan *wire.Survey, 1),
	}, nil
}

func credentials(o *Options) (*wire.Credentials, error) {
	if o.Credentials == "" {
		return nil, nil
	}
	c, err := wire.LoadCredentials(o.Credentials)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && c.Sensor != o.Sensor {
		err = fmt.Errorf("%s is for sensor %q, not %q", o.Credentials, c.Sensor, o.Sensor)
	}
	return c, err
}

// Publish hands an alert over and returns at once; ID and Sensor are given by the uplink. The EVE bytes must not change
// afterwards. What becomes of it is in Stats.
func (u *Uplink) Publish(e wire.Event) { u.intake.put(e) }

// Tally sends what the sensor counts of destinations, if the collector is reached; Sensor and Group are filled in.
func (u *Uplink) Tally(t *wire.Tally) error {
	nc := u.bus.Load()
	if nc == nil || !u.connected.Load() {
		return nil // the next one says it all
	}
	t.Sensor, t.Group = u.o.Sensor, u.o.Group
	msg, err := t.Encode()
	if err == nil {
		err = nc.Publish(wire.TallySubject(u.o.Sensor), msg)
	}
	if err != nil {
		return fmt.Errorf("tally: %w", err)
	}
	return nil
}

// Boot names this run of the sensor.
func (u *Uplink) Boot() string { return u.intake.boot }

// RulesPath is the file of the collector's rules in dir, which is Options.Dir; there is none before the collector has any.
func RulesPath(dir string) string { return filepath.Join(dir, rulesFile) }

// Connected reports whether the collector's bus is reached now.
func (u *Uplink) Connected() bool { return u.connected.Load() }

// Position is where the sensor stands in the collector's verdict log; 0/0 before the first contact.
func (u *Uplink) Position() (epoch, seq uint64) {
	epoch, seq, _ = u.follower.position()
	return epoch, seq
}

// inboxSize bounds messages between the bus and the follower; one that finds no room is lost and fetched again.
const inboxSize = 8192

// goodbye is how long a stopping sensor tries to get rid of its last alerts; the rest stays in the spool.
const goodbye = 2 * time.Second

// Run connects, again and again while it fails, and works until ctx ends. It may be called once.
func (u *Uplink) Run(ctx context.Context) error {
	if !u.running.CompareAndSwap(false, true) {
		return errors.New("uplink: already run")
	}
	inbox := make(chan *nats.Msg, inboxSize)
	joined := make(chan struct{}, 1)
	nc, err := u.connect(inbox, joined)
	if err != nil {
		return errors.Join(fmt.Errorf("uplink: %w", err), u.spool.close())
	}
	u.bus.Store(nc)
	sending, stopSending := context.WithCancel(context.WithoutCancel(ctx))
	var up, down sync.WaitGroup
	up.Go(func() { u.intake.run(ctx) })
	down.Go(func() {
		if err := u.sender.run(sending, nc); err != nil {
			u.o.Log.Error("alerts are not sent", "error", err)
		}
	})
	down.Go(func() { u.follow(ctx, inbox, joined) })
	down.Go(func() { u.reportHealth(ctx, nc) })
	down.Go(func() { u.rules.run(ctx) })
	down.Go(func() { u.answerSurveys(ctx, nc) })
	down.Go(func() { u.identity.keepFresh(ctx, nc) })
	<-ctx.Done()
	up.Wait()
	u.drain()
	stopSending()
	down.Wait()
	nc.Close()
	return u.spool.close()
}

// drain waits a moment for the spool to empty.
func (u *Uplink) drain() {
	for end := time.Now().Add(goodbye); u.connected.Load() && u.spool.stats().events > 0 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
}

// follow feeds the follower until ctx ends.
func (u *Uplink) follow(ctx context.Context, inbox <-chan *nats.Msg, joined <-chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-joined:
			u.follower.asked = time.Time{} // an answer on the old connection will not come
			u.follower.sync()
		case m := <-inbox:
			u.take(m)
		}
	}
}

func (u *Uplink) take(m *nats.Msg) {
	switch {
	case m.Subject == wire.SubjectBeacon:
		u.follower.beacon(m.Data)
	case m.Subject == wire.SubjectSurvey:
		u.hearSurvey(m.Data)
	case m.Subject == wire.SubjectArming:
		u.follower.arming(m.Data)
	case m.Sub.Subject == wire.SubjectDeltas:
		u.follower.delta(m.Data)
	default:
		u.follower.part(m.Data)
	}
}

// Stats is a snapshot of the counters that health reports carry too.
func (u *Uplink) Stats() wire.UplinkStats {
	h := u.health()
	return h.Uplink
}

func (u *Uplink) health() *wire.Health {
	h := &wire.Health{Sensor: u.o.Sensor, Group: u.o.Group, Boot: u.intake.boot, Started: u.started, Time: time.Now()}
	u.follower.report(h)
	u.rules.report(h)
	s, in := u.spool.stats(), u.intake
	in.mu.Lock()
	for l := range s.shed {
		s.shed[l] += in.shed[l]
	}
	waiting := int64(in.count)
	in.mu.Unlock()
	h.Uplink.Shed = map[string]uint64{}
	for l, n := range s.shed {
		h.Uplink.Shed[strconv.Itoa(l+1)] = n
	}
	h.Uplink.Events, h.Uplink.Invalid, h.Uplink.Sent = in.events.Load(), in.bad.Load(), u.sender.sent.Load()
	h.Uplink.SpoolBytes, h.Uplink.SpoolEvents, h.Uplink.SpoolErrors = s.bytes, s.events+waiting, s.faults
	h.Uplink.Reconnects = u.reconnects.Load()
	return h
}
