package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

// pipeline replays a capture through all rules with one worker, beside Suricata if it is installed. The data is the user's:
// WEIR_DATA names a folder with mix.pcap and rules/etopen/etopen-merged.rules.
func pipeline(runs int) error {
	data := os.Getenv("WEIR_DATA")
	if data == "" {
		fmt.Println("not measured: set WEIR_DATA to a folder with mix.pcap and rules/etopen/etopen-merged.rules")
		return nil
	}
	dir, err := os.MkdirTemp("", "weir-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	sensor := filepath.Join(dir, "sensor")
	build := exec.Command("go", "build", "-o", sensor, "./cmd/sensor")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}
	capture := filepath.Join(data, "mix.pcap")
	rules := filepath.Join(data, "rules/etopen/etopen-merged.rules")
	var ours, pairs, bare, theirs []sample
	suricata, _ := exec.LookPath("suricata")
	for range runs {
		s, err := runSensor(sensor, dir, capture, 1, "--rules", rules)
		if err != nil {
			return err
		}
		ours = append(ours, s)
		if s, err = runSensor(sensor, dir, capture, 2, "--rules", rules); err != nil {
			return err
		}
		pairs = append(pairs, s)
		if s, err = runSensor(sensor, dir, capture, 1); err != nil {
			return err
		}
		bare = append(bare, s)
		if suricata == "" {
			continue
		}
		if s, err = runSuricata(suricata, dir, capture, rules); err != nil {
			return err
		}
		theirs = append(theirs, s)
	}
	report(ours, theirs)
	inspection := func(s sample) float64 { return s.inspect }
	one, two, none := median(values(ours, inspection)), median(values(pairs, inspection)), median(values(bare, inspection))
	fmt.Printf("\nTwo workers on two processors: %.2f s, %.2f× one. Without rules: %.2f s; rules take %.2f s.\n", two, one/two, none, one-none)
	return nil
}

// sample is one run: seconds, and resident bytes.
type sample struct{ load, inspect, cpu, rss float64 }

// runSensor replays a capture with so many workers on as many processors.
func runSensor(sensor, dir, capture string, workers int, args ...string) (sample, error) {
	n := strconv.Itoa(workers)
	cmd := exec.Command(sensor, append(append([]string{"replay", "--json", "--out", dir, "--workers", n, "--ignore-checksums"}, args...), capture)...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS="+n)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return sample{}, fmt.Errorf("sensor replay: %w", err)
	}
	var r struct {
		Load    float64 `json:"load_seconds"`
		Inspect float64 `json:"inspect_seconds"`
		RSS     float64 `json:"peak_rss_bytes"`
	}
	if err := json.Unmarshal(out, &r); err != nil {
		return sample{}, err
	}
	return sample{r.Load, r.Inspect, cpu(cmd), r.RSS}, nil
}

var elapsed = regexp.MustCompile(`time elapsed ([0-9.]+)s`)

func runSuricata(suricata, dir, capture, rules string) (sample, error) {
	log := filepath.Join(dir, "suricata")
	if err := os.MkdirAll(log, 0o755); err != nil {
		return sample{}, err
	}
	cmd := exec.Command(suricata, "--runmode", "single", "-k", "none", "-l", log, "-S", rules, "-r", capture)
	if out, err := cmd.CombinedOutput(); err != nil {
		return sample{}, fmt.Errorf("suricata: %w\n%s", err, out)
	}
	text, err := os.ReadFile(filepath.Join(log, "suricata.log"))
	if err != nil {
		return sample{}, err
	}
	defer os.Remove(filepath.Join(log, "suricata.log"))
	m := elapsed.FindStringSubmatch(string(text))
	if m == nil {
		return sample{}, errors.New("suricata.log does not tell the time elapsed")
	}
	inspect, err := strconv.ParseFloat(m[1], 64)
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	total := cpu(cmd)
	return sample{total - inspect, inspect, total, float64(usage.Maxrss) * 1024}, err
}

func cpu(cmd *exec.Cmd) float64 {
	return (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
}

func report(ours, theirs []sample) {
	row := func(name string, of func(sample) float64, unit float64, format string) {
		a := median(values(ours, of)) / unit
		if len(theirs) == 0 {
			fmt.Printf("| %s | "+format+" | not installed | |\n", name, a)
			return
		}
		b := median(values(theirs, of)) / unit
		fmt.Printf("| %s | "+format+" | "+format+" | %.2f× |\n", name, a, b, b/a)
	}
	fmt.Println("| mix.pcap, etopen-merged, one worker | Weir | Suricata | ratio |\n|---|--:|--:|--:|")
	row("inspection, s", func(s sample) float64 { return s.inspect }, 1, "%.2f")
	row("load, s (Suricata: CPU outside inspection)", func(s sample) float64 { return s.load }, 1, "%.2f")
	row("whole process, CPU s", func(s sample) float64 { return s.cpu }, 1, "%.2f")
	row("peak resident, MB", func(s sample) float64 { return s.rss }, 1e6, "%.0f")
	if len(theirs) == 0 {
		fmt.Println(strings.TrimSpace("\nSuricata is not installed: apt-get install suricata"))
	}
}

func values(samples []sample, of func(sample) float64) []float64 {
	var out []float64
	for _, s := range samples {
		out = append(out, of(s))
	}
	return out
}
