package threshold

// Vector is a kind of attack that is recognised by how often something happens.
type Vector uint8

// The vectors. Their numbers are the last digits of their signature ids: never reorder them.
const (
	SYNFlood Vector = iota
	UDPFlood
	ICMPFlood
	Reflection
	Amplification
	UDPSource
	Carpet
	PortScan
	HostSweep
	SlowHTTP
	BruteForce
	WaterTorture
	FragmentFlood
	ACKFlood
	HTTPFlood
	RapidReset
	TLSFlood
	TLSGroup
	NumVectors
)

// FirstSID is the signature id of the first vector; each has its own, in order.
const FirstSID = 1000100

// Description is what is fixed about a vector: how its alerts are named, and what is counted.
type Description struct {
	Name      string // in records and metrics
	Message   string // the alert's signature
	Class     string // classtype
	Category  string // the class's description
	Priority  int    // 1 is the most severe
	Statistic string // what is compared with the threshold
	Unit      string // of value, threshold and peak
}

const (
	dos      = "Attempted Denial of Service"
	recon    = "Attempted Information Leak"
	login    = "Attempted User Privilege Gain"
	perSec   = "packets/s"
	sessions = "attempts"
)

var descriptions = [NumVectors]Description{
	SYNFlood:      {"syn-flood", "WEIR SYN flood", "attempted-dos", dos, 2, "SYNs without a completed handshake to one address and port", perSec},
	UDPFlood:      {"udp-flood", "WEIR UDP flood", "attempted-dos", dos, 2, "UDP datagrams to one address that it does not answer", perSec},
	ICMPFlood:     {"icmp-flood", "WEIR ICMP flood", "attempted-dos", dos, 2, "ICMP echo requests and unsolicited errors to one address", perSec},
	Reflection:    {"tcp-reflection", "WEIR TCP reflection", "attempted-dos", dos, 2, "SYN-ACKs and RSTs that answer nothing, to one address", perSec},
	Amplification: {"udp-amplification", "WEIR UDP amplification", "attempted-dos", dos, 2, "answers of one service to one address, at least 5 for each question", perSec},
	UDPSource:     {"udp-flood-source", "WEIR UDP flood from one source", "attempted-dos", dos, 2, "UDP datagrams of one address that nobody answers", perSec},
	Carpet:        {"carpet-bombing", "WEIR carpet bombing", "attempted-dos", dos, 2, "unanswered SYNs, datagrams and echo requests to one network", perSec},
	PortScan:      {"port-scan", "WEIR port scan", "attempted-recon", recon, 2, "ports of one host that one source tried in vain", "ports"},
	HostSweep:     {"host-sweep", "WEIR host sweep", "attempted-recon", recon, 2, "hosts that one source tried in vain on one port", "hosts"},
	SlowHTTP:      {"slow-http", "WEIR slow HTTP", "attempted-dos", dos, 2, "requests to one address and port whose headers have been unfinished for 10 s", "requests"},
	BruteForce:    {"brute-force", "WEIR login brute force", "attempted-user", login, 1, "failed logins or short sessions of one source with one login service", sessions},
	WaterTorture:  {"dns-water-torture", "WEIR DNS water torture", "attempted-dos", dos, 2, "failed look-ups of different names in one zone", "answers/s"},
	FragmentFlood: {"fragment-flood", "WEIR fragment flood", "attempted-dos", dos, 2, "fragments to one address", perSec},
	ACKFlood:      {"ack-flood", "WEIR ACK flood", "attempted-dos", dos, 2, "TCP segments that belong to no conversation, to one address", perSec},
	HTTPFlood:     {"http-flood", "WEIR HTTP flood", "attempted-dos", dos, 2, "requests of one client for one host", "requests/s"},
	RapidReset:    {"http2-rapid-reset", "WEIR HTTP/2 rapid reset", "attempted-dos", dos, 2, "streams that one client reset in one connection", "resets/s"},
	TLSFlood:      {"tls-flood", "WEIR TLS handshake flood", "attempted-dos", dos, 2, "TLS handshakes of one client with one server, renewed ones too", "handshakes/s"},
	TLSGroup:      {"tls-flood-distributed", "WEIR distributed TLS handshake flood", "attempted-dos", dos, 2, "TLS handshakes of clients that offer the same cipher suites, with a server that most send no data", "handshakes/s"},
}

// Describe returns what is fixed about v.
func (v Vector) Describe() Description { return descriptions[v] }

// ofSource reports whether a vector is about what one proved source does to one server.
func (v Vector) ofSource() bool { return v == HTTPFlood || v == RapidReset || v == TLSFlood }

// String returns the vector's name in records and metrics.
func (v Vector) String() string { return descriptions[v].Name }

// VectorOf returns the vector of that name.
func VectorOf(name string) (Vector, bool) {
	for v := range NumVectors {
		if descriptions[v].Name == name {
			return v, true
		}
	}
	return 0, false
}

// SID returns the signature id of the vector's alerts.
func (v Vector) SID() uint32 { return FirstSID + uint32(v) }
