package event

// Type is a kind of record: EVE's event_type.
type Type uint8

// The records that can be written.
const (
	Alert Type = iota
	Drop
	Anomaly
	Flow
	Netflow
	HTTP
	DNS
	TLS
	QUIC
	SSH
	SMTP
	FTP
	FTPData
	SMB
	DCERPC
	FileInfo
	ARP
	PacketRecord // a packet that a tag keyword asked for
	StreamTCP    // a TCP packet and what it did to its session
	Frame        // a part of a stream that a protocol's parser has marked
	Metadata     // what rules captured of a packet
	Stats
	NumTypes
)

var typeNames = [NumTypes]string{
	"alert", "drop", "anomaly", "flow", "netflow", "http", "dns", "tls", "quic", "ssh", "smtp", "ftp", "ftp_data", "smb",
	"dcerpc", "fileinfo", "arp", "packet", "stream_tcp", "frame", "metadata", "stats",
}

// String returns EVE's event_type.
func (t Type) String() string { return typeNames[t] }

// TypeSet is a set of Types.
type TypeSet uint32

// Set returns the set of the given types.
func Set(types ...Type) TypeSet {
	var s TypeSet
	for _, t := range types {
		s |= 1 << t
	}
	return s
}

// Has reports whether t is in the set.
func (s TypeSet) Has(t Type) bool { return s>>t&1 == 1 }
