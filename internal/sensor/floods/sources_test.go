package floods

import (
	"net/netip"
	"testing"
	"time"

	"github.com/weir-ips/weir/bpf"
	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/threshold"
	"github.com/weir-ips/weir/pkg/verdict"
)

func httpFlood(phase threshold.Phase, now time.Time) *threshold.Detection {
	return &threshold.Detection{Vector: threshold.HTTPFlood, Phase: phase, Time: now.UnixNano(), Since: now.UnixNano(), Port: 80, Proto: decode.ProtoTCP, Name: "shop.example",
		Src: decode.AddrFrom(netip.MustParseAddr("203.0.113.9")), Dst: decode.AddrFrom(victim), Value: 400, Threshold: 200, Window: 1e9}
}

func TestAProvedSourceIsLimitedLongerEachTime(t *testing.T) {
	s := newScene(t, nil)
	for i := range 3 {
		s.Report(httpFlood(threshold.Start, s.now))
		s.pass(2*time.Second, bpf.ClassTCP, 50, victim)
		if len(s.verdicts) != i+1 {
			t.Fatalf("%d verdicts after %d attacks", len(s.verdicts), i+1)
		}
		v := s.verdicts[i]
		if v.Match.Src.String() != "203.0.113.9/32" || v.Match.Dst.String() != "10.1.2.3/32" || v.Action != verdict.RateLimit || v.Rate != 250 || v.Origin != verdict.OriginFlood ||
			v.ExpiresAt.Sub(v.CreatedAt) != time.Minute<<i || v.Reason == "" {
			t.Errorf("%+v", v)
		}
		s.Report(httpFlood(threshold.End, s.now))
		s.pass(90*time.Minute, bpf.ClassTCP, 0)
	}
	if len(s.armed) != 0 {
		t.Errorf("the destination is armed: %v", s.armed)
	}
}

func TestASourceThatCouldBeForgedIsNotLimited(t *testing.T) {
	s := newScene(t, func(o *Options) { o.OneSide = true })
	s.Report(httpFlood(threshold.Start, s.now))
	s.pass(2*time.Second, bpf.ClassTCP, 50, victim)
	if len(s.verdicts) != 0 || s.phases() != "http-flood start" {
		t.Errorf("%+v, told %s", s.verdicts, s.phases())
	}
}

func TestStrikesStayBounded(t *testing.T) {
	s := newScene(t, nil)
	for i := range uint32(2 * maxStrikes) {
		s.remember(decode.Addr{10: 0xff, 11: 0xff, 12: 10, 13: byte(i >> 16), 14: byte(i >> 8), 15: byte(i)}, strikes{1, s.now})
	}
	if len(s.strikes) != maxStrikes {
		t.Errorf("%d", len(s.strikes))
	}
}
