package signatures

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// BenchmarkLoad loads ET Open as at a reload, while the ruleset before is in use: processor time, what is resident after a load,
// and how far it rises during the next one. WEIR_DATA names the folder with rules/etopen/etopen-merged.rules.
func BenchmarkLoad(b *testing.B) {
	dir := os.Getenv("WEIR_DATA")
	if dir == "" {
		b.Skip("set WEIR_DATA to a folder with rules/etopen/etopen-merged.rules")
	}
	name := filepath.Join(dir, "rules/etopen/etopen-merged.rules")
	load := func(before *Ruleset) *Ruleset {
		raw, err := os.ReadFile(name)
		if err != nil {
			b.Fatal(err)
		}
		text := unsafe.String(&raw[0], len(raw)) // not twice in memory
		rs, _ := Load([]Source{{Name: name, Text: text}}, Options{Previous: before})
		runtime.GC() // as the sensor does
		return rs
	}
	defer debug.SetGCPercent(debug.SetGCPercent(30)) // too
	rs := load(nil)
	debug.FreeOSMemory()
	resident := status(b, "VmRSS")
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil { // begin the peak anew
		b.Fatal(err)
	}
	begin := processorTime()
	for b.Loop() {
		runtime.KeepAlive(rs)
		rs = load(rs)
	}
	b.ReportMetric((processorTime()-begin)/float64(b.N)*1e3, "cpu-ms/op")
	b.ReportMetric(resident, "MB-loaded")
	b.ReportMetric(status(b, "VmHWM"), "MB-peak-of-reload")
	b.ReportMetric(float64(rs.Counts().Loaded), "rules")
}

// status returns a line of this process's status, in megabytes.
func status(b *testing.B, key string) float64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), key+":")
	var kilobytes float64
	if _, err := fmt.Sscan(rest, &kilobytes); err != nil {
		b.Fatal(err)
	}
	return kilobytes * 1024 / 1e6
}

// processorTime is what this process has used, in seconds.
func processorTime() float64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // cannot fail for the own process
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
