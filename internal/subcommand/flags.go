package subcommand

import (
	"errors"
	"flag"
	"fmt"
	"io"
)

// Flags is an empty set of flags for the command of that name: what is wrong with them is said on stderr, and the caller decides what
// follows.
func Flags(name string, stderr io.Writer) *flag.FlagSet {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(stderr)
	return fs
}

// Refused is the exit status of a command whose arguments err refuses: 0 for somebody who asked for help, else 2 with the reason said.
func Refused(name string, stderr io.Writer, err error) int {
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	fmt.Fprintf(stderr, "%s: %v\n", name, err)
	return 2
}
