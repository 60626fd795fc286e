package threshold

// FloodClass is a kind of packet that floods are made of. SYN-ACKs are not SYNs: an answer is no attack.
type FloodClass uint8

// The classes.
const (
	FloodSYN FloodClass = iota
	FloodUDP
	FloodICMP
	FloodFragment // of any protocol but the first fragment
	NumFloodClasses
)

var floodNames = [NumFloodClasses]string{"syn", "udp", "icmp", "fragment"}

// String returns the class as metrics and events name it.
func (c FloodClass) String() string { return floodNames[c] }
