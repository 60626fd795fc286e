package event

import (
	"strconv"

	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/flow/app"
)

// protoNames are the names of the IANA registry that EVE uses.
var protoNames = [256]string{
	0:   "HOPOPT",
	1:   "ICMP",
	2:   "IGMP",
	3:   "GGP",
	4:   "IP-in-IP",
	5:   "ST",
	6:   "TCP",
	8:   "EGP",
	9:   "IGP",
	17:  "UDP",
	27:  "RDP",
	33:  "DCCP",
	41:  "IPv6",
	43:  "IPv6-Route",
	44:  "IPv6-Frag",
	46:  "RSVP",
	47:  "GRE",
	50:  "ESP",
	51:  "AH",
	58:  "IPv6-ICMP",
	59:  "IPv6-NoNxt",
	60:  "IPv6-Opts",
	88:  "EIGRP",
	89:  "OSPFIGP",
	94:  "IPIP",
	97:  "ETHERIP",
	98:  "ENCAP",
	103: "PIM",
	108: "IPComp",
	112: "VRRP",
	115: "L2TP",
	132: "SCTP",
	135: "Mobility Header",
	136: "UDPLite",
	137: "MPLS-in-IP",
}

// protoName returns EVE's name of an IP protocol, "" when it is written as a number of three digits.
func protoName(p uint8) string {
	return protoNames[p]
}

func (e *encoder) elemProto(p uint8) {
	if n := protoName(p); n != "" {
		e.quote(n)
		return
	}
	e.b = append(e.b, '"')
	if p < 100 {
		e.b = append(e.b, '0')
	}
	if p < 10 {
		e.b = append(e.b, '0')
	}
	e.b = strconv.AppendUint(e.b, uint64(p), 10)
	e.b = append(e.b, '"')
}

// appProto writes the application protocol and, where they differ, what each side spoke and what came before.
func (e *encoder) appProto(f *flow.Flow) {
	if f.App != app.Unknown {
		e.str("app_proto", f.App.String())
	}
	if p := f.AppDir[app.ToServer]; p != app.Unknown && p != f.App {
		e.str("app_proto_ts", p.String())
	}
	if p := f.AppDir[app.ToClient]; p != app.Unknown && p != f.App {
		e.str("app_proto_tc", p.String())
	}
	if f.AppOrig != app.Unknown && f.AppOrig != f.App {
		e.str("app_proto_orig", f.AppOrig.String())
	}
	if f.AppExpect != app.Unknown && f.AppExpect != f.App {
		e.str("app_proto_expected", f.AppExpect.String())
	}
}

func directionName(d app.Direction) string {
	if d == app.ToServer {
		return "to_server"
	}
	return "to_client"
}
