package threshold

// Limits are the static thresholds of a Detector; 0 switches a vector off.
type Limits struct {
	SYN           uint32 // unfinished handshakes a second to one address and port
	UDP           uint32 // unanswered datagrams a second to, or from, one address
	ICMP          uint32 // echo requests, and unsolicited errors, a second to one address
	Reflection    uint32 // unsolicited SYN-ACKs and RSTs a second to one address, from 100 sources
	Amplification uint32 // answers a second of one amplifying service to one address, from 20 sources; or 10 Mbit/s of them
	Carpet        uint32 // unanswered packets a second to 32 addresses of one IPv4 /24 or IPv6 /64
	Ports         uint32 // of one host tried in vain by one source within a minute
	Hosts         uint32 // tried in vain on one port by one source within a minute
	Requests      uint32 // open at one address and port, with headers unfinished for 10 s
	Logins        uint32 // failed or cut short by one source at one service within a minute
	Names         uint32 // failed look-ups a second of different names in one zone
	HTTP          uint32 // requests a second of one client for one host
	Resets        uint32 // streams a second that one client gives up in one HTTP/2 conversation
	Fragments     uint32 // a second to one address
	TLS           uint32 // handshakes a second of one client with one server, for 10 s
	Handshakes    uint32 // TLS handshakes a second with one server, of 20 clients or more that offer the same cipher suites
	Stray         uint32 // TCP segments a second of no conversation to one address, from 100 sources
}

// DefaultLimits are far above what ordinary hosts do, and below what hurts a small server.
func DefaultLimits() Limits {
	return Limits{SYN: 1000, UDP: 5000, ICMP: 1000, Reflection: 1000, Amplification: 1000, Carpet: 10_000, Ports: 25, Hosts: 25,
		Requests: 100, Logins: 20, Names: 100, HTTP: 500, Fragments: 1000, Resets: 100, TLS: 200, Handshakes: 1000, Stray: 5000}
}

// What a vector takes besides its rate.
const (
	reflectors     = 100            // different sources of a TCP reflection
	amplifierCount = 20             // different sources of a UDP amplification
	answerRatio    = 5              // answers for each question, at least
	amplifiedBytes = 10_000_000 / 8 // a second
	carpetHosts    = 32
	groupClients   = 20
	namesSeen      = 64
)

// rate returns the vector's threshold per second.
func (l *Limits) rate(v Vector) uint64 {
	switch v {
	case SYNFlood:
		return uint64(l.SYN)
	case UDPFlood, UDPSource:
		return uint64(l.UDP)
	case ICMPFlood:
		return uint64(l.ICMP)
	case Reflection:
		return uint64(l.Reflection)
	case Amplification:
		return uint64(l.Amplification)
	case Carpet:
		return uint64(l.Carpet)
	case WaterTorture:
		return uint64(l.Names)
	case FragmentFlood:
		return uint64(l.Fragments)
	case HTTPFlood:
		return uint64(l.HTTP)
	case RapidReset:
		return uint64(l.Resets)
	case ACKFlood:
		return uint64(l.Stray)
	case TLSFlood:
		return uint64(l.TLS)
	case TLSGroup:
		return uint64(l.Handshakes)
	}
	return 0
}
