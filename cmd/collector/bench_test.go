package main

import (
	"fmt"
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
