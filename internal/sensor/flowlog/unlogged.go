package flowlog

import (
	"net/netip"

	"github.com/weir-ips/weir/pkg/flow"
)

// Addresses of AWS's own services in every VPC (AWS, VPC User Guide, "Flow log limitations"; EC2 User Guide for IPv6).
var (
	resolver4, resolver6 = netip.MustParseAddr("169.254.169.253"), netip.MustParseAddr("fd00:ec2::253")
	metadata4, metadata6 = netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("fd00:ec2::254")
	timeSync4, timeSync6 = netip.MustParseAddr("169.254.169.123"), netip.MustParseAddr("fd00:ec2::123")
)

const udp, tcp = 17, 6

// unlogged says which of the things that Flow Logs leave out a conversation is; "" when they would have recorded it.
func unlogged(f *flow.Flow) string {
	to := f.Dst.IP()
	switch {
	case (f.Proto == udp || f.Proto == tcp) && f.DstPort == 53 && (to == resolver4 || to == resolver6 || plusTwo(to)):
		return "dns"
	case to == metadata4 || to == metadata6:
		return "imds"
	case to == timeSync4 || to == timeSync6:
		return "time-sync"
	case f.Proto == udp && dhcp(f.SrcPort, f.DstPort):
		return "dhcp"
	}
	return ""
}

// plusTwo reports whether a private address can be the resolver at the base of a VPC's range plus two. VPCs are /16 to /28, so the
// address ends in 2 within 16; a DNS server of the user's own on such an address is marked too.
func plusTwo(a netip.Addr) bool {
	return a.Is4() && a.IsPrivate() && a.As4()[3]&15 == 2
}

func dhcp(a, b uint16) bool {
	return a == 68 && b == 67 || a == 67 && b == 68 || a == 546 && b == 547 || a == 547 && b == 546
}
