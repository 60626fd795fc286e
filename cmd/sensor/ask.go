package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/weir-ips/weir/internal/sensor/config"
	"github.com/weir-ips/weir/internal/sensor/control"
	"github.com/weir-ips/weir/pkg/verdict"
)

// asking are the flags that status and verdicts share.
type asking struct {
	*flag.FlagSet
	control string
	json    bool
}

func newAsking(name, usage string, stderr io.Writer) *asking {
	a := &asking{FlagSet: flag.NewFlagSet(name, flag.ContinueOnError)}
	a.SetOutput(stderr)
	a.StringVar(&a.control, "control", config.Default().Control, "control `socket` of the running sensor")
	a.BoolVar(&a.json, "json", false, "print JSON")
	a.Usage = func() {
		fmt.Fprintln(stderr, "usage: "+usage)
		a.PrintDefaults()
	}
	return a
}

// parse lets flags stand before and after the arguments, and returns the arguments.
func (a *asking) parse(args []string) (rest []string, err error) {
	for {
		if err := a.Parse(args); err != nil {
			return nil, err
		}
		if a.NArg() == 0 {
			return rest, nil
		}
		rest, args = append(rest, a.Arg(0)), a.Args()[1:]
	}
}

func (a *asking) client() *control.Client { return control.Dial(a.control) }

// exit turns an error into an exit status and says it.
func (a *asking) exit(err error) int {
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	default:
		fmt.Fprintf(a.Output(), "%s: %v\n", a.Name(), err)
		return 1
	}
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func statusCommand(_ context.Context, args []string, stdout, stderr io.Writer) int {
	a := newAsking("sensor status", "sensor status [--control SOCKET] [--json]", stderr)
	if _, err := a.parse(args); err != nil {
		return 2
	}
	st, err := a.client().Status()
	if err != nil {
		return a.exit(err)
	}
	if a.json {
		return a.exit(printJSON(stdout, st))
	}
	printStatus(stdout, &st)
	return 0
}

func printStatus(w io.Writer, st *control.Status) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	defer t.Flush()
	health := "healthy"
	if !st.Healthy {
		health = "NOT healthy: " + strings.Join(st.Reasons, "; ")
	}
	fmt.Fprintf(t, "sensor\t%s, mode %s, policy %s, up %s, %s\n", st.ID, st.Mode, st.Policy, st.Uptime.Round(time.Second), health)
	fmt.Fprintf(t, "xdp\t%s on %s\n", st.Attached, strings.Join(st.Interfaces, ", "))
	for _, m := range st.Missing {
		fmt.Fprintf(t, "  missing\t%s\n", m)
	}
	fmt.Fprintf(t, "rules\t%d loaded, %d disabled (%.12s)\n", st.Rules.Loaded, st.Rules.Disabled, st.Rules.ID)
	fmt.Fprintf(t, "packets\t%d seen by XDP, %d sent back in XDP, %d inspected, %d dropped, %d lost\n",
		st.Traffic.Kernel, st.Traffic.Hairpin, st.Traffic.Inspected, st.Traffic.Dropped, st.Traffic.Lost)
	fmt.Fprintf(t, "workers\t%d; %d packets handed between them, %d moved on uninspected\n", st.Workers, st.Traffic.HandedOver, st.Traffic.Uninspected)
	for _, reason := range slices.Sorted(maps.Keys(st.Drops)) {
		fmt.Fprintf(t, "  dropped\t%d %s\n", st.Drops[reason], reason)
	}
	fmt.Fprintf(t, "alerts\t%d\n", st.Traffic.Alerts)
	fmt.Fprintf(t, "verdicts\t%d\n", st.Verdicts)
	for _, f := range st.Floods {
		fmt.Fprintf(t, "flood\t%s\n", f)
	}
	if st.KillSwitch {
		fmt.Fprintln(t, "KILL SWITCH\ton: nothing is dropped, nothing inspected")
	}
	if c := st.Collector; c.URL != "" {
		state := "NOT connected"
		if c.Connected {
			state = "connected"
		}
		fmt.Fprintf(t, "collector\t%s %s, verdict log at %d/%d, %d alerts waiting, %d given up\n", c.URL, state, c.Epoch, c.Seq, c.Spooled, c.Shed)
	}
}

func verdictsCommand(_ context.Context, args []string, stdout, stderr io.Writer) int {
	a := newAsking("sensor verdicts", "sensor verdicts list|add PREFIX|remove ID|kill|resume [FLAG]...", stderr)
	ttl := a.Duration("ttl", time.Hour, "add: how long")
	reason := a.String("reason", "", "add: why; needed")
	action := a.String("action", "drop", "add: observe, ratelimit, drop, pass or bypass")
	rate := a.Uint("rate", 0, "add: packets per second, for ratelimit")
	rest, err := a.parse(args)
	if err != nil {
		return 2
	}
	if len(rest) == 0 {
		a.Usage()
		return 2
	}
	c := a.client()
	switch verb, args := rest[0], rest[1:]; {
	case verb == "list" && len(args) == 0:
		return a.exit(a.list(c, stdout))
	case verb == "add" && len(args) == 1:
		return a.exit(a.add(c, stdout, args[0], *action, *reason, *ttl, uint32(*rate)))
	case verb == "remove" && len(args) == 1:
		return a.exit(c.RemoveVerdict(args[0]))
	case (verb == "kill" || verb == "resume") && len(args) == 0:
		return a.exit(c.KillSwitch(verb == "kill"))
	}
	a.Usage()
	return 2
}

func (a *asking) add(c *control.Client, stdout io.Writer, prefix, action, reason string, ttl time.Duration, rate uint32) error {
	p, err := config.ParsePrefix(prefix)
	if err != nil {
		return err
	}
	v := verdict.Verdict{Match: verdict.Match{Src: p}, Reason: reason, Rate: rate, ExpiresAt: time.Now().Add(ttl), CreatedBy: "local"}
	if err := v.Action.UnmarshalText([]byte(action)); err != nil {
		return err
	}
	added, err := c.AddVerdict(v)
	if err != nil {
		return err
	}
	if a.json {
		return printJSON(stdout, added)
	}
	fmt.Fprintln(stdout, added.ID)
	return nil
}

func (a *asking) list(c *control.Client, stdout io.Writer) error {
	list, err := c.Verdicts()
	if err != nil {
		return err
	}
	slices.SortFunc(list, func(x, y control.Entry) int { return strings.Compare(x.ID, y.ID) })
	if a.json {
		return printJSON(stdout, list)
	}
	t := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tACTION\tMATCH\tSTATE\tPACKETS\tBYTES\tEXPIRES\tBY\tREASON")
	for _, e := range list {
		fmt.Fprintf(t, "%s\t%v\t%s\t%s\t%d\t%d\t%s\t%s\t%s\n", e.ID, e.Action, matchText(&e.Match), e.State, e.Packets, e.Bytes,
			time.Until(e.ExpiresAt).Round(time.Second), e.CreatedBy, e.Reason)
	}
	return t.Flush()
}

func matchText(m *verdict.Match) string {
	if m.Flow != nil {
		return fmt.Sprintf("%s → %s proto %d", m.Flow.Src, m.Flow.Dst, m.Flow.Proto)
	}
	s := m.Src.String()
	if m.Dst.IsValid() {
		s += " → " + m.Dst.String()
	}
	if m.Port != 0 {
		s += fmt.Sprintf(" port %d", m.Port)
	}
	return s
}
