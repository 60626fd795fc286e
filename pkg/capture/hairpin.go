package capture

import "encoding/binary"

// hairpin swaps the outer MAC and IP addresses of a frame in place, as a Gateway Load Balancer wants its packets back. Ports,
// options and payload stay, and so do the checksums: their sums are the same. False: there is no IP header.
func hairpin(b []byte) bool {
	at := 12
	for range 3 { // up to two VLAN tags
		if len(b) < at+2 {
			return false
		}
		switch binary.BigEndian.Uint16(b[at:]) {
		case 0x8100, 0x88a8:
			at += 4
			continue
		case 0x0800:
			return swap(b, at+2+12, 4)
		case 0x86dd:
			return swap(b, at+2+8, 16)
		}
		return false
	}
	return false
}

// swap exchanges the two MACs, and the two addresses of size bytes at at.
func swap(b []byte, at, size int) bool {
	if len(b) < at+2*size {
		return false
	}
	exchange(b[:6], b[6:12])
	exchange(b[at:at+size], b[at+size:at+2*size])
	return true
}

func exchange(x, y []byte) {
	for i := range x {
		x[i], y[i] = y[i], x[i]
	}
}
