package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/weir-ips/weir/internal/collector"
	"github.com/weir-ips/weir/internal/collector/rollout"
	"github.com/weir-ips/weir/internal/subcommand"
)

func rulesCommand(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	return subcommand.Dispatch(ctx, "collector rules", []subcommand.Command{
		{Name: "list", Summary: "list bundles, where they run, and rollouts", Run: rulesList},
		{Name: "upload", Summary: "check a rule file's grammar, keep it, and say what it would change", Run: rulesUpload},
		{Name: "changes", Summary: "say how a bundle differs from what runs", Run: rulesChanges},
		{Name: "stage", Summary: "give a bundle to one sensor, which is watched", Run: rulesStage},
		{Name: "promote", Summary: "bring a bundle that has passed to its scope", Run: rulesPromote},
		{Name: "rollback", Summary: "take a bundle back, from the one sensor or from the scope", Run: rulesRollback},
	}, args, stdout, stderr)
}

func rulesFlags(name string, stderr io.Writer) (*flag.FlagSet, func(context.Context, collector.RulesOrder) (*collector.RulesOutcome, error)) {
	fs := subcommand.Flags(name, stderr)
	send := orderFlags(fs)
	return fs, func(ctx context.Context, o collector.RulesOrder) (*collector.RulesOutcome, error) {
		out, err := send(ctx, collector.Order{Rules: &o})
		if err != nil {
			return nil, err
		}
		return out.Rules, nil
	}
}

func rulesList(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	fs, send := rulesFlags("collector rules list", stderr)
	if code, ok := parse(fs, args, stderr); !ok {
		return code
	}
	out, err := send(ctx, collector.RulesOrder{List: true})
	if err != nil {
		return fail(stderr, err)
	}
	for _, b := range out.Bundles {
		fmt.Fprintf(stdout, "%.12s %6d rules  %s  %-10s %s\n", b.Version, b.Count, b.AddedAt.Format(time.RFC3339), b.AddedBy, strings.Join(b.Runs, " "))
	}
	for i := range out.Rollouts {
		printRollout(stdout, &out.Rollouts[i])
	}
	return 0
}

func printRollout(w io.Writer, r *rollout.Rollout) {
	fmt.Fprintf(w, "%s %.12s to %s, canary %s: %s", r.ID, r.Version, r.Scope, r.Canary, r.State)
	if m := r.Canaried; m.Seconds > 0 {
		fmt.Fprintf(w, " (%.0f s, %d packets, %d lost, %d alerts, %.2f processors; others %d alerts, %.2f processors)", m.Seconds, m.Packets, m.Lost,
			m.Alerts, m.Processors, r.Others.Alerts, r.Others.Processors)
	}
	if r.Reason != "" {
		fmt.Fprintf(w, ": %s", r.Reason)
	}
	fmt.Fprintln(w)
}

// shown bounds the signature ids that are printed of each kind.
const shown = 20

func printChanges(w io.Writer, c *rollout.Changes) {
	for i, kind := range []struct {
		name string
		list []rollout.SID
	}{{"added", c.Added}, {"removed", c.Removed}, {"changed", c.Changed}} {
		fmt.Fprintf(w, "%d %s", c.Counts[i], kind.name)
		for _, sid := range kind.list[:min(len(kind.list), shown)] {
			fmt.Fprintf(w, " %d", sid)
		}
		if c.Counts[i] > shown {
			fmt.Fprint(w, " …")
		}
		fmt.Fprintln(w)
	}
}

func rulesUpload(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	fs, send := rulesFlags("collector rules upload FILE", stderr)
	scope := fs.String("scope", "all", "`scope` whose rules it is compared with")
	path, code, ok := parseID(fs, args, stderr)
	if !ok {
		return code
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return fail(stderr, err)
	}
	out, err := send(ctx, collector.RulesOrder{Upload: string(text), Scope: *scope})
	if err != nil {
		return fail(stderr, fmt.Errorf("%s: %w", path, err))
	}
	fmt.Fprintf(stdout, "%s\n%d rules\n", out.Bundles[0].Version, out.Bundles[0].Count)
	printChanges(stdout, out.Changes)
	return 0
}

func rulesChanges(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	fs, send := rulesFlags("collector rules changes VERSION", stderr)
	scope := fs.String("scope", "all", "`scope` whose rules it is compared with")
	version, code, ok := parseID(fs, args, stderr)
	if !ok {
		return code
	}
	out, err := send(ctx, collector.RulesOrder{Compare: version, Scope: *scope})
	if err != nil {
		return fail(stderr, err)
	}
	printChanges(stdout, out.Changes)
	return 0
}

func rulesStage(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	fs, send := rulesFlags("collector rules stage VERSION", stderr)
	q := rollout.Request{}
	fs.StringVar(&q.Scope, "scope", "all", "`scope` that is to run it in the end: all, a group or a sensor")
	fs.StringVar(&q.Canary, "canary", "", "`sensor` that tries it; without it the first of the scope that is well")
	watch := fs.Duration("watch", rollout.DefaultWatch, "how `long` the sensor is watched")
	fs.BoolVar(&q.Auto, "auto", false, "promote by itself when the sensor has passed")
	version, code, ok := parseID(fs, args, stderr)
	if !ok {
		return code
	}
	q.Version, q.WatchSeconds = version, int(watch.Seconds())
	return printRollouts(stdout, stderr)(send(ctx, collector.RulesOrder{Stage: &q}))
}

func rulesPromote(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	fs, send := rulesFlags("collector rules promote ROLLOUT", stderr)
	id, code, ok := parseID(fs, args, stderr)
	if !ok {
		return code
	}
	return printRollouts(stdout, stderr)(send(ctx, collector.RulesOrder{Promote: id}))
}

func rulesRollback(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	fs, send := rulesFlags("collector rules rollback ROLLOUT", stderr)
	id, code, ok := parseID(fs, args, stderr)
	if !ok {
		return code
	}
	return printRollouts(stdout, stderr)(send(ctx, collector.RulesOrder{Rollback: id}))
}

func printRollouts(stdout, stderr io.Writer) func(*collector.RulesOutcome, error) int {
	return func(out *collector.RulesOutcome, err error) int {
		if err != nil {
			return fail(stderr, err)
		}
		for i := range out.Rollouts {
			printRollout(stdout, &out.Rollouts[i])
		}
		return 0
	}
}
