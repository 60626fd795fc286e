package daemon

import "testing"

func TestSendsLost(t *testing.T) {
	before := sends{byXDP: 1000, bySockets: 500, byInterfaces: 1490}
	for _, c := range []struct {
		what string
		now  sends
		lost bool
	}{
		{"all is counted", sends{1100, 550, 1640}, false},
		{"beside other traffic", sends{1100, 550, 9000}, false},
		{"some are still in the driver", sends{1100, 550, 1610}, false},
		{"none of XDP's", sends{1100, 550, 1540}, true},
		{"few of XDP's", sends{1100, 550, 1580}, true},
		{"nothing of anybody's", sends{1100, 550, 1490}, true},
	} {
		if got := c.now.lost(before); got != c.lost {
			t.Errorf("%s: lost %v, want %v", c.what, got, c.lost)
		}
	}
}
