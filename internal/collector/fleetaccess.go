package collector

import (
	"errors"
	"fmt"
	"time"

	"github.com/weir-ips/weir/internal/collector/api"
	"github.com/weir-ips/weir/internal/collector/bus"
	"github.com/weir-ips/weir/internal/collector/enrol"
	"github.com/weir-ips/weir/pkg/wire"
)

// access is api.Enrolment: who may connect to the bus.
type access struct {
	cfg           *Config
	list          *enrol.List
	registrations *bus.Registrations
}

func (a *access) Tokens() []api.EnrolmentToken {
	var all []api.EnrolmentToken
	for _, g := range a.list.Tokens() {
		all = append(all, api.EnrolmentToken{ID: g.ID, Group: g.Group, Uses: g.Uses, CreatedAt: g.Created, ExpiresAt: g.Expires})
	}
	return all
}

func (a *access) CreateToken(group string, uses int, life time.Duration) (text, id string, err error) {
	if group != "" {
		if err := wire.CheckName(group); err != nil {
			return "", "", &api.Invalid{Fields: []api.FieldError{{Field: "group", Detail: err.Error()}}}
		}
	}
	t, err := a.list.CreateToken(group, uses, life)
	if errors.Is(err, enrol.ErrElsewhere) {
		err = &api.Refused{Reason: err.Error()}
	}
	if err != nil {
		return "", "", err
	}
	return t.String(), t.ID, nil
}

func (a *access) RemoveToken(id string) error {
	for _, g := range a.list.Tokens() {
		if g.ID == id {
			return a.list.RemoveToken(id)
		}
	}
	return fmt.Errorf("enrolment token %q: %w", id, api.ErrNotFound)
}

func (a *access) Credentials() []api.SensorCredential {
	var all []api.SensorCredential
	for _, s := range a.list.Sensors() {
		all = append(all, api.SensorCredential{
			Sensor: s.ID, Kind: "certificate", Group: s.Group, Serials: s.Serials, Since: s.Enrolled, RenewedAt: s.Renewed, ExpiresAt: s.Expires,
		})
	}
	for _, r := range a.registrations.List() {
		all = append(all, api.SensorCredential{Sensor: r.Sensor, Kind: "key", Key: r.Key, Since: r.Added})
	}
	return all
}

func (a *access) Revoke(sensor string) error {
	if err := wire.CheckName(sensor); err != nil {
		return fmt.Errorf("sensor %q: %w", sensor, api.ErrNotFound)
	}
	if !a.list.Has(sensor) && !a.registrations.Has(sensor) && a.cfg.Bus.TLS.ClientCA == "" {
		return fmt.Errorf("sensor %q: %w", sensor, api.ErrNotFound)
	}
	return RemoveSensor(a.cfg, sensor)
}
