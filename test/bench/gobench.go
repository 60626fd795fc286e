package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// goBench runs Go benchmarks of a package and returns each one's values by unit ("ns/op", "MB/s", …), a value a run.
func goBench(pkg, pattern string, runs int, flags ...string) (map[string]map[string][]float64, error) {
	args := append([]string{"test", "-run", "^$", "-bench", pattern, "-count", strconv.Itoa(runs)}, flags...)
	cmd := exec.Command("go", append(args, pkg)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go test -bench %s %s: %w\n%s", pattern, pkg, err, out)
	}
	results := map[string]map[string][]float64{}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		name, values := benchLine(lines.Text())
		for unit, v := range values {
			if results[name] == nil {
				results[name] = map[string][]float64{}
			}
			results[name][unit] = append(results[name][unit], v)
		}
	}
	if len(results) == 0 {
		return nil, fmt.Errorf("%s has no benchmark %s", pkg, pattern)
	}
	return results, nil
}

// benchLine reads "BenchmarkX-2  100  12.3 ns/op  4.5 MB/s".
func benchLine(line string) (name string, values map[string]float64) {
	f := strings.Fields(line)
	if len(f) < 4 || !strings.HasPrefix(f[0], "Benchmark") {
		return "", nil
	}
	name = strings.TrimPrefix(f[0], "Benchmark")
	if i := strings.LastIndexByte(name, '-'); i > 0 {
		name = name[:i]
	}
	values = map[string]float64{}
	for i := 2; i+1 < len(f); i += 2 {
		if v, err := strconv.ParseFloat(f[i], 64); err == nil {
			values[f[i+1]] = v
		}
	}
	return name, values
}

// table prints the medians of every benchmark, a row each.
func table(results map[string]map[string][]float64) {
	var units []string
	for _, values := range results {
		for u := range values {
			if !slices.Contains(units, u) {
				units = append(units, u)
			}
		}
	}
	slices.Sort(units)
	fmt.Printf("| benchmark | %s |\n|---|%s\n", strings.Join(units, " | "), strings.Repeat("--:|", len(units)))
	var rows []string
	for name := range results {
		rows = append(rows, name)
	}
	slices.Sort(rows)
	for _, name := range rows {
		fmt.Printf("| %s |", name)
		for _, u := range units {
			if v := results[name][u]; len(v) > 0 {
				fmt.Printf(" %.4g |", median(v))
			} else {
				fmt.Print(" |")
			}
		}
		fmt.Println()
	}
}

// benches is an area that is nothing but Go benchmarks of one package.
func benches(pkg, pattern string, flags ...string) func(int) error {
	return func(runs int) error {
		results, err := goBench(pkg, pattern, runs, flags...)
		if err != nil {
			return err
		}
		table(results)
		return nil
	}
}

func matching(runs int) error { return benches("./pkg/signatures/...", ".")(runs) }

func collector(runs int) error {
	return benches("./internal/collector/store", ".", "-benchtime", "3s")(min(runs, 3))
}
