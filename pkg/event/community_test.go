package event

import (
	"net/netip"
	"testing"

	"github.com/weir-ips/weir/pkg/decode"
)

// The flows and their ids are those of the Community ID specification's baseline.
func TestCommunityID(t *testing.T) {
	for _, c := range []struct {
		name         string
		proto        uint8
		src, dst     string
		sport, dport uint16
		seed         uint16
		want         string
	}{
		{"tcp", decode.ProtoTCP, "128.232.110.120", "66.35.250.204", 34855, 80, 0, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{"tcp answer", decode.ProtoTCP, "66.35.250.204", "128.232.110.120", 80, 34855, 0, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{"tcp seed 1", decode.ProtoTCP, "128.232.110.120", "66.35.250.204", 34855, 80, 1, "1:3V71V58M3Ksw/yuFALMcW0LAHvc="},
		{"udp", decode.ProtoUDP, "192.168.1.52", "8.8.8.8", 54585, 53, 0, "1:d/FP5EW3wiY1vCndhwleRRKHowQ="},
		{"icmp echo", decode.ProtoICMP, "192.168.0.89", "192.168.0.1", 8, 0, 0, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="},
		{"icmp echo reply", decode.ProtoICMP, "192.168.0.1", "192.168.0.89", 0, 8, 0, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := communityID(nil, c.seed, decode.AddrFrom(netip.MustParseAddr(c.src)), decode.AddrFrom(netip.MustParseAddr(c.dst)), c.sport, c.dport, c.proto)
			if string(got) != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}
