package main

import (
	"context"
	"fmt"
	"io"
	"time"
)

// upgradeCommand has the running sensor become the installed program.
func upgradeCommand(_ context.Context, args []string, stdout, stderr io.Writer) int {
	a := newAsking("sensor upgrade", "sensor upgrade [--control SOCKET] [--wait TIME] [--json]", stderr)
	wait := a.Duration("wait", time.Minute, "`time` in which the installed program must be healthy")
	if _, err := a.parse(args); err != nil {
		return a.exit(err)
	}
	u, err := a.client().Upgrade(*wait)
	if err != nil {
		return a.exit(err)
	}
	if a.json {
		return a.exit(printJSON(stdout, u))
	}
	fmt.Fprintf(stdout, "version %s has taken over from %s within %v: healthy, %d rules loaded\n",
		u.To, u.From, u.Took.Round(time.Millisecond), u.Now.Rules.Loaded)
	return 0
}
