package wire

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"
)

// Subjects of the fleet's view of floods.
const (
	SubjectTallies = "f.*"
	SubjectArming  = "v.arm"
)

// How often they are sent while there is something to say.
const (
	TallyEvery  = 500 * time.Millisecond
	ArmingEvery = 500 * time.Millisecond
)

// TallySubject is where sensor publishes its tallies.
func TallySubject(sensor string) string { return "f." + sensor }

// Limits of a tally and an arming; longer lists are refused whole.
const (
	MaxTallyDests   = 1024
	MaxTallyAttacks = 64
	MaxOrders       = 256
	maxTallyRaw     = 256 << 10
	maxArming       = 256 << 10
	maxVector       = 32
	maxAttackID     = 64
	maxWhy          = 512
)

// Tally is what a sensor counts of destinations, for sums that no sensor sees alone, and the attacks that it has found itself. It is
// sent every TallyEvery while there is something in it, once more when there no longer is, and at once when an attack begins. Encoded:
// zstd of JSON; at most 64 KiB with the busiest destinations and a sketch of the others.
type Tally struct {
	Sensor  string        `json:"sensor"`
	Group   string        `json:"group,omitempty"`
	Mode    string        `json:"mode"` // sensors of one mode and group see different packets; those of different ones may see the same
	Time    time.Time     `json:"time"` // the sensor's clock
	Dests   []TallyDest   `json:"dests,omitempty"`
	Attacks []TallyAttack `json:"attacks,omitempty"`
	Left    uint32        `json:"left,omitempty"`   // destinations and vectors that Dests has no room for
	Sketch  []byte        `json:"sketch,omitempty"` // of them, once a plan is known: see Sketch
}

// TallyDest is the rate of one class to one address over the last second, what turned out to be no attack left out.
type TallyDest struct {
	Addr      netip.Addr `json:"a"`
	Vector    string     `json:"v"`           // what it would be an attack of: "syn-flood"
	Rate      uint32     `json:"r"`           // packets a second
	Threshold uint32     `json:"t"`           // what would be an attack on this sensor alone
	Hosts     uint16     `json:"h,omitempty"` // "carpet-bombing", Addr being a network's first address (/24, /64): how many of its addresses
}

// TallyAttack is an attack that the sensor has found itself.
type TallyAttack struct {
	ID        string     `json:"id"`
	Vector    string     `json:"vector"`
	Dst       netip.Addr `json:"dst"`            // a network's first address for "carpet-bombing"
	Bits      uint8      `json:"bits,omitempty"` // of that network's prefix; 0: 24, for IPv6 64
	Port      uint16     `json:"port,omitempty"`
	Rate      uint32     `json:"rate"`
	Threshold uint32     `json:"threshold"`
}

// Encode compresses t.
func (t *Tally) Encode() ([]byte, error) {
	if err := t.check(); err != nil {
		return nil, fmt.Errorf("encode tally: %w", err)
	}
	raw, err := json.Marshal(t)
	if err != nil {
		return nil, fmt.Errorf("encode tally: %w", err)
	}
	return deflate(nil, raw), nil
}

// DecodeTally undoes Encode.
func DecodeTally(msg []byte) (*Tally, error) {
	raw, err := inflate(msg, maxTallyRaw)
	if err != nil {
		return nil, fmt.Errorf("decode tally: %w", err)
	}
	t := new(Tally)
	if err := json.Unmarshal(raw, t); err != nil {
		return nil, fmt.Errorf("decode tally: %w: %w", ErrMalformed, err)
	}
	if err := t.check(); err != nil {
		return nil, fmt.Errorf("decode tally: %w", err)
	}
	return t, nil
}

