package dataplane

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Run measures everything, or one part alone, runs times and writes one table of medians.
func Run(w io.Writer, runs int, only string) error {
	b := &bench{runs: runs}
	var errs []error
	known := only == ""
	for _, part := range []struct {
		name    string
		measure func() error
	}{{"programs", b.programs}, {"floods", b.floods}, {"inline", b.inline}, {"latency", b.latency}, {"swaps", b.swaps}} {
		if only == "" || only == part.name {
			known = true
			errs = append(errs, part.measure())
		}
	}
	if !known {
		return fmt.Errorf("no part %q; there are programs, floods, inline, latency and swaps", only)
	}
	b.print(w)
	return errors.Join(errs...)
}

// bench collects rows.
type bench struct {
	runs int
	rows []row
}

// row is one line of the table: a figure, what it is compared with, their ratio, and what was to be reached.
type row struct{ what, ours, beside, ratio, reach, aim string }

func (b *bench) add(r row) { b.rows = append(b.rows, r) }

func (b *bench) print(w io.Writer) {
	fmt.Fprintln(w, "| what | Weir | beside | ratio | reach | aim |\n|---|--:|--:|--:|--:|--:|")
	for _, r := range b.rows {
		fmt.Fprintln(w, "| "+strings.Join([]string{r.what, r.ours, r.beside, r.ratio, r.reach, r.aim}, " | ")+" |")
	}
}

// median of at least one value.
func median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	return s[len(s)/2]
}

func times(x float64) string { return fmt.Sprintf("%.2f×", x) }

func ns(x float64) string { return fmt.Sprintf("%.1f ns", x) }

func mpps(x float64) string { return fmt.Sprintf("%.2f Mpps", x/1e6) }
