package uplink

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-ips/weir/pkg/verdict"
)

// BenchmarkFleet is 1,000 sensors' uplinks on this machine: all cold in sync with 10,000 verdicts, then a verdict made until
// the last of them has it. Beside the times, which belong to an idle machine, it reports the processor's, of collector and sensors
// together, which do not depend on what else runs.
func BenchmarkFleet(b *testing.B) {
	b.Run("plain", func(b *testing.B) { benchmarkFleet(b, newWorld(b), func(*Options) {}) })
	b.Run("mTLS", func(b *testing.B) {
		w := newWorld(b)
		w.enrolment(time.Hour)
		w.open = nil
		token, err := w.enrol.List.CreateToken("", 1000, time.Hour)
		if err != nil {
			b.Fatal(err)
		}
		benchmarkFleet(b, w, func(o *Options) {
			o.Credentials = filepath.Join(w.dir, o.Sensor+".creds")
			if _, err := Enroll(context.Background(), "tls://"+w.listen, token.String(), o.Sensor, o.Credentials); err != nil {
				b.Fatal(err)
			}
		})
	})
}

// benchmarkFleet calls enroll for each sensor before the clock runs.
func benchmarkFleet(b *testing.B, w *world, enroll func(*Options)) {
	const sensors = 1000
	w.start()
	options := make([]Options, sensors)
	for i := range options {
		options[i].Sensor = fmt.Sprintf("edge-%d", i)
		enroll(&options[i])
	}
	vs := make([]verdict.Verdict, 10_000)
	for i := range vs {
		vs[i] = drop(fmt.Sprintf("feed-%d", i), fmt.Sprintf("198.18.%d.%d/32", i>>8, i&255))
	}
	if _, err := w.log.AddAll(context.Background(), vs); err != nil {
		b.Fatal(err)
	}
	began, spent := time.Now(), processor(b)
	var light applied
	fleet := make([]*sensor, sensors)
	for i := range fleet {
		fleet[i] = w.sensor(options[i].Sensor, func(o *Options) { o.Applier, o.Credentials = &light, options[i].Credentials })
	}
	for _, s := range fleet {
		for !w.inSync(s) {
			time.Sleep(5 * time.Millisecond)
		}
	}
	b.Logf("%d sensors in sync with %d verdicts after %s, %s of processor", sensors, len(vs), time.Since(began), processor(b)-spent)
	spent = processor(b)
	var took []time.Duration
	var missing atomic.Int64
	done := make(chan time.Time)
	light.applied = func() {
		if missing.Add(-1) == 0 {
			done <- time.Now()
		}
	}
	for b.Loop() {
		missing.Store(sensors)
		made := time.Now()
		w.add(drop(fmt.Sprintf("v-%d", len(took)), "203.0.113.7/32"))
		took = append(took, (<-done).Sub(made))
	}
	b.StopTimer()
	b.ReportMetric(float64((processor(b)-spent).Microseconds())/1000/float64(len(took)), "cpu-ms/op")
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}

// processor is the time that this process has had of processors.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// applied is an Applier for all sensors at once that keeps nothing: a thousand tables would measure the garbage collector.
type applied struct{ applied func() }

func (a *applied) Apply(verdict.Verdict) error                    { a.applied(); return nil }
func (a *applied) Remove(string) error                            { return nil }
func (a *applied) Replace(_, _ uint64, _ []verdict.Verdict) error { return nil }
