package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/weir-ips/weir/internal/sensor/config"
	"github.com/weir-ips/weir/internal/sensor/path"
	"github.com/weir-ips/weir/internal/sensor/replay"
	"github.com/weir-ips/weir/internal/sensor/suricatayaml"
	"github.com/weir-ips/weir/internal/strictyaml"
	"github.com/weir-ips/weir/internal/subcommand"
	"github.com/weir-ips/weir/pkg/signatures"
	"github.com/weir-ips/weir/pkg/signatures/keyword"
	"github.com/weir-ips/weir/pkg/threshold"
)

// replayFlags are the command line of sensor replay.
type replayFlags struct {
	out, config, suricata string
	rules, sets, captures []string
	ips, ignoreChecksums  bool
	json                  bool
	workers               int
	detect                bool

	messages []replay.Message // what was said on stderr
}

func parseReplay(args []string, stderr io.Writer) (*replayFlags, error) {
	f := &replayFlags{workers: 1}
	fs := subcommand.Flags("sensor replay", stderr)
	fs.Usage = func() {
		fmt.Fprintln(stderr, "usage: sensor replay --out DIR [FLAG]... CAPTURE...")
		fs.PrintDefaults()
	}
	fs.StringVar(&f.out, "out", "", "`directory` for eve.json")
	fs.Func("rules", "rule `file` or pattern; may be repeated", appendTo(&f.rules))
	fs.StringVar(&f.config, "config", "", "sensor.yaml: its rules, variables and block entries")
	fs.StringVar(&f.suricata, "suricata-yaml", "", "Suricata configuration `file` to take settings from")
	fs.Func("set", "`key=value` of the Suricata configuration, such as stream.midstream=true; may be repeated", appendTo(&f.sets))
	fs.BoolVar(&f.ips, "ips", false, "as if the traffic could be dropped")
	fs.BoolVar(&f.ignoreChecksums, "ignore-checksums", false, "inspect packets with wrong checksums too")
	fs.IntVar(&f.workers, "workers", 1, "conversations are spread over this many workers")
	fs.BoolVar(&f.detect, "detect", false, "look for floods, scans and the like also under settings of a Suricata configuration, which knows none; without such settings they are always looked for")
	fs.BoolVar(&f.json, "json", false, "print the summary as one JSON object")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	f.captures = fs.Args()
	switch {
	case f.out == "":
		return nil, errors.New("--out DIR is missing")
	case len(f.captures) == 0:
		return nil, errors.New("name at least one capture file")
	case f.workers < 1 || f.workers > 256:
		return nil, fmt.Errorf("--workers %d: want 1 to 256", f.workers)
	}
	return f, nil
}

func appendTo(list *[]string) func(string) error {
	return func(s string) error {
		*list = append(*list, s)
		return nil
	}
}

func replayCommand(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f, err := parseReplay(args, stderr)
	if err != nil {
		return subcommand.Refused("sensor replay", stderr, err)
	}
	start := time.Now()
	o, bad, err := f.prepare(stderr)
	if err != nil {
		fmt.Fprintln(stderr, "sensor replay:", err)
		return 1
	}
	load := time.Since(start)
	s, err := replay.Run(ctx, *o)
	err = errors.Join(err, f.writeLog(o.Settings))
	s.LoadSeconds = load.Seconds()
	if err != nil {
		fmt.Fprintln(stderr, "sensor replay:", err)
	}
	if werr := printSummary(stdout, &s, f.json); werr != nil {
		err = errors.Join(err, werr)
	}
	if bad > 0 {
		fmt.Fprintf(stderr, "sensor replay: %d rules could not be loaded; the captures were replayed without them\n", bad)
	}
	if err != nil || bad > 0 {
		return 1
	}
	return 0
}

func printSummary(w io.Writer, s *replay.Summary, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(s)
	}
	s.Print(w)
	return nil
}

