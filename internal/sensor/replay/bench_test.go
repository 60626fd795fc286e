package replay

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/weir-ips/weir/internal/sensor/path"
	"github.com/weir-ips/weir/pkg/signatures"
	"github.com/weir-ips/weir/pkg/threshold"
)

// BenchmarkReplay replays the capture of the pipeline's figures with and without its rules: what profiles are taken of. WEIR_DATA
// names the folder with mix.pcap and rules/etopen/etopen-merged.rules.
func BenchmarkReplay(b *testing.B) {
	data := os.Getenv("WEIR_DATA")
	if data == "" {
		b.Skip("set WEIR_DATA to a folder with mix.pcap and rules/etopen/etopen-merged.rules")
	}
	rules := ruleset(b, filepath.Join(data, "rules/etopen/etopen-merged.rules"))
	for _, c := range []struct {
		name  string
		rules *signatures.Ruleset
	}{{"rules", rules}, {"norules", nil}} {
		b.Run(c.name, func(b *testing.B) {
			limits := threshold.DefaultLimits()
			before := processorTime()
			for b.Loop() {
				s := settings(b)
				s.Flow.Checksums, s.Decoder.Checksums = false, false
				o := Options{Captures: []string{filepath.Join(data, "mix.pcap")}, Out: b.TempDir(), Settings: s, Rules: c.rules, Workers: 1, Detect: &limits}
				sum, err := Run(b.Context(), o)
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(sum.Bytes))
			}
			b.ReportMetric((processorTime()-before).Seconds()*1e3/float64(b.N), "cpu-ms/op")
		})
	}
}

// processorTime is what this process has used: unlike the time of day, it means something on a busy machine.
func processorTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // cannot fail for the own process
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func ruleset(b *testing.B, file string) *signatures.Ruleset {
	defer path.Loading()()
	sources, err := path.ReadRules([]string{file})
	if err != nil {
		b.Fatal(err)
	}
	opts, err := settings(b).RuleOptions([]string{file})
	if err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	rs, _ := signatures.Load(sources, opts)
	b.Logf("%d rules in %v", rs.Counts().Loaded, time.Since(start).Round(time.Millisecond))
	return rs
}
