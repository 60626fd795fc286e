package threshold

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/weir-ips/weir/pkg/decode"
)

// Baseline is what is known of one network and class, for people to read and edit.
type Baseline struct {
	Network netip.Prefix `json:"network"`          // an IPv4 /24 or an IPv6 /64
	Class   FloodClass   `json:"class"`            // by its name
	Pinned  uint32       `json:"pinned,omitempty"` // packets a second to one destination that are usual, whatever was learned; 0: none
	Weeks   int          `json:"weeks"`            // that the best known hour was learned from
	Hours   WeekHours    `json:"hours"`            // learned packets a second to one destination, UTC
}

// WeekHours has a level for each hour of the week, -1 where nothing is known. JSON: an object of seven arrays, "sun" to "sat".
type WeekHours [hoursOfWeek]int64

var days = [7]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// MarshalJSON implements json.Marshaler.
func (w WeekHours) MarshalJSON() ([]byte, error) {
	out := map[string][]int64{}
	for i, day := range days {
		if hours := w[i*24 : (i+1)*24]; slices.Max(hours) >= 0 {
			out[day] = hours
		}
	}
	return json.Marshal(out)
}

// UnmarshalJSON implements json.Unmarshaler; a day that is left out is unknown.
func (w *WeekHours) UnmarshalJSON(text []byte) error {
	in := map[string][]int64{}
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	for i := range w {
		w[i] = -1
	}
	for day, hours := range in {
		i := slices.Index(days[:], strings.ToLower(day))
		if i < 0 || len(hours) != 24 {
			return fmt.Errorf("hours: %q with %d values: sun, mon, tue, wed, thu, fri or sat with 24 expected", day, len(hours))
		}
		copy(w[i*24:], hours)
	}
	return nil
}

// Export returns all that is known, by network and class.
func (b *Baselines) Export() []Baseline {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]Baseline, 0, len(b.entries))
	for k, e := range b.entries {
		x := Baseline{Network: k.prefix(), Class: k.class, Pinned: e.pinned, Weeks: int(slices.Max(e.weeks[:]))}
		for h := range x.Hours {
			x.Hours[h] = -1
			if e.weeks[h] > 0 {
				x.Hours[h] = int64(e.level[h])
			}
		}
		out = append(out, x)
	}
	slices.SortFunc(out, func(x, y Baseline) int {
		if c := x.Network.Addr().Compare(y.Network.Addr()); c != 0 {
			return c
		}
		return int(x.Class) - int(y.Class)
	})
	return out
}

// Import replaces what is known of the networks and classes in list, and leaves the others; now is Unix ns. A
// list with something wrong in it changes nothing.
func (b *Baselines) Import(list []Baseline, now int64) error {
	var errs []error
	for i := range list {
		if err := list[i].check(); err != nil {
			errs = append(errs, fmt.Errorf("baseline %d: %w", i+1, err))
		}
	}
	if len(list) > maxBaselines {
		errs = append(errs, fmt.Errorf("%d baselines, at most %d", len(list), maxBaselines))
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range list {
		x := &list[i]
		e := b.entry(baselineKey{decode.AddrFrom(x.Network.Masked().Addr()), x.Class}, now/1e9)
		if e == nil {
			return fmt.Errorf("baseline %d: there are %d baselines already, the limit", i+1, maxBaselines)
		}
		e.take(x)
	}
	return nil
}

func (x *Baseline) check() error {
	want := 64
	if x.Network.Addr().Is4() {
		want = 24
	}
	switch {
	case !x.Network.IsValid() || x.Network.Bits() != want:
		return fmt.Errorf("network %q is not an IPv4 /24 or an IPv6 /64", x.Network)
	case x.Class >= NumFloodClasses:
		return fmt.Errorf("class %d is unknown", x.Class)
	case x.Weeks < 0 || x.Weeks > 255:
		return fmt.Errorf("%d weeks are not in 0-255", x.Weeks)
	}
	for h, level := range x.Hours {
		if level < -1 || level > 1<<32-1 {
			return fmt.Errorf("%s %02d:00: %d packets a second are not in 0-4294967295, and not -1 for unknown", days[h/24], h%24, level)
		}
	}
	return nil
}

func (e *baseline) take(x *Baseline) {
	e.pinned, e.asked = x.Pinned, 0
	for h, level := range x.Hours {
		e.level[h], e.weeks[h] = 0, 0
		if level >= 0 {
			e.level[h], e.weeks[h] = uint32(level), uint8(max(x.Weeks, 1))
		}
	}
}

// MarshalText implements encoding.TextMarshaler.
func (c FloodClass) MarshalText() ([]byte, error) {
	if c >= NumFloodClasses {
		return nil, fmt.Errorf("flood class %d is unknown", c)
	}
	return []byte(floodNames[c]), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *FloodClass) UnmarshalText(text []byte) error {
	i := slices.Index(floodNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("flood class %q is not one of %s", text, strings.Join(floodNames[:], ", "))
	}
	*c = FloodClass(i)
	return nil
}

// Saved is the form in which baselines are kept in a file.
type Saved struct {
	Version   int        `json:"version"` // SavedVersion
	Saved     time.Time  `json:"saved"`
	Baselines []Baseline `json:"baselines"`
}

// SavedVersion is the version of Saved that is written and read.
const SavedVersion = 1
