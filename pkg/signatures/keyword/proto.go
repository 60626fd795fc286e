package keyword

import (
	"fmt"
	"strings"

	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/flow/app"
)

const (
	protoTCP  = decode.ProtoTCP
	protoUDP  = decode.ProtoUDP
	protoSCTP = decode.ProtoSCTP
)

// L4Set says which packets a header is about.
type L4Set struct {
	Any     bool // every packet, IP or not (pkthdr, and "ip" for decoder events)
	Version uint8
	Protos  [2]uint8 // 0 for none; both 0 for every IP packet
}

// Has reports whether a packet of this IP protocol and version belongs to the set.
func (s L4Set) Has(proto, version uint8) bool {
	if s.Any {
		return true
	}
	if version == 0 || s.Version != 0 && s.Version != version {
		return false
	}
	return s.Protos == [2]uint8{} || s.Protos[0] == proto || s.Protos[1] != 0 && s.Protos[1] == proto
}

// TCP reports whether TCP packets belong to the set.
func (s L4Set) TCP() bool { return s.Has(protoTCP, max(s.Version, 4)) }

// AppSet is a set of application protocols, one bit each.
type AppSet uint32

// Apps returns the set of ps.
func Apps(ps ...app.Proto) (s AppSet) {
	for _, p := range ps {
		s |= 1 << p
	}
	return s
}

// Has reports whether p is in the set.
func (s AppSet) Has(p app.Proto) bool { return s&(1<<p) != 0 }

// protocol is what a header's protocol word means.
type protocol struct {
	l4     L4Set
	apps   AppSet
	isApp  bool
	packet bool // tcp-pkt
	stream bool // tcp-stream
}

var l4Protocols = map[string]protocol{
	"ip":         {},
	"any":        {},
	"ipv4":       {l4: L4Set{Version: 4}},
	"ip4":        {l4: L4Set{Version: 4}},
	"ipv6":       {l4: L4Set{Version: 6}},
	"ip6":        {l4: L4Set{Version: 6}},
	"tcp":        {l4: L4Set{Protos: [2]uint8{protoTCP}}},
	"tcp-pkt":    {l4: L4Set{Protos: [2]uint8{protoTCP}}, packet: true},
	"tcp-stream": {l4: L4Set{Protos: [2]uint8{protoTCP}}, stream: true},
	"udp":        {l4: L4Set{Protos: [2]uint8{protoUDP}}},
	"icmp":       {l4: L4Set{Protos: [2]uint8{decode.ProtoICMP, decode.ProtoICMPv6}}},
	"icmpv4":     {l4: L4Set{Protos: [2]uint8{decode.ProtoICMP}}},
	"icmpv6":     {l4: L4Set{Protos: [2]uint8{decode.ProtoICMPv6}}},
	"sctp":       {l4: L4Set{Protos: [2]uint8{protoSCTP}}},
	"igmp":       {l4: L4Set{Protos: [2]uint8{2}}},
	"gre":        {l4: L4Set{Protos: [2]uint8{decode.ProtoGRE}}},
	"esp":        {l4: L4Set{Protos: [2]uint8{decode.ProtoESP}}},
	"ah":         {l4: L4Set{Protos: [2]uint8{51}}},
	"pkthdr":     {l4: L4Set{Any: true}},
	"arp":        {l4: L4Set{Any: true}},
	"ether":      {l4: L4Set{Any: true}},
}

const (
	tcpL4  = protoTCP
	udpL4  = protoUDP
	bothL4 = 255
)

// appProtocols are the application protocols that are parsed, with the transports they run over.
var appProtocols = map[string]struct {
	apps AppSet
	l4   uint8
}{
	"http":     {Apps(app.HTTP1, app.HTTP2, app.DOH2), tcpL4},
	"http1":    {Apps(app.HTTP1), tcpL4},
	"http2":    {Apps(app.HTTP2, app.DOH2), tcpL4},
	"doh2":     {Apps(app.DOH2), tcpL4},
	"dns":      {Apps(app.DNS, app.DOH2), bothL4},
	"tls":      {Apps(app.TLS), tcpL4},
	"ssl":      {Apps(app.TLS), tcpL4},
	"quic":     {Apps(app.QUIC), udpL4},
	"ssh":      {Apps(app.SSH), tcpL4},
	"smtp":     {Apps(app.SMTP), tcpL4},
	"ftp":      {Apps(app.FTP), tcpL4},
	"ftp-data": {Apps(app.FTPData), tcpL4},
	"smb":      {Apps(app.SMB), tcpL4},
	"dcerpc":   {Apps(app.DCERPC, app.SMB), bothL4},
	"ntp":      {Apps(app.NTP), udpL4}, // this and those behind it are recognised, not parsed
	"snmp":     {Apps(app.SNMP), udpL4},
	"dhcp":     {Apps(app.DHCP), udpL4},
	"tftp":     {Apps(app.TFTP), udpL4},
	"ike":      {Apps(app.IKE), udpL4},
	"krb5":     {Apps(app.KRB5), bothL4},
	"sip":      {Apps(app.SIP), udpL4},
}

// unparsed are Suricata's protocols that this program does not parse: their keywords are not known, and rules about one that is not even
// recognised load and never match.
var unparsed = []string{"bittorrent-dht", "dhcp", "dnp3", "enip", "ike", "imap", "irc", "jabber", "krb5", "ldap", "llmnr", "mdns",
	"modbus", "mqtt", "msn", "nfs", "ntp", "pgsql", "pop3", "rdp", "rfb", "sip", "snmp", "telnet", "tftp", "websocket"}

// parseProtocol reads the protocol word of a header: a protocol, with a hook after a colon.
func parseProtocol(word string) (p protocol, hook string, known bool, err error) {
	name, hook, _ := strings.Cut(strings.ToLower(word), ":")
	if p, ok := l4Protocols[name]; ok {
		return p, hook, true, nil
	}
	if a, ok := appProtocols[name]; ok {
		p = protocol{apps: a.apps, isApp: true}
		switch a.l4 {
		case bothL4:
			p.l4.Protos = [2]uint8{protoTCP, protoUDP}
		default:
			p.l4.Protos[0] = a.l4
		}
		return p, hook, true, nil
	}
	for _, u := range unparsed {
		if u == name {
			return protocol{isApp: true, l4: L4Set{Protos: [2]uint8{protoTCP, protoUDP}}}, hook, false, nil
		}
	}
	return p, hook, false, fmt.Errorf("protocol %q is not known", word)
}
