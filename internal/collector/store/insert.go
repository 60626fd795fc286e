package store

import (
	"context"
	"strconv"

	"github.com/weir-ips/weir/pkg/wire"
)

// Insert keeps those of events that are new, and returns them. An event whose EVE record cannot be read is kept with what the
// batch says about it.
func (s *Store) Insert(ctx context.Context, events []wire.Event) ([]wire.Event, error) {
	alerts := make([]Alert, len(events))
	byID := make(map[string]*wire.Event, len(events))
	for i := range events {
		alerts[i] = FromEvent(&events[i])
		byID[events[i].ID] = &events[i]
	}
	kept, err := s.keep(ctx, alerts)
	if err != nil {
		return nil, err
	}
	fresh := make([]wire.Event, 0, len(kept))
	for _, id := range kept {
		fresh = append(fresh, *byID[id])
	}
	return fresh, nil
}

// FromEvent makes an Alert of an event; one whose EVE record cannot be read is what the batch says about it.
func FromEvent(e *wire.Event) Alert {
	a, err := FromEVE(e.ID, e.Sensor, e.EVE)
	if err != nil {
		a = Alert{
			ID: e.ID, Sensor: e.Sensor, SID: e.SID, GID: 1, Severity: e.Severity, Category: e.Category, Action: "allowed",
			Signature: "signature " + strconv.FormatUint(uint64(e.SID), 10) + " (record unreadable)", Proto: strconv.Itoa(int(e.Proto)),
			SrcIP: e.Src.Addr(), SrcPort: e.Src.Port(), DestIP: e.Dst.Addr(), DestPort: e.Dst.Port(),
		}
	}
	a.Time = e.Time.UTC()
	if e.Stages != (wire.Stages{}) {
		s := e.Stages // the store adds to it
		a.Stages = &s
	}
	return a
}
