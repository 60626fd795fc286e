package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// check is one column of the table: tests of one package.
type check struct {
	name    string
	program string // file of the compiled tests
	run     string // pattern of -test.run
	skip    string // pattern of -test.skip
	limit   time.Duration
}

func checks() []check {
	return []check{
		{name: "load", program: "bpf.test", run: "^TestVerifierBudget$", limit: 2 * time.Minute},
		{name: "program", program: "bpf.test", run: ".", skip: "^TestVerifierBudget$|^TestCoexist", limit: 5 * time.Minute},
		{name: "coexist", program: "bpf.test", run: "^TestCoexist", limit: 4 * time.Minute},
		{name: "end-to-end", program: "inline.test", run: "^TestGWLB$", limit: 5 * time.Minute},
		{name: "jumbo", program: "inline.test", run: "^TestJumbo", limit: 4 * time.Minute},
		{name: "zero-copy", program: "inline.test", run: "^TestZeroCopy$", limit: 3 * time.Minute},
		{name: "card", program: "capture.test", run: "^TestCard$", limit: 3 * time.Minute},
	}
}

// chooseChecks returns the checks of a list with commas, or all.
func chooseChecks(only string) ([]check, error) {
	if only == "" {
		return checks(), nil
	}
	var chosen []check
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(checks(), func(c check) bool { return c.name == name })
		if i < 0 {
			return nil, fmt.Errorf("no check %q; there are load, program, coexist, end-to-end, jumbo, zero-copy, card", name)
		}
		chosen = append(chosen, checks()[i])
	}
	return chosen, nil
}

// args are the test program's.
func (c check) args() []string {
	args := []string{"-test.v", "-test.run=" + c.run, "-test.timeout=" + c.limit.String()}
	if c.skip != "" {
		args = append(args, "-test.skip="+c.skip)
	}
	return args
}

// build compiles the tests and the sensor that they run into dir.
func build(ctx context.Context, dir string) error {
	for _, b := range [][]string{
		{"test", "-c", "-o", filepath.Join(dir, "bpf.test"), "./bpf"},
		{"test", "-c", "-o", filepath.Join(dir, "capture.test"), "./pkg/capture"},
		{"test", "-c", "-o", filepath.Join(dir, "inline.test"), "./test/inline"},
		{"build", "-o", filepath.Join(dir, "sensor"), "./cmd/sensor"},
	} {
		cmd := exec.CommandContext(ctx, "go", append([]string{b[0], "-trimpath", "-ldflags=-s -w"}, b[1:]...)...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go %s: %w\n%s", strings.Join(b, " "), err, out)
		}
	}
	return nil
}

// runHere runs the checks on this machine's kernel.
func runHere(ctx context.Context, dir string, chosen []check, log io.Writer) (release string, results []result, err error) {
	release, err = command(ctx, "", "uname", "-r")
	if err != nil {
		return "", nil, err
	}
	c := newConsole(log)
	for _, k := range chosen {
		c.line(beginMark + k.name)
		cmd := exec.CommandContext(ctx, filepath.Join(dir, k.program), k.args()...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "WEIR_SENSOR="+filepath.Join(dir, "sensor"))
		out, err := cmd.CombinedOutput()
		for line := range strings.Lines(string(out)) {
			c.line(line)
		}
		c.line(fmt.Sprintf("%s%s %d", endMark, k.name, cmd.ProcessState.ExitCode()))
		if ctx.Err() != nil {
			return "", nil, err
		}
	}
	return strings.TrimSpace(release), c.results, nil
}
