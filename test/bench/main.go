// Command bench prints the README's figures: ratios against peers and floors, measured side by side in one run, medians of
// several. Absolute times are printed for orientation; they belong to the machine.
//
//	bench [-area dataplane|matching|pipeline|flame|floods|collector] [-part programs|floods|inline|latency|swaps] [-runs N]
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/weir-ips/weir/test/bench/dataplane"
	"github.com/weir-ips/weir/test/bench/floods"
)

// area is one part of the product with something to measure.
type area struct {
	name string
	run  func(runs int, part string) error
}

func areas() []area {
	return []area{
		{"dataplane", func(runs int, part string) error { return dataplane.Run(os.Stdout, runs, part) }},
		{"matching", func(runs int, _ string) error { return matching(runs) }},
		{"pipeline", func(runs int, _ string) error { return pipeline(runs) }},
		{"flame", func(runs int, _ string) error { return flame(runs) }},
		{"floods", func(runs int, _ string) error { return floods.Run(os.Stdout, runs) }},
		{"collector", func(runs int, _ string) error { return collector(runs) }},
	}
}

func main() {
	only := flag.String("area", "", "measure this area alone")
	part := flag.String("part", "", "of the area dataplane, measure this part alone")
	runs := flag.Int("runs", 5, "runs of each measurement")
	flag.Parse()
	if err := run(*only, *part, *runs); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(only, part string, runs int) error {
	all := areas()
	if only != "" && !slices.ContainsFunc(all, func(a area) bool { return a.name == only }) {
		return fmt.Errorf("no area %q; there are %s", only, strings.Join(names(all), ", "))
	}
	for _, a := range all {
		if only == "" && a.name == "flame" || only != "" && a.name != only { // a picture is no figure
			continue
		}
		fmt.Printf("## %s\n\n", a.name)
		if err := a.run(runs, part); err != nil {
			return fmt.Errorf("%s: %w", a.name, err)
		}
		fmt.Println()
	}
	return nil
}

func names(all []area) []string {
	var out []string
	for _, a := range all {
		out = append(out, a.name)
	}
	return out
}

// median of at least one value.
func median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	return s[len(s)/2]
}
