package uplink

import (
	"context"

	"github.com/nats-io/nats.go"

	"github.com/weir-ips/weir/pkg/wire"
)

// hearSurvey takes the collector's question; one that finds another waiting is left out, and the collector says so.
func (u *Uplink) hearSurvey(msg []byte) {
	pub := u.follower.keys.collector()
	if pub == nil || u.o.Survey == nil {
		return
	}
	s, err := wire.OpenSurvey(pub, msg)
	if err != nil {
		u.follower.bad(err)
		return
	}
	if !wire.InScope(s.Scope, u.o.Sensor, u.o.Group) {
		return
	}
	select {
	case u.surveys <- s:
	default:
	}
}

// answerSurveys answers one after the other until ctx ends.
func (u *Uplink) answerSurveys(ctx context.Context, nc *nats.Conn) {
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-u.surveys:
			u.answerSurvey(ctx, nc, s)
		}
	}
}

func (u *Uplink) answerSurvey(ctx context.Context, nc *nats.Conn, s *wire.Survey) {
	ctx, cancel := context.WithTimeout(ctx, wire.SurveyPatience*3/4)
	defer cancel()
	f := u.o.Survey(ctx, s)
	f.Sensor, f.Nonce = u.o.Sensor, s.Nonce
	msg, err := f.Encode()
	if err == nil {
		err = nc.Publish(wire.FindingsSubject(u.o.Sensor), msg)
	}
	if err != nil {
		u.o.Log.Debug("survey not answered", "error", err)
	}
}
