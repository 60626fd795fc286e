package daemon

import (
	"net/netip"
	"testing"
	"time"

	"github.com/weir-ips/weir/internal/sensor/path"
	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/verdict"
)

func TestASurveyCountsWhatAVerdictWouldHit(t *testing.T) {
	addr := func(s string) decode.Addr { return decode.Addr(netip.MustParseAddr(s).As16()) }
	now := time.Now()
	s := &survey{
		match: &verdict.Match{Src: netip.MustParsePrefix("203.0.113.0/24"), Proto: 6},
		from:  now.Add(-10 * time.Minute).UnixNano(), peers: map[netip.Addr]struct{}{},
		kernel: func(c *path.Conversation) (packets, bytes [2]uint64) {
			return [2]uint64{1000, 2000}, [2]uint64{1e6, 2e6}
		},
	}
	old, last := now.Add(-time.Hour).UnixNano(), now.Add(-time.Minute).UnixNano()
	for _, c := range []path.Conversation{
		{Src: addr("203.0.113.7"), Dst: addr("10.0.0.1"), Proto: 6, Alive: true, Proved: true, Start: old, Last: last, Packets: [2]uint64{5, 50}, Bytes: [2]uint64{500, 50_000}},
		{Src: addr("10.0.0.2"), Dst: addr("203.0.113.8"), Proto: 6, Start: last, Last: last, Packets: [2]uint64{3, 4}, Bytes: [2]uint64{30, 40}}, // answers would be hit
		{Src: addr("203.0.113.7"), Dst: addr("10.0.0.1"), Proto: 17, Start: last, Last: last, Packets: [2]uint64{1, 0}},                          // another protocol
		{Src: addr("203.0.113.9"), Dst: addr("10.0.0.3"), Proto: 6, Start: old, Last: old, Packets: [2]uint64{9, 9}},                             // too long ago
		{Src: addr("198.51.100.1"), Dst: addr("10.0.0.1"), Proto: 6, Start: last, Last: last, Packets: [2]uint64{9, 9}},
	} {
		s.look(&c)
	}
	f := s.result(false)
	if f.Flows != 2 || f.Packets != 1005+4 || f.Bytes != 1_000_500+40 || f.Established != 1 || f.LongLived != 1 || f.PeerCount != 2 || len(f.Peers) != 2 || f.Partial {
		t.Errorf("%+v", f)
	}
}
