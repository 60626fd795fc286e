package verdict

import (
	"fmt"
	"slices"
	"strings"
)

func actionNames() []string {
	return []string{Observe: "observe", RateLimit: "ratelimit", Drop: "drop", Pass: "pass", Bypass: "bypass"}
}

func originNames() []string {
	return []string{OriginAnalyst: "analyst", OriginRule: "rule", OriginFlood: "flood", OriginFeed: "feed"}
}

// String is the action's name in text and JSON.
func (a Action) String() string { return nameOf(actionNames(), "action", uint8(a)) }

// MarshalText writes the action's name.
func (a Action) MarshalText() ([]byte, error) { return marshalName(actionNames(), "action", uint8(a)) }

// UnmarshalText reads the action's name.
func (a *Action) UnmarshalText(text []byte) error {
	n, err := parseName(actionNames(), "action", string(text))
	if err == nil {
		*a = Action(n)
	}
	return err
}

// String is the origin's name in text and JSON.
func (o Origin) String() string { return nameOf(originNames(), "origin", uint8(o)) }

// MarshalText writes the origin's name; the zero Origin is an error.
func (o Origin) MarshalText() ([]byte, error) { return marshalName(originNames(), "origin", uint8(o)) }

// UnmarshalText reads the origin's name.
func (o *Origin) UnmarshalText(text []byte) error {
	n, err := parseName(originNames(), "origin", string(text))
	if err == nil {
		*o = Origin(n)
	}
	return err
}

// named reports whether the number has a name.
func named(names []string, n uint8) bool { return int(n) < len(names) && names[n] != "" }

func nameOf(names []string, what string, n uint8) string {
	if named(names, n) {
		return names[n]
	}
	return fmt.Sprintf("%s(%d)", what, n)
}

func marshalName(names []string, what string, n uint8) ([]byte, error) {
	if !named(names, n) {
		return nil, fmt.Errorf("verdict: %s %d has no name", what, n)
	}
	return []byte(names[n]), nil
}

func parseName(names []string, what, text string) (int, error) {
	if i := slices.Index(names, text); i >= 0 && text != "" {
		return i, nil
	}
	known := slices.DeleteFunc(names, func(s string) bool { return s == "" })
	return 0, fmt.Errorf("verdict: %s %q: must be one of %s", what, text, strings.Join(known, ", "))
}
