package threshold

import "testing"

func TestDistinctEstimates(t *testing.T) {
	for _, n := range []uint64{0, 1, 20, 100, 1000, 37_623, 1_000_000} {
		var d distinct
		s := seed(0x1234567)
		for i := range n {
			d.add(s.with(uint64(s), i))
			d.add(s.with(uint64(s), i)) // twice is once
		}
		if got := d.estimate(); got > n+n/4+1 || got+n/4+1 < n {
			t.Errorf("%d are estimated as %d", n, got)
		}
	}
}

// TestAtLeastIsTheEstimate holds the short way against the long one, at every size that thresholds ask about.
func TestAtLeastIsTheEstimate(t *testing.T) {
	for try := range uint64(20) {
		var d distinct
		s := seed(try)
		for i := range uint64(300) {
			for _, n := range []uint64{1, 2, 20, 32, 63, 64, 100} {
				if got, want := d.atLeast(n), d.estimate() >= n; got != want {
					t.Fatalf("%d values, estimated as %d: at least %d is %t", i, d.estimate(), n, got)
				}
			}
			d.add(s.with(uint64(s), i))
		}
	}
}
