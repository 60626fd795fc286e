package threshold

import (
	"fmt"
	"strconv"
	"strings"
)

// Entry is one line of threshold.config: a threshold for rules that are named by their numbers.
type Entry struct {
	Line     int
	GID, SID uint32 // 0: all
	Spec
	Addresses string // suppress with track: an address, a prefix, a list or a $VARIABLE; "" for all
}

// ConfigError is what is wrong with a line of threshold.config.
type ConfigError struct {
	Line int
	Err  error
}

func (e *ConfigError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap returns the reason.
func (e *ConfigError) Unwrap() error { return e.Err }

// ParseConfig reads threshold.config (Suricata manual, "Global-Thresholds"):
//
//	threshold gen_id 1, sig_id 2404000, type threshold, track by_dst, count 10, seconds 60
//	suppress gen_id 1, sig_id 2009557, track by_src, ip 217.110.97.128/25
//	rate_filter gen_id 1, sig_id 1000, track by_src, count 100, seconds 60, new_action drop, timeout 3600
//
// Wrong lines are reported and left out.
func ParseConfig(text string) ([]Entry, []*ConfigError) {
	var entries []Entry
	var errs []*ConfigError
	n := 0
	for text != "" {
		line, rest, _ := strings.Cut(text, "\n")
		text = rest
		n++
		first := n
		for strings.HasSuffix(strings.TrimRight(line, "\r"), `\`) && text != "" {
			next, rest, _ := strings.Cut(text, "\n")
			text = rest
			n++
			line = strings.TrimSuffix(strings.TrimRight(line, "\r"), `\`) + next
		}
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		e, err := parseEntry(line)
		e.Line = first
		if err != nil {
			errs = append(errs, &ConfigError{first, err})
			continue
		}
		entries = append(entries, e)
	}
	return entries, errs
}

func parseEntry(line string) (Entry, error) {
	var e Entry
	word, arg, _ := strings.Cut(line, " ")
	f, err := entryFields(arg)
	if err != nil {
		return e, err
	}
	if e.GID, err = f.id("gen_id"); err != nil {
		return e, err
	}
	if e.SID, err = f.id("sig_id"); err != nil {
		return e, err
	}
	switch word {
	case "suppress":
		return e, f.suppress(&e)
	case "rate_filter":
		return e, f.rateFilter(&e)
	case "threshold", "event_filter":
		return e, f.threshold(&e)
	}
	return e, fmt.Errorf("%q is not threshold, event_filter, suppress or rate_filter", word)
}

// entryFields is fields with a list of addresses that may hold commas as the last value.
func entryFields(arg string) (fieldMap, error) {
	ip := ""
	if at := strings.Index(arg, "["); at >= 0 {
		before := strings.TrimRight(arg[:at], " \t")
		if end := strings.LastIndex(arg, "]"); end > at && strings.HasSuffix(strings.TrimRight(before, "!"), "ip") {
			key := strings.LastIndex(before, "ip")
			ip = strings.TrimSpace(arg[key+2 : end+1])
			arg = strings.TrimRight(arg[:key], ", \t") + arg[end+1:]
		}
	}
	f, err := fields(strings.ReplaceAll(arg, "\t", " "), "gen_id", "sig_id", "type", "track", "count", "seconds", "ip", "new_action", "timeout", "multiplier")
	if err == nil && ip != "" {
		f["ip"] = ip
	}
	return f, err
}

func (f fieldMap) id(key string) (uint32, error) {
	n, err := strconv.ParseUint(f[key], 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%s %q is not a number", key, f[key])
	}
	return uint32(n), nil
}

func (f fieldMap) suppress(e *Entry) error {
	e.Kind, e.Addresses = Suppress, f["ip"]
	if f["track"] == "" && e.Addresses == "" {
		return nil
	}
	switch e.Track = tracks[f["track"]]; e.Track {
	case BySrc, ByDst, ByEither:
	default:
		return fmt.Errorf("track %q is not by_src, by_dst or by_either", f["track"])
	}
	if e.Addresses == "" {
		return fmt.Errorf("track needs ip")
	}
	return nil
}

func (f fieldMap) rateFilter(e *Entry) error {
	e.Kind = RateFilter
	if err := f.common(&e.Spec); err != nil {
		return err
	}
	switch e.NewAction = f["new_action"]; e.NewAction {
	case "alert", "drop", "pass", "reject":
	default:
		return fmt.Errorf("new_action %q is not alert, drop, pass or reject", e.NewAction)
	}
	n, err := strconv.ParseUint(f["timeout"], 10, 32)
	if err != nil {
		return fmt.Errorf("timeout %q is not a number", f["timeout"])
	}
	e.Timeout = uint32(n)
	return nil
}

func (f fieldMap) threshold(e *Entry) error {
	kind, ok := kinds[f["type"]]
	if !ok {
		return fmt.Errorf("type %q is not limit, threshold, both or backoff", f["type"])
	}
	e.Kind = kind
	return f.common(&e.Spec)
}
