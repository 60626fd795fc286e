package incident

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/weir-ips/weir/pkg/wire"
)

// BenchmarkConsider is what an alert costs ingestion, of 1,000 sources and 20 signatures.
func BenchmarkConsider(b *testing.B) {
	tr, err := Open(Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer tr.Close()
	events := make([]wire.Event, 5000)
	for i := range events {
		events[i] = shape{0, "", 2000 + uint32(i%20), "203.0.113.7", "10.0.0.5", 2, true, rule(fmt.Sprintf("RULE %d", i%20), "TA0001", "Minor")}.event(i)
		events[i].Src = netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, byte(i % 1000 / 250), byte(i % 250)}), 4711)
	}
	for b.Loop() {
		tr.Consider(events)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(events)), "ns/alert")
}
