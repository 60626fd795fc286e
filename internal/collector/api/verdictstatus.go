package api

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/weir-ips/weir/pkg/verdict"
)

// VerdictStatus is a verdict with what became of it. In JSON both are one object, actions and origins by name.
type VerdictStatus struct {
	verdict.Verdict
	State   string  `json:"state"` // active, expired, revoked
	Hits    Hits    `json:"hits"`
	Applied Applied `json:"applied"`
}

// Hits counts what a verdict stopped (or, observing, would have), summed over the sensors that have reported.
type Hits struct {
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
}

// Applied is how far a verdict has spread: on Sensors of Of; Missing are the ids of the others. First and Last are when the first and the
// last sensor had it in force, of those that have reported it; nil when none has.
type Applied struct {
	Sensors int      `json:"sensors"`
	Of      int      `json:"of"`
	Missing []string `json:"missing"`
	First   *Reached `json:"first,omitempty"`
	Last    *Reached `json:"last,omitempty"`
}

// Reached is when a sensor had a verdict in force, by the sensor's clock.
type Reached struct {
	Sensor string    `json:"sensor"`
	At     time.Time `json:"at"`
}

// Names of actions and origins in the API, by number.
var (
	actionNames = []string{verdict.Observe: "observe", verdict.RateLimit: "ratelimit", verdict.Drop: "drop", verdict.Pass: "pass", verdict.Bypass: "bypass"}
	originNames = []string{verdict.OriginAnalyst: "analyst", verdict.OriginRule: "rule", verdict.OriginFlood: "flood", verdict.OriginFeed: "feed"}
)

func name[T ~uint8](names []string, n T) string {
	if int(n) < len(names) && names[n] != "" {
		return names[n]
	}
	return fmt.Sprintf("unknown %d", n)
}

// MarshalJSON writes the verdict's fields and the status's side by side.
func (s VerdictStatus) MarshalJSON() ([]byte, error) {
	type fields VerdictStatus // without this method
	s.Applied.Missing = orEmpty(s.Applied.Missing)
	return json.Marshal(struct {
		fields
		Action string `json:"action"` // outer fields of a name hide inner ones
		Origin string `json:"origin"`
	}{fields(s), name(actionNames, s.Action), name(originNames, s.Origin)})
}
