package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/weir-ips/weir/internal/collector"
	"github.com/weir-ips/weir/internal/collector/api"
	"github.com/weir-ips/weir/internal/subcommand"
)

// orderFlags adds what every order to a running collector needs.
func orderFlags(fs *flag.FlagSet) (send func(ctx context.Context, o collector.Order) (*collector.Outcome, error)) {
	load := configFlags(fs)
	by := fs.String("by", os.Getenv("USER"), "`person` that the audit log names")
	return func(ctx context.Context, o collector.Order) (*collector.Outcome, error) {
		cfg, err := load()
		if err != nil {
			return nil, err
		}
		o.By = *by
		return collector.Control(ctx, cfg.Data, o)
	}
}

// killCommand is `collector kill-switch on|off`.
func killCommand(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	fs := subcommand.Flags("collector kill-switch on|off", stderr)
	send := orderFlags(fs)
	scope := fs.String("scope", "", "`scopes` in which nothing is dropped: all, which it is unless origins or rules are given, sensors or groups, separated by commas")
	origin := fs.String("origin", "", "`origins` whose verdicts are to stop nothing on any sensor: rule, flood, feed, separated by commas")
	rule := fs.String("rule", "", "`signatures`, separated by commas, whose verdicts are to stop nothing")
	reason := fs.String("reason", "", "`why`, for those who find it on")
	word, code, ok := parseID(fs, args, stderr)
	if !ok {
		return code
	}
	var k api.KillSwitch
	switch word {
	case "on":
		var err error
		if k, err = killOrder(*scope, *origin, *rule); err != nil {
			return fail(stderr, err)
		}
		k.Reason = *reason
	case "off":
	default:
		fmt.Fprintf(stderr, "%s: %q is neither on nor off\n", fs.Name(), word)
		return 2
	}
	if _, err := send(ctx, collector.Order{Kill: &k}); err != nil {
		return fail(stderr, err)
	}
	fmt.Fprintf(stdout, "kill switch is %s\n", word)
	return 0
}

// killOrder is what the flags say; without any, everything.
func killOrder(scope, origin, rule string) (k api.KillSwitch, err error) {
	if scope == "" && origin == "" && rule == "" {
		scope = "all"
	}
	list := func(text string) []string {
		return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
	}
	k.Scopes, k.Origins = list(scope), list(origin)
	for _, text := range list(rule) {
		sid, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return k, fmt.Errorf("--rule: %q is not the number of a signature", text)
		}
		k.Rules = append(k.Rules, uint32(sid))
	}
	return k, nil
}

func neverBlockCommand(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	return subcommand.Dispatch(ctx, "collector never-block", []subcommand.Command{
		{Name: "list", Summary: "print the list", Run: neverBlockList},
		{Name: "add", Summary: "put a prefix on the list and lift the verdicts that stop it", Run: neverBlockAdd},
		{Name: "remove", Summary: "take a prefix off the list", Run: neverBlockRemove},
	}, args, stdout, stderr)
}

func neverBlockList(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	fs := subcommand.Flags("collector never-block list", stderr)
	send := orderFlags(fs)
	if code, ok := parse(fs, args, stderr); !ok {
		return code
	}
	out, err := send(ctx, collector.Order{List: true})
	if err != nil {
		return fail(stderr, err)
	}
	for _, p := range out.NeverBlock {
		fmt.Fprintf(stdout, "%-24s %s, %s: %s\n", p.Prefix, p.At.Format(time.RFC3339), p.By, p.Reason)
	}
	return 0
}

func neverBlockAdd(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	fs := subcommand.Flags("collector never-block add PREFIX", stderr)
	send := orderFlags(fs)
	reason := fs.String("reason", "", "`why`")
	text, code, ok := parseID(fs, args, stderr)
	if !ok {
		return code
	}
	p, err := collector.ParsePrefix(text)
	if err == nil && *reason == "" {
		err = errors.New("give --reason: the list outlives memories")
	}
	if err != nil {
		return fail(stderr, err)
	}
	out, err := send(ctx, collector.Order{Protect: &collector.Protected{Prefix: p, Reason: *reason}})
	if err != nil {
		return fail(stderr, err)
	}
	fmt.Fprintf(stdout, "%s is never blocked; %d verdicts lifted\n", p, out.Lifted)
	return 0
}

func neverBlockRemove(ctx context.Context, args []string, _, stderr io.Writer) int {
	fs := subcommand.Flags("collector never-block remove PREFIX", stderr)
	send := orderFlags(fs)
	text, code, ok := parseID(fs, args, stderr)
	if !ok {
		return code
	}
	p, err := collector.ParsePrefix(text)
	if err == nil {
		_, err = send(ctx, collector.Order{Unprotect: &p})
	}
	if err != nil {
		return fail(stderr, err)
	}
	return 0
}

func rollbackCommand(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	fs := subcommand.Flags("collector rollback", stderr)
	send := orderFlags(fs)
	to := fs.Uint64("to", 0, "`seq` of the last verdict that is to count")
	if code, ok := parse(fs, args, stderr); !ok {
		return code
	}
	out, err := send(ctx, collector.Order{Rollback: to})
	if err != nil {
		return fail(stderr, err)
	}
	r := out.RolledBack
	fmt.Fprintf(stdout, "%d removed, %d restored, %d of then may not come back; the log stands at %d\n", r.Removed, r.Restored, r.Skipped, out.Seq)
	return 0
}

// feedCommand is `collector feed accept NAME`.
func feedCommand(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	return subcommand.Dispatch(ctx, "collector feed", []subcommand.Command{{Name: "accept", Summary: "fetch the list again and apply it however much it has changed", Run: feedAccept}},
		args, stdout, stderr)
}

func feedAccept(ctx context.Context, args []string, _, stderr io.Writer) int {
	fs := subcommand.Flags("collector feed accept NAME", stderr)
	send := orderFlags(fs)
	name, code, ok := parseID(fs, args, stderr)
	if !ok {
		return code
	}
	if _, err := send(ctx, collector.Order{Accept: name}); err != nil {
		return fail(stderr, err)
	}
	return 0
}

// exportCommand is `collector export retry NAME`.
func exportCommand(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	return subcommand.Dispatch(ctx, "collector export", []subcommand.Command{{Name: "retry", Summary: "put what a destination refused back into its queue", Run: exportRetry}},
		args, stdout, stderr)
}

func exportRetry(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	fs := subcommand.Flags("collector export retry NAME", stderr)
	send := orderFlags(fs)
	name, code, ok := parseID(fs, args, stderr)
	if !ok {
		return code
	}
	out, err := send(ctx, collector.Order{Retry: name})
	if err != nil {
		return fail(stderr, err)
	}
	fmt.Fprintf(stdout, "%d events are in the queue again\n", out.Retried)
	return 0
}
