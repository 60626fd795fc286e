// Command collector gathers alerts, decides on verdicts, and hands them to the sensors.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// command is one sub-command. run gets the arguments after its name and returns the exit status: 0 done, 1 failed,
// 2 used wrongly.
type command struct {
	name    string
	summary string
	run     func(ctx context.Context, args []string, stdout, stderr io.Writer) int
}

// commands are the sub-commands in the order of the help text.
func commands() []command {
	return []command{
		{"run", "run the collector: bus, store, verdict log, API and console", runCommand},
		{"sensor", "give sensors credentials, list them, take them away", sensorCommand},
		{"token", "let new sensors enrol: create, list and remove tokens", tokenCommand},
		{"kill-switch", "stop all dropping by sensors, or resume it", killCommand},
		{"never-block", "list what must never be blocked, add to it, remove from it", neverBlockCommand},
		{"rollback", "make the verdicts in force those of an earlier position", rollbackCommand},
		{"feed", "let a feed's list pass that is held because it changed too much", feedCommand},
		{"version", "print the version", versionCommand},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := dispatch(ctx, "collector", commands(), os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// dispatch runs the command that args name, or explains which there are.
func dispatch(ctx context.Context, program string, table []command, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		usage(stderr, program, table)
		return 2
	}
	for _, c := range table {
		if c.name == args[0] {
			return c.run(ctx, args[1:], stdout, stderr)
		}
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		usage(stdout, program, table)
		return 0
	}
	fmt.Fprintf(stderr, "%s: no command %q\n\n", program, args[0])
	usage(stderr, program, table)
	return 2
}

func usage(w io.Writer, program string, table []command) {
	fmt.Fprintf(w, "usage: %s COMMAND [ARGUMENT]...\n\n", program)
	for _, c := range table {
		fmt.Fprintf(w, "  %-10s %s\n", c.name, c.summary)
	}
	fmt.Fprintf(w, "\n%s COMMAND --help explains a command.\n", program)
}
