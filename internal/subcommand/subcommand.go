// Package subcommand runs the sub-command that a command line names, or explains which there are.
package subcommand

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Command is one sub-command. Run gets the arguments after its name and returns the exit status: 0 done, 1 failed, 2 used
// wrongly.
type Command struct {
	Name    string
	Summary string
	Run     func(ctx context.Context, args []string, stdout, stderr io.Writer) int
}

// Main dispatches the process's arguments and ends it. The context ends with SIGINT or SIGTERM.
func Main(program string, table []Command) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := Dispatch(ctx, program, table, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// Dispatch runs the command that args name. Without one, or with an unknown one, it explains which there are and returns 2.
func Dispatch(ctx context.Context, program string, table []Command, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		usage(stderr, program, table)
		return 2
	}
	for _, c := range table {
		if c.Name == args[0] {
			return c.Run(ctx, args[1:], stdout, stderr)
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

func usage(w io.Writer, program string, table []Command) {
	fmt.Fprintf(w, "usage: %s COMMAND [ARGUMENT]...\n\n", program)
	for _, c := range table {
		fmt.Fprintf(w, "  %-12s %s\n", c.Name, c.Summary)
	}
	fmt.Fprintf(w, "\n%s COMMAND --help explains a command.\n", program)
}
