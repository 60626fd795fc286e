package main

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"text/tabwriter"
	"time"
)

// Marks on the console around a check's output.
const (
	beginMark = "=== begin "
	endMark   = "=== end "
	doneMark  = "=== done"
)

// result is what came of one check.
type result struct {
	check                   string
	exit                    int
	passed, failed, skipped int      // tests at the top
	notes                   []string // what the tests said for the table
	took                    time.Duration
}

func (r result) ok() bool { return r.exit == 0 && r.failed == 0 && r.passed > 0 }

// console follows the output of the checks.
type console struct {
	log     io.Writer
	results []result
	current result
	began   time.Time
	done    bool
}

func newConsole(log io.Writer) *console { return &console{log: log} }

// line takes one line of output.
func (c *console) line(text string) {
	text = strings.TrimRight(text, "\r\n") // a serial line ends in both
	fmt.Fprintln(c.log, text)
	if name, ok := strings.CutPrefix(text, beginMark); ok {
		c.current, c.began = result{check: name, exit: -1}, time.Now()
		return
	}
	if rest, ok := strings.CutPrefix(text, endMark); ok {
		fmt.Sscanf(rest, c.current.check+" %d", &c.current.exit) // what cannot be read is a failure
		c.current.took = time.Since(c.began)
		c.results = append(c.results, c.current)
		return
	}
	c.done = c.done || text == doneMark
	c.current.read(text)
}

// note is what a test says for the table, behind file and line: "6.1: host: 40123 instructions verified".
var note = regexp.MustCompile(`_test\.go:\d+: (.*(?:instructions verified|zero-copy).*)$`)

func (r *result) read(text string) {
	switch {
	case strings.HasPrefix(text, "--- PASS"):
		r.passed++
	case strings.HasPrefix(text, "--- FAIL"):
		r.failed++
	case strings.HasPrefix(text, "--- SKIP"):
		r.skipped++
	}
	if m := note.FindStringSubmatch(text); m != nil {
		r.notes = append(r.notes, m[1])
	}
}

// String is the table's cell.
func (r result) String() string {
	s := fmt.Sprintf("pass %d", r.passed)
	if !r.ok() {
		s = fmt.Sprintf("FAIL %d of %d", r.failed, r.passed+r.failed)
	}
	if r.skipped > 0 {
		s += fmt.Sprintf(", skip %d", r.skipped)
	}
	return fmt.Sprintf("%s (%.0f s)", s, r.took.Seconds())
}

// row is what came of one kernel.
type row struct {
	kernel, release string
	results         []result
	err             error
}

func (r row) result(check string) (result, bool) {
	for _, k := range r.results {
		if k.check == check {
			return k, true
		}
	}
	return result{}, false
}

func (r row) ok() bool {
	for _, k := range r.results {
		if !k.ok() {
			return false
		}
	}
	return r.err == nil
}

func (r row) summary() string {
	if r.err != nil {
		return "FAIL: " + r.err.Error()
	}
	var parts []string
	for _, k := range r.results {
		parts = append(parts, k.check+" "+k.String())
	}
	return r.release + ": " + strings.Join(parts, "; ")
}

type report []row

func (t report) failed() []string {
	var out []string
	for _, r := range t {
		if !r.ok() {
			out = append(out, r.kernel)
		}
	}
	return out
}

// print writes a line for each kernel with a column for each check, and below it what the tests noted.
func (t report) print(w io.Writer) {
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprint(table, "kernel")
	for _, c := range checks() {
		fmt.Fprint(table, "\t", c.name)
	}
	fmt.Fprintln(table)
	for _, r := range t {
		fmt.Fprint(table, strings.TrimSpace(r.kernel+" "+r.release))
		for _, c := range checks() {
			cell := "-"
			if k, ok := r.result(c.name); ok {
				cell = k.String()
			}
			fmt.Fprint(table, "\t", cell)
		}
		fmt.Fprintln(table)
	}
	table.Flush()
	for _, r := range t {
		for _, k := range r.results {
			for _, n := range k.notes {
				fmt.Fprintf(w, "%s, %s: %s\n", r.kernel, k.check, n)
			}
		}
	}
}
