package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// BenchmarkIngest is alerts of 1 KB from four sensors, through spool, bus and store, until the last of them can be queried.
func BenchmarkIngest(b *testing.B) {
	dir := b.TempDir()
	p := start(b, "--config", config(b, dir, ""))
	var sensors []*sensor
	for i := range 4 {
		sensors = append(sensors, connect(b, fmt.Sprintf("edge-%d", i), p.bus, dir, ""))
	}
	e := alert(7, 2, "203.0.113.9", true)
	pad := fmt.Sprintf(`"payload_printable":%q,"alert"`, strings.Repeat("GET /index.php?id=1 ", 35))
	e.EVE = []byte(strings.Replace(string(e.EVE), `"alert":{`, pad+":{", 1))
	b.SetBytes(int64(len(e.EVE)))
	total := 0
	began := time.Now()
	for b.Loop() {
		s := sensors[total%len(sensors)]
		for s.Stats().SpoolEvents > 8000 { // what a sensor keeps in memory is bounded
			time.Sleep(5 * time.Millisecond)
		}
		s.Publish(e)
		total++
	}
	var timeline struct {
		Buckets []struct{ Total int }
	}
	stored := func() int {
		p.call("GET", "/api/v1/stats/timeline?step=60", nil, &timeline)
		n := 0
		for _, t := range timeline.Buckets {
			n += t.Total
		}
		return n
	}
	for stored() < total {
		time.Sleep(20 * time.Millisecond)
	}
	b.ReportMetric(float64(total)/time.Since(began).Seconds(), "alerts/s")
}

// BenchmarkThousandSensors is the collector's memory with 1,000 sensors, and 10,000 verdicts.
func BenchmarkThousandSensors(b *testing.B) {
	const sensors, verdicts = 1000, 10_000
	dir := b.TempDir()
	var list strings.Builder
	for i := range verdicts {
		fmt.Fprintf(&list, "45.%d.%d.7\n", i>>8, i&255)
	}
	file := filepath.Join(dir, "list.txt")
	if err := os.WriteFile(file, []byte(list.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(dir, "collector.yaml")
	text := fmt.Sprintf("data: %s\napi: {listen: %q}\nbus: {listen: %q}\nfeeds: [{name: list, url: %s, action: drop, every: 1h}]\n", filepath.Join(dir, "data"), free(b), free(b), file)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	p := start(b, "--config", path)
	fleet := make([]*sensor, sensors)
	for i := range fleet {
		fleet[i] = connect(b, fmt.Sprintf("edge-%d", i), p.bus, dir, "")
	}
	inSync := func() time.Duration {
		began := time.Now()
		for _, s := range fleet {
			for s.size() < verdicts {
				time.Sleep(5 * time.Millisecond)
			}
		}
		return time.Since(began)
	}
	b.Logf("all in sync after %s", inSync())
	for b.Loop() {
		time.Sleep(2 * time.Second) // of beacons and health reports
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	var peak float64
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			fmt.Sscan(rest, &peak)
		}
	}
	b.ReportMetric(peak/1024, "peak-MB")
}