func (t *Tally) check() error {
	if err := CheckName(t.Sensor); err != nil {
		return fmt.Errorf("%w: sensor: %w", ErrMalformed, err)
	}
	if len(t.Dests) > MaxTallyDests || len(t.Attacks) > MaxTallyAttacks {
		return fmt.Errorf("%w: %d destinations and %d attacks, at most %d and %d", ErrMalformed, len(t.Dests), len(t.Attacks), MaxTallyDests, MaxTallyAttacks)
	}
	if len(t.Sketch) > MaxSketch {
		return fmt.Errorf("%w: a sketch of %d bytes, at most %d", ErrMalformed, len(t.Sketch), MaxSketch)
	}
	for i := range t.Dests {
		if d := &t.Dests[i]; !d.Addr.IsValid() || d.Addr.Zone() != "" || len(d.Vector) > maxVector {
			return fmt.Errorf("%w: destination %d", ErrMalformed, i)
		}
	}
	for i := range t.Attacks {
		if a := &t.Attacks[i]; !a.Dst.IsValid() || a.Dst.Zone() != "" || int(a.Bits) > a.Dst.BitLen() || len(a.Vector) > maxVector || a.ID == "" || len(a.ID) > maxAttackID {
			return fmt.Errorf("%w: attack %d", ErrMalformed, i)
		}
	}
	return nil
}

// Arming is every destination that all sensors are to arm, whether they see the attack or not. Each replaces the one before; it is sent
// every ArmingEvery while there is something in it, and once more when there no longer is. A sensor lets only a greater Revision
// replace what it has; it says too how sensors are to sketch what their tallies have no room for. Encoded as a Delta.
type Arming struct {
	Revision uint64      `json:"revision"` // grows; the collector's clock, Unix ns
	Time     time.Time   `json:"time"`
	Orders   []Order     `json:"orders"`
	Plan     *SketchPlan `json:"plan,omitempty"` // nil: no sensor has more destinations than a tally lists
}

// Order is one destination to arm.
type Order struct {
	ID        string     `json:"id"` // of the attack
	Vector    string     `json:"vector"`
	Dst       netip.Addr `json:"dst"`
	Bits      uint8      `json:"bits,omitempty"` // as TallyAttack's
	Port      uint16     `json:"port,omitempty"`
	Rate      uint64     `json:"rate"`      // of all sensors together, packets a second
	Threshold uint32     `json:"threshold"` // packets a second
	Why       string     `json:"why"`
	Until     time.Time  `json:"until"` // unless a later arming says otherwise
}

// Seal encodes and signs a.
func (a *Arming) Seal(key ed25519.PrivateKey) ([]byte, error) {
	if err := a.check(); err != nil {
		return nil, fmt.Errorf("seal arming: %w", err)
	}
	body, err := json.Marshal(a)
	if err != nil {
		return nil, fmt.Errorf("seal arming: %w", err)
	}
	return seal(key, sealArming, body)
}

// OpenArming decodes msg and checks its signature against pub (nil: unchecked).
func OpenArming(pub ed25519.PublicKey, msg []byte) (*Arming, error) {
	if len(msg) > maxArming {
		return nil, fmt.Errorf("open arming: %w: %d bytes, at most %d", ErrMalformed, len(msg), maxArming)
	}
	body, err := unseal(pub, sealArming, msg)
	if err != nil {
		return nil, fmt.Errorf("open arming: %w", err)
	}
	a := new(Arming)
	if err := json.Unmarshal(body, a); err != nil {
		return nil, fmt.Errorf("open arming: %w: %w", ErrMalformed, err)
	}
	if err := a.check(); err != nil {
		return nil, fmt.Errorf("open arming: %w", err)
	}
	return a, nil
}

func (a *Arming) check() error {
	if len(a.Orders) > MaxOrders {
		return fmt.Errorf("%w: %d orders, at most %d", ErrMalformed, len(a.Orders), MaxOrders)
	}
	for i := range a.Orders {
		o := &a.Orders[i]
		if !o.Dst.IsValid() || o.Dst.Zone() != "" || int(o.Bits) > o.Dst.BitLen() || len(o.Vector) > maxVector || o.ID == "" || len(o.ID) > maxAttackID || len(o.Why) > maxWhy || o.Threshold == 0 {
			return fmt.Errorf("%w: order %d", ErrMalformed, i)
		}
	}
	if a.Plan == nil {
		return nil
	}
	return a.Plan.check()
}
