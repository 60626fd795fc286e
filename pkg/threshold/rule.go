package threshold

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Kind is what a rule threshold does.
type Kind uint8

// The kinds of rule thresholds (Suricata manual, "Thresholding Keywords" and "Global-Thresholds").
const (
	Limit           Kind = iota // alert at most Count times in Seconds
	Threshold                   // alert on every Count-th match in Seconds
	Both                        // alert once in Seconds, on the Count-th match
	DetectionFilter             // match from the Count+1-th match in Seconds on
	RateFilter                  // change the action after Count matches in Seconds, for Timeout
	Suppress                    // never alert
	Backoff                     // alert on match Count, Count×Multiplier, Count×Multiplier², … of a flow
)

// Track is what matches are counted by.
type Track uint8

// What can be tracked.
const (
	BySrc Track = iota + 1
	ByDst
	ByBoth // the pair of addresses, in either direction
	ByRule
	ByFlow
	ByEither // suppress: source or destination
)

// Spec is one threshold.
type Spec struct {
	Kind       Kind
	Track      Track
	Count      uint32
	Seconds    uint32
	Multiplier uint32 // Backoff
	Timeout    uint32 // RateFilter: seconds that the new action lasts; 0 for good
	NewAction  string // RateFilter: alert, drop, pass or reject
}

var tracks = map[string]Track{"by_src": BySrc, "by_dst": ByDst, "by_both": ByBoth, "by_rule": ByRule, "by_flow": ByFlow, "by_either": ByEither}

var kinds = map[string]Kind{"limit": Limit, "threshold": Threshold, "both": Both, "backoff": Backoff}

// ParseRule reads the argument of the keyword threshold: "type limit, track by_src, count 1, seconds 60".
func ParseRule(arg string) (Spec, error) {
	var s Spec
	f, err := fields(arg, "type", "track", "count", "seconds", "multiplier")
	if err != nil {
		return s, err
	}
	kind, ok := kinds[f["type"]]
	if !ok {
		return s, fmt.Errorf("type %q is not limit, threshold, both or backoff", f["type"])
	}
	s.Kind = kind
	if kind == Backoff {
		if err := f.number("multiplier", &s.Multiplier); err != nil {
			return s, err
		}
		if s.Track = tracks[f["track"]]; s.Track != ByFlow {
			return s, errors.New("backoff is tracked by_flow only")
		}
		return s, f.number("count", &s.Count)
	}
	return s, f.common(&s)
}

// ParseDetectionFilter reads the argument of the keyword detection_filter: "track by_src, count 10, seconds 60".
func ParseDetectionFilter(arg string) (Spec, error) {
	s := Spec{Kind: DetectionFilter}
	f, err := fields(arg, "track", "count", "seconds", "unique_on")
	if err != nil {
		return s, err
	}
	return s, f.common(&s)
}

type fieldMap map[string]string

// needed is how many keys a rule's threshold has; what follows them is ignored, as Suricata does.
const needed = 4

// fields reads "key value, key value"; every key must be allowed and be there once.
func fields(arg string, allowed ...string) (fieldMap, error) {
	f := fieldMap{}
	for part := range strings.SplitSeq(arg, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(part), " ")
		value, _, _ = strings.Cut(strings.TrimSpace(value), " reference:") // a forgotten semicolon in published rules
		value = strings.TrimSpace(value)
		known := false
		for _, a := range allowed {
			known = known || a == key
		}
		if !known && len(f) >= needed {
			break
		}
		if !known {
			return nil, fmt.Errorf("%q is not one of %s", key, strings.Join(allowed, ", "))
		}
		if _, twice := f[key]; twice {
			return nil, fmt.Errorf("%s is given twice", key)
		}
		f[key] = value
	}
	return f, nil
}

func (f fieldMap) number(key string, to *uint32) error {
	n, err := strconv.ParseUint(f[key], 10, 32)
	if err != nil || n == 0 {
		return fmt.Errorf("%s %q is not a number above 0", key, f[key])
	}
	*to = uint32(n)
	return nil
}

func (f fieldMap) common(s *Spec) error {
	if s.Track = tracks[f["track"]]; s.Track == 0 || s.Track == ByEither {
		return fmt.Errorf("track %q is not by_src, by_dst, by_both, by_rule or by_flow", f["track"])
	}
	if err := f.number("count", &s.Count); err != nil {
		return err
	}
	return f.number("seconds", &s.Seconds)
}
