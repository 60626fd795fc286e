package main

import (
	"bufio"
	"errors"
	"fmt"
	"html"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// flame profiles the replay of the pipeline's figures and writes it as a flame graph: docs/performance.svg. Data is found as
// pipeline finds it.
func flame(runs int) error {
	if os.Getenv("WEIR_DATA") == "" {
		fmt.Println("not measured: set WEIR_DATA to a folder with mix.pcap and rules/etopen/etopen-merged.rules")
		return nil
	}
	dir, err := os.MkdirTemp("", "weir-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary, profile := filepath.Join(dir, "replay.test"), filepath.Join(dir, "cpu.prof")
	bench := exec.Command("go", "test", "-run", "^$", "-bench", "^BenchmarkReplay$/^rules$", "-benchtime", fmt.Sprint(runs, "x"),
		"-o", binary, "-cpuprofile", profile, "./internal/sensor/replay")
	bench.Env = append(os.Environ(), "GOMAXPROCS=1")
	if out, err := bench.CombinedOutput(); err != nil {
		return fmt.Errorf("profile: %w\n%s", err, out)
	}
	traces, err := exec.Command("go", "tool", "pprof", "-traces", binary, profile).Output()
	if err != nil {
		return fmt.Errorf("go tool pprof -traces: %w", err)
	}
	root, err := stacks(string(traces), "replay.(*Replay).capture")
	if err != nil {
		return err
	}
	f, err := os.Create("docs/performance.svg")
	if err != nil {
		return err
	}
	drawFlames(f, root)
	fmt.Println("docs/performance.svg is written")
	return f.Close()
}

// frame is a function with those that it calls.
type frame struct {
	name  string
	took  time.Duration
	calls []*frame
}

func (f *frame) call(name string) *frame {
	for _, c := range f.calls {
		if c.name == name {
			return c
		}
	}
	c := &frame{name: name}
	f.calls = append(f.calls, c)
	return c
}

// stacks reads what "pprof -traces" prints: samples, each with its time and its functions from the inside out. Of each stack
// the part from the function named from on counts, and others not.
func stacks(text, from string) (*frame, error) {
	root := &frame{name: from}
	var took time.Duration
	var names []string
	add := func() {
		at := slices.IndexFunc(names, func(n string) bool { return strings.HasSuffix(n, from) })
		if at < 0 {
			return
		}
		root.took += took
		f := root
		for _, n := range slices.Backward(names[:at]) {
			f = f.call(short(n))
			f.took += took
		}
	}
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		fields := strings.Fields(strings.TrimSuffix(lines.Text(), " (inline)"))
		switch {
		case len(fields) == 1 && strings.HasPrefix(fields[0], "---"):
			add()
			names = names[:0]
		case len(fields) == 2:
			d, err := time.ParseDuration(fields[0])
			if err != nil {
				continue
			}
			took, names = d, append(names[:0], fields[1])
		case len(fields) == 1 && len(names) > 0:
			names = append(names, fields[0])
		}
	}
	add()
	if root.took == 0 {
		return nil, errors.New("the profile has no sample of " + from)
	}
	return root, nil
}

// short leaves of a function's name the package and what is in it.
func short(name string) string { return name[strings.LastIndexByte(name, '/')+1:] }

const (
	flameWidth = 1200.0
	flameRow   = 17
	flameDepth = 16
	flameLeast = 4.0 // width of what is drawn at all
)

// drawFlames writes frames as SVG: callers above what they call, as wide as the time within.
func drawFlames(w io.Writer, root *frame) {
	fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %d" font-family="monospace" font-size="11">`+"\n", flameWidth, flameRow*flameDepth)
	drawFlame(w, root, root.took, 0, 0)
	fmt.Fprintln(w, "</svg>")
}

func drawFlame(w io.Writer, f *frame, total time.Duration, x float64, depth int) {
	width := flameWidth * float64(f.took) / float64(total)
	if width < flameLeast || depth == flameDepth {
		return
	}
	share := 100 * float64(f.took) / float64(total)
	label := f.name
	if fits := int(width/6.7) - 1; len(label) > fits {
		label = label[:max(fits, 0)]
	}
	fmt.Fprintf(w, `<g><title>%s %.1f %%</title><rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s" stroke="#fff"/><text x="%.1f" y="%d">%s</text></g>`+"\n",
		html.EscapeString(f.name), share, x, depth*flameRow, width, flameRow-1, flameColour(f.name), x+3, depth*flameRow+12, html.EscapeString(label))
	slices.SortFunc(f.calls, func(a, b *frame) int { return strings.Compare(a.name, b.name) })
	for _, c := range f.calls {
		drawFlame(w, c, total, x, depth+1)
		x += flameWidth * float64(c.took) / float64(total)
	}
}

// flameColour tells parts of the path apart.
func flameColour(name string) string {
	for _, c := range [...][2]string{{"signatures.", "#f4a261"}, {"prefilter.", "#e76f51"}, {"keyword.", "#e9c46a"}, {"regex.", "#e9c46a"},
		{"flow.", "#8ecae6"}, {"event.", "#a3b18a"}, {"runtime.", "#cccccc"}} {
		if strings.HasPrefix(name, c[0]) {
			return c[1]
		}
	}
	return "#dfe7ee"
}