// prepare reads configuration and rules; bad is the number of rules that could not be loaded.
func (f *replayFlags) prepare(stderr io.Writer) (o *replay.Options, bad int, err error) {
	defer path.Loading()()
	s, warnings, err := suricatayaml.Load(f.suricata, f.sets, f.ips)
	for _, w := range warnings {
		fmt.Fprintln(stderr, "warning:", w)
		f.messages = append(f.messages, replay.Message{Level: "Warning", Module: "config", Text: w.Error()})
	}
	if err != nil {
		return nil, 0, err
	}
	if f.ignoreChecksums {
		s.Flow.Checksums, s.Decoder.Checksums = false, false
	}
	o = &replay.Options{Captures: f.captures, Out: f.out, Settings: s, Workers: f.workers,
		Warn: func(err error) { fmt.Fprintln(stderr, "warning:", err) }}
	if f.detect || f.suricata == "" && len(f.sets) == 0 {
		limits := threshold.DefaultLimits()
		o.Detect = &limits
	}
	rules := f.rules
	if f.config != "" {
		c, err := sensorConfig(f.config)
		if err != nil {
			return nil, 0, err
		}
		maps.Copy(s.Rules.Variables, c.Variables)
		o.Block = blocker(c.Block)
		if o.Detect != nil {
			o.Detect.SYN, o.Detect.UDP, o.Detect.ICMP = c.Floods.SYN, c.Floods.UDP, c.Floods.ICMP
			o.Detect.Fragments, o.Detect.HTTP, o.Detect.TLS = c.Floods.Fragments, c.Floods.Requests, c.Floods.Handshakes
		}
		if len(rules) == 0 {
			rules = c.Rules
		}
	}
	if len(rules) == 0 {
		return o, 0, nil
	}
	o.Rules, bad, err = f.loadRules(s, rules, stderr)
	o.Loaded = time.Now()
	return o, bad, err
}

// writeLog writes what was said about the configuration into the log that the configuration asks for.
func (f *replayFlags) writeLog(s *suricatayaml.Settings) error {
	if s.Log == "" {
		return nil
	}
	if s.MasterPolicy != "" {
		f.messages = append(f.messages, replay.Message{Level: "Info", Module: "exception-policy", Text: "master exception-policy set to: " + s.MasterPolicy})
	}
	return replay.WriteLog(filepath.Join(f.out, s.Log), time.Now(), f.messages)
}

// sensorConfig reads a sensor.yaml for what does not depend on the host it is made for.
func sensorConfig(file string) (*config.Config, error) {
	c := config.Default()
	if _, err := strictyaml.Load(file, &c); err != nil {
		return nil, err
	}
	return &c, nil
}

// blocker is the policy of a sensor.yaml's block entries; nil without any.
func blocker(entries []config.Block) func(*keyword.Signature) bool {
	if len(entries) == 0 {
		return nil
	}
	return func(sig *keyword.Signature) bool {
		return slices.ContainsFunc(entries, func(b config.Block) bool {
			return (len(b.Signatures) == 0 || slices.Contains(b.Signatures, sig.SID)) &&
				(len(b.Classtypes) == 0 || slices.Contains(b.Classtypes, sig.Class)) &&
				(b.Severity == 0 || sig.Priority <= int(b.Severity))
		})
	}
}

// loadRules reads and compiles rule files under a configuration, and prints and notes what is wrong with them.
func (f *replayFlags) loadRules(s *suricatayaml.Settings, files []string, stderr io.Writer) (*signatures.Ruleset, int, error) {
	sources, err := path.ReadRules(s.RulePaths(files))
	if err != nil {
		return nil, 0, err
	}
	opts, err := s.RuleOptions(files)
	if err != nil {
		return nil, 0, err
	}
	rs, problems := signatures.Load(sources, opts)
	for i := range problems {
		if problems[i].Warning {
			fmt.Fprintln(stderr, "warning:", &problems[i].Error)
		} else {
			fmt.Fprintln(stderr, &problems[i].Error)
			f.messages = append(f.messages, replay.Message{Level: "Error", Module: "rules", Text: problems[i].Err.Error()})
		}
	}
	return rs, rs.Counts().Failed, nil
}
