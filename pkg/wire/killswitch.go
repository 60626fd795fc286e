package wire

import "time"

// KillSwitch says where nothing is dropped, whatever verdicts there are. It travels in every beacon, so a sensor that was away
// learns of it within a second; sensors remember it over restarts, and let only a greater Revision replace it, so that an old
// beacon turns nothing back.
type KillSwitch struct {
	Revision uint64    `json:"revision"`         // 0: never touched
	Scopes   []string  `json:"scopes,omitempty"` // "all", sensors or groups; at most MaxKillScopes
	By       string    `json:"by,omitempty"`
	At       time.Time `json:"at,omitzero"`
}

// MaxKillScopes bounds KillSwitch.Scopes.
const MaxKillScopes = 8

// On reports whether a sensor must not drop.
func (k *KillSwitch) On(sensor, group string) bool {
	for _, s := range k.Scopes {
		if InScope(s, sensor, group) {
			return true
		}
	}
	return false
}
