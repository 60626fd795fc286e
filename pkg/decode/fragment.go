package decode

import "encoding/binary"

// AppendUnfragmented appends link layer and IP header of a fragment as they would stand in front of the whole datagram:
// without fragment header and fragment fields. The length is still the fragment's, see SetIPLength.
func (p *Packet) AppendUnfragmented(dst []byte) []byte {
	dst = append(dst, p.Data[:p.IPOffset]...)
	at := len(dst)
	if p.IPVersion == 4 {
		dst = append(dst, p.IPHeader...)
		binary.BigEndian.PutUint16(dst[at+6:], uint16(p.IPFlags&6)<<13)
		return dst
	}
	dst = append(dst, p.IPHeader[:p.fragHeader]...)
	dst[at+int(p.fragLink)] = p.Proto
	return dst
}

// SetIPLength sets the length of the IP packet that ip begins with to len(ip), as far as the field goes, and IPv4's
// checksum.
func SetIPLength(ip []byte) {
	if ip[0]>>4 == 6 {
		binary.BigEndian.PutUint16(ip[4:], uint16(min(len(ip)-40, 0xffff)))
		return
	}
	binary.BigEndian.PutUint16(ip[2:], uint16(min(len(ip), 0xffff)))
	binary.BigEndian.PutUint16(ip[10:], 0)
	binary.BigEndian.PutUint16(ip[10:], Checksum(ip[:int(ip[0]&0xf)*4]))
}
