package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/weir-ips/weir/internal/sensor/path"
	"github.com/weir-ips/weir/internal/sensor/suricatayaml"
	"github.com/weir-ips/weir/internal/subcommand"
	"github.com/weir-ips/weir/pkg/signatures"
)

// ruleCommands are the sub-commands of sensor rules.
func ruleCommands() []subcommand.Command {
	return []subcommand.Command{
		{Name: "check", Summary: "load rule files and report what is wrong with them", Run: rulesCheck},
		{Name: "fmt", Summary: "print rule files in one form", Run: rulesFmt},
		{Name: "explain", Summary: "say how a rule is evaluated, why it is slow or can never match", Run: rulesExplain},
		{Name: "profile", Summary: "replay captures and list the rules that cost the most", Run: rulesProfile},
		{Name: "keywords", Summary: "list the keywords of the rule language", Run: rulesKeywords},
	}
}

func rulesCommand(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	return subcommand.Dispatch(ctx, "sensor rules", ruleCommands(), args, stdout, stderr)
}

// rulesCheck loads rules and prints each failure as file:line:col: keyword: reason, and last the counts.
func rulesCheck(_ context.Context, args []string, stdout, stderr io.Writer) int {
	fs := subcommand.Flags("sensor rules check", stderr)
	fs.Usage = func() {
		fmt.Fprintln(stderr, "usage: sensor rules check [FLAG]... FILE...")
		fs.PrintDefaults()
	}
	yaml := fs.String("suricata-yaml", "", "Suricata configuration `file` to take variables from")
	var sets []string
	fs.Func("set", "change a setting by Suricata's `key=value`, such as vars.address-groups.HOME_NET=[10.0.0.0/8]; repeatable", appendTo(&sets))
	warn := fs.Bool("warnings", true, "print warnings too")
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case fs.NArg() == 0:
		fs.Usage()
		return 2
	}
	s, warnings, err := suricatayaml.Load(*yaml, sets, false)
	for _, w := range warnings {
		fmt.Fprintln(stderr, "warning:", w)
	}
	if err != nil {
		fmt.Fprintln(stderr, "sensor rules check:", err)
		return 1
	}
	return checkFiles(s, fs.Args(), *warn, stdout, stderr)
}

func checkFiles(s *suricatayaml.Settings, files []string, warn bool, stdout, stderr io.Writer) int {
	sources, err := path.ReadRules(files)
	if err != nil {
		fmt.Fprintln(stderr, "sensor rules check:", err)
		return 1
	}
	opts, err := s.RuleOptions(files)
	if err != nil {
		fmt.Fprintln(stderr, "sensor rules check:", err)
		return 1
	}
	rs, problems := signatures.Load(sources, opts)
	for i := range problems {
		switch p := &problems[i]; {
		case !p.Warning:
			fmt.Fprintln(stdout, &p.Error)
		case warn:
			fmt.Fprintln(stderr, "warning:", &p.Error)
		}
	}
	c := rs.Counts()
	fmt.Fprintf(stdout, "%d rules: %d loaded, %d disabled, %d failed\n", c.Rules, c.Loaded, c.Disabled, c.Failed)
	if c.Failed > 0 {
		return 1
	}
	return 0
}
