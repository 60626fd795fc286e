package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/weir-ips/weir/internal/sensor/replay"
	"github.com/weir-ips/weir/internal/subcommand"
	"github.com/weir-ips/weir/pkg/signatures"
)

// profileFlags are the command line of sensor rules profile.
type profileFlags struct {
	replayFlags
	top  int
	sort string
}

func parseProfile(args []string, stderr io.Writer) (*profileFlags, error) {
	f := &profileFlags{replayFlags: replayFlags{workers: 1}}
	fs := subcommand.Flags("sensor rules profile", stderr)
	fs.Usage = func() {
		fmt.Fprintln(stderr, "usage: sensor rules profile --pcap CAPTURE... --rules FILE... [FLAG]...")
		fs.PrintDefaults()
	}
	fs.Func("pcap", "capture `file` to replay; may be repeated", appendTo(&f.captures))
	fs.Func("rules", "rule `file` or pattern; may be repeated", appendTo(&f.rules))
	fs.StringVar(&f.config, "config", "", "sensor.yaml: its rules and variables")
	fs.StringVar(&f.suricata, "suricata-yaml", "", "Suricata configuration `file` to take settings from")
	fs.Func("set", "`key=value` of the Suricata configuration; may be repeated", appendTo(&f.sets))
	fs.BoolVar(&f.ips, "ips", false, "as if the traffic could be dropped")
	fs.BoolVar(&f.ignoreChecksums, "ignore-checksums", false, "inspect packets with wrong checksums too")
	fs.BoolVar(&f.json, "json", false, "print one JSON object a rule, all rules that were checked")
	fs.IntVar(&f.top, "top", 25, "how many rules to print")
	fs.StringVar(&f.sort, "sort", "time", "what to sort by: time, checks, matches or average")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	switch {
	case fs.NArg() > 0:
		return nil, fmt.Errorf("%q: captures are named with --pcap", fs.Arg(0))
	case len(f.captures) == 0:
		return nil, errors.New("name at least one capture with --pcap")
	case len(f.rules) == 0 && f.config == "":
		return nil, errors.New("name rules with --rules, or a sensor.yaml with --config")
	case profileOrders[f.sort] == nil:
		return nil, fmt.Errorf("--sort %s: want time, checks, matches or average", f.sort)
	}
	return f, nil
}

// rulesProfile replays captures without writing records, and prints what the rules have cost.
func rulesProfile(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f, err := parseProfile(args, stderr)
	if err != nil {
		return subcommand.Refused("sensor rules profile", stderr, err)
	}
	o, bad, err := f.prepare(stderr)
	if err == nil && o.Rules == nil {
		err = fmt.Errorf("%s names no rules", f.config)
	}
	if err != nil {
		fmt.Fprintln(stderr, "sensor rules profile:", err)
		return 1
	}
	start := time.Now()
	o.Profile = signatures.NewProfile(o.Rules, func() int64 { return int64(time.Since(start)) })
	o.Settings.Outputs, o.Settings.FileStore.Enabled, o.Detect = nil, false, nil
	s, err := replay.Run(ctx, *o)
	if err != nil {
		fmt.Fprintln(stderr, "sensor rules profile:", err)
		return 1
	}
	costs := ruleCosts(o.Rules, o.Profile)
	slices.SortStableFunc(costs, func(a, b ruleCost) int { return profileOrders[f.sort](&b, &a) })
	if err := f.print(stdout, costs, &s); err != nil {
		fmt.Fprintln(stderr, "sensor rules profile:", err)
		return 1
	}
	if bad > 0 {
		fmt.Fprintf(stderr, "sensor rules profile: %d rules could not be loaded\n", bad)
		return 1
	}
	return 0
}

// ruleCost is one rule's line. Times are nanoseconds; Share is of the time of all rules.
type ruleCost struct {
	SID            uint32  `json:"sid"`
	GID            uint32  `json:"gid"`
	Rev            uint32  `json:"rev"`
	Share          float64 `json:"share"`
	Time           int64   `json:"ns"`
	Checks         uint64  `json:"checks"`
	Matches        uint64  `json:"matches"`
	Longest        int64   `json:"longest_ns"`
	Average        int64   `json:"average_ns"`
	AverageMatch   int64   `json:"average_match_ns"`
	AverageNoMatch int64   `json:"average_no_match_ns"`
	Msg            string  `json:"msg"`
	FastPattern    string  `json:"fast_pattern,omitempty"`
	Buffer         string  `json:"fast_pattern_buffer,omitempty"`
}

var profileOrders = map[string]func(a, b *ruleCost) int{
	"time":    func(a, b *ruleCost) int { return cmp.Compare(a.Time, b.Time) },
	"checks":  func(a, b *ruleCost) int { return cmp.Compare(a.Checks, b.Checks) },
	"matches": func(a, b *ruleCost) int { return cmp.Compare(a.Matches, b.Matches) },
	"average": func(a, b *ruleCost) int { return cmp.Compare(a.Average, b.Average) },
}

// ruleCosts are the rules that were checked at all.
func ruleCosts(rs *signatures.Ruleset, p *signatures.Profile) (list []ruleCost) {
	total := int64(0)
	for i, c := range p.Costs() {
		if c.Checks == 0 {
			continue
		}
		total += c.Time
		sig := rs.Signatures()[i]
		about := sig.Explain()
		list = append(list, ruleCost{
			SID: sig.SID, GID: sig.GID, Rev: sig.Rev, Time: c.Time, Checks: c.Checks, Matches: c.Matches, Longest: c.Longest, Msg: sig.Msg,
			Average: c.Time / int64(c.Checks), AverageMatch: c.Matching / max(int64(c.Matches), 1),
			AverageNoMatch: (c.Time - c.Matching) / max(int64(c.Checks-c.Matches), 1), FastPattern: about.Fast, Buffer: about.Where,
		})
	}
	for i := range list {
		list[i].Share = float64(list[i].Time) / float64(max(total, 1))
	}
	return list
}

func (f *profileFlags) print(w io.Writer, costs []ruleCost, s *replay.Summary) error {
	if f.json {
		enc := json.NewEncoder(w)
		for i := range costs {
			if err := enc.Encode(&costs[i]); err != nil {
				return err
			}
		}
		return nil
	}
	var sum ruleCost
	for i := range costs {
		sum.Time, sum.Checks, sum.Matches = sum.Time+costs[i].Time, sum.Checks+costs[i].Checks, sum.Matches+costs[i].Matches
	}
	fmt.Fprintf(w, "%d packets, %.3f s; %d rules were checked %d times, matched %d times, and took %.3f s\n", s.Packets, s.InspectSeconds, len(costs), sum.Checks, sum.Matches, float64(sum.Time)/1e9)
	fmt.Fprintf(w, "%10s %7s %10s %9s %9s %9s %9s %9s  %s\n", "sid", "share", "time, us", "checks", "matches", "avg, ns", "match", "no match", "msg; fast pattern")
	for i := range costs[:min(f.top, len(costs))] {
		c := &costs[i]
		fmt.Fprintf(w, "%10d %6.2f%% %10.1f %9d %9d %9d %9d %9d  %s", c.SID, 100*c.Share, float64(c.Time)/1e3, c.Checks, c.Matches, c.Average, c.AverageMatch, c.AverageNoMatch, c.Msg)
		if c.FastPattern != "" {
			fmt.Fprintf(w, "; %s in %s", c.FastPattern, c.Buffer)
		}
		fmt.Fprintln(w)
	}
	return nil
}
