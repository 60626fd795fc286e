package uplink

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/weir-ips/weir/internal/servicefile"
	"github.com/weir-ips/weir/pkg/wire"
)

// killSwitch is the collector's, as last heard: kept in a file, because a sensor that restarts while the collector is away must
// not begin to drop again. Only the follower's goroutine uses it.
type killSwitch struct {
	path          string
	sensor, group string
	set           func(on bool)         // nil: this sensor has none
	hold          func(wire.KillSwitch) // nil: as set; for parts
	log           *slog.Logger
	last          wire.KillSwitch
}

// openKillSwitch applies what the last run knew.
func openKillSwitch(o *Options) (*killSwitch, error) {
	k := &killSwitch{path: filepath.Join(o.Dir, "killswitch.json"), sensor: o.Sensor, group: o.Group, set: o.KillSwitch, hold: o.Hold, log: o.Log}
	text, err := os.ReadFile(k.path)
	if errors.Is(err, fs.ErrNotExist) {
		return k, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &k.last)
	}
	if err != nil {
		return nil, fmt.Errorf("kill switch: %s: %w", k.path, err)
	}
	if k.set != nil && k.last.On(k.sensor, k.group) {
		k.set(true)
	}
	if k.hold != nil && k.last.Part() {
		k.hold(k.last)
	}
	return k, nil
}

// offer takes a beacon's switch. An older one, replayed, changes nothing.
func (k *killSwitch) offer(s *wire.KillSwitch) {
	if s.Revision <= k.last.Revision || k.set == nil {
		return
	}
	was, on, part := k.last.On(k.sensor, k.group), s.On(k.sensor, k.group), k.last.SamePart(s)
	k.last = *s
	if !part && k.hold != nil {
		k.hold(*s)
		k.log.Warn("the collector's kill switch for a part", "origins", s.Origins, "rules", s.Rules, "by", s.By)
	}
	if on != was {
		k.set(on)
		k.log.Warn("the collector's kill switch", "on", on, "by", s.By)
	}
	text, err := json.Marshal(s)
	if err == nil {
		err = servicefile.Write(k.path, text)
	}
	if err != nil {
		k.log.Error("kill switch not kept over a restart", "error", err)
	}
}
