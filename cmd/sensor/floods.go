package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/weir-ips/weir/internal/sensor/control"
)

func floodsCommand(_ context.Context, args []string, stdout, stderr io.Writer) int {
	a := newAsking("sensor floods", "sensor floods [list] | baseline export | baseline import FILE [--control SOCKET] [--json]", stderr)
	rest, err := a.parse(args)
	if err != nil {
		return 2
	}
	switch verb := strings.Join(rest[:min(len(rest), 2)], " "); {
	case len(rest) == 0, verb == "list":
		return a.exit(a.attacks(stdout))
	case verb == "baseline export" && len(rest) == 2:
		return a.exit(exportBaselines(a.client(), stdout))
	case verb == "baseline import" && len(rest) == 3:
		return a.exit(importBaselines(a.client(), rest[2]))
	}
	a.Usage()
	return 2
}

func (a *asking) attacks(stdout io.Writer) error {
	list, err := a.client().Attacks()
	if err != nil {
		return err
	}
	if a.json {
		return printJSON(stdout, list)
	}
	if len(list) == 0 {
		fmt.Fprintln(stdout, "no attack is on")
		return nil
	}
	t := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	for i := range list {
		printAttack(t, &list[i])
	}
	return t.Flush()
}

func printAttack(t io.Writer, a *control.Attack) {
	fmt.Fprintf(t, "%s\t%s\n", a.ID, a.Explanation)
	fmt.Fprintf(t, "  on for\t%s; %d counted, peak %d %s\n", time.Since(a.Since).Round(time.Second), a.Counted, a.Peak, a.Unit)
	if a.Sources > 0 {
		fmt.Fprintf(t, "  sources\tabout %d\n", a.Sources)
	}
	for _, s := range a.Top {
		fmt.Fprintf(t, "  source\t%s: about %d packets\n", s.IP, s.Packets)
	}
	for _, m := range a.Measures {
		fmt.Fprintf(t, "  %s\t%s; %d dropped, %d would have been; for %s more; %s\n", m.Step, m.What, m.Dropped, m.Would,
			time.Until(m.Expires).Round(time.Second), m.Why)
	}
}

func exportBaselines(c *control.Client, stdout io.Writer) error {
	text, err := c.Baselines()
	if err != nil {
		return err
	}
	var saved struct {
		Version   int               `json:"version"`
		Saved     time.Time         `json:"saved"`
		Baselines []json.RawMessage `json:"baselines"`
	}
	if err := json.Unmarshal(text, &saved); err != nil {
		return err
	}
	var out bytes.Buffer // a line each, so that people can edit it and compare
	fmt.Fprintf(&out, "{\"version\": %d, \"saved\": %q, \"baselines\": [", saved.Version, saved.Saved.Format(time.RFC3339))
	for i, b := range saved.Baselines {
		fmt.Fprintf(&out, "%s\n%s", strings.Repeat(",", min(i, 1)), b)
	}
	fmt.Fprintln(&out, "\n]}")
	_, err = out.WriteTo(stdout)
	return err
}

func importBaselines(c *control.Client, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !json.Valid(text) {
		return fmt.Errorf("%s: not JSON; `sensor floods baseline export` shows the form", path)
	}
	return c.SetBaselines(text)
}
