// Command sensor watches a network for attacks and stops them.
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
		{"run", "inspect and protect, as the configuration says", runCommand},
		{"enroll", "get this sensor's certificate from the collector, with a token", enrollCommand},
		{"status", "say how the running sensor is", statusCommand},
		{"verdicts", "list, add and remove what the running sensor blocks", verdictsCommand},
		{"detach", "take a stopped sensor's program and verdicts out of the kernel", detachCommand},
		{"replay", "run capture files through the rules and write what they hold", replayCommand},
		{"rules", "check rule files", rulesCommand},
		{"doctor", "say whether this host is fit for a sensor, and what to change", doctorCommand},
		{"version", "say which build this is", versionCommand},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := dispatch(ctx, "sensor", commands(), os.Args[1:], os.Stdout, os.Stderr)
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
