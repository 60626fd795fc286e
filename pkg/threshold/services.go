package threshold

// amplifiers are the UDP services that answer with much more than they were asked, by port: what reflection attacks come from
// (US-CERT TA14-017A and later advisories).
var amplifiers = portSet(17, 19, 53, 69, 111, 123, 137, 161, 389, 427, 500, 520, 623, 1194, 1900, 3283, 3389, 3478, 3702, 4500, 5060, 5093,
	5351, 5353, 5683, 6881, 7001, 10001, 11211, 20800, 27015, 30718, 32773, 33848, 37810, 47808)

type ports [1 << 16 / 64]uint64

func portSet(list ...uint16) *ports {
	p := new(ports)
	for _, n := range list {
		p[n/64] |= 1 << (n % 64)
	}
	return p
}

func (p *ports) has(n uint16) bool { return p[n/64]>>(n%64)&1 == 1 }

// Amplifier reports whether reflection attacks come from this UDP source port.
func Amplifier(port uint16) bool { return amplifiers.has(port) }
