package wire

import (
	"fmt"
	"slices"
	"time"

	"github.com/weir-ips/weir/pkg/verdict"
)

// KillSwitch says where nothing is dropped, whatever verdicts there are. It travels in every beacon, so a sensor that was away
// learns of it within a second; sensors remember it over restarts, and let only a greater Revision replace it, so that an old
// beacon turns nothing back.
type KillSwitch struct {
	Revision uint64    `json:"revision"`          // 0: never touched
	Scopes   []string  `json:"scopes,omitempty"`  // "all", sensors or groups; at most MaxKillScopes
	Origins  []string  `json:"origins,omitempty"` // verdicts of these origins stop nothing, anywhere; at most MaxKillScopes
	Rules    []uint32  `json:"rules,omitempty"`   // verdicts that these signatures asked for, likewise; at most MaxKillRules
	By       string    `json:"by,omitempty"`
	At       time.Time `json:"at,omitzero"`
}

// Bounds of a kill switch's lists.
const (
	MaxKillScopes = 8 // of Scopes and Origins
	MaxKillRules  = 64
)

// On reports whether a sensor must not drop.
func (k *KillSwitch) On(sensor, group string) bool {
	for _, s := range k.Scopes {
		if InScope(s, sensor, group) {
			return true
		}
	}
	return false
}

// Part reports whether only a part of what stops traffic is switched off, whatever Scopes say.
func (k *KillSwitch) Part() bool { return len(k.Origins)+len(k.Rules) > 0 }

// SamePart reports whether both switch the same part off.
func (k *KillSwitch) SamePart(o *KillSwitch) bool {
	return slices.Equal(k.Origins, o.Origins) && slices.Equal(k.Rules, o.Rules)
}

// Check says what is wrong with the lists.
func (k *KillSwitch) Check() error {
	switch {
	case len(k.Scopes) > MaxKillScopes:
		return fmt.Errorf("kill switch with %d scopes, at most %d", len(k.Scopes), MaxKillScopes)
	case len(k.Origins) > MaxKillScopes:
		return fmt.Errorf("kill switch with %d origins, at most %d", len(k.Origins), MaxKillScopes)
	case len(k.Rules) > MaxKillRules:
		return fmt.Errorf("kill switch with %d rules, at most %d", len(k.Rules), MaxKillRules)
	}
	for _, name := range k.Origins {
		var o verdict.Origin
		if err := o.UnmarshalText([]byte(name)); err != nil {
			return fmt.Errorf("kill switch: %w", err)
		}
	}
	return nil
}
