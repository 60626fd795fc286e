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
