package lab

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"
)

const (
	genevePort     = 6081
	geneveLen      = 8 + 32 // header and AWS's three options
	encapsulation  = ipv4Len + udpLen + geneveLen
	geneveClass    = 0x0108 // AWS's option class
	optEndpoint    = 1      // 8 bytes
	optAttachment  = 2      // 8 bytes
	optCookie      = 3      // 4 bytes
	maxInner       = 8500   // of a Gateway Load Balancer
	geneveOptWords = 8
)

// Geneve is what a Gateway Load Balancer puts around a packet. Zero ports and ids are sent as such.
type Geneve struct {
	SrcMAC, DstMAC       [6]byte
	Src, Dst             netip.Addr // IPv4
	SrcPort              uint16     // differs by flow and direction
	Endpoint, Attachment uint64     // options 1 and 2
	Cookie               uint32     // option 3
	ID                   uint16     // of the outer IPv4 header
}

// Wrap writes a whole frame around the IP packet inner, byte for byte as AWS lays it out, and returns its length: 82 bytes more.
func (o *Geneve) Wrap(b, inner []byte) int {
	size := geneveLen + len(inner)
	rest := putEthernet(b, o.DstMAC, o.SrcMAC, unix.ETH_P_IP)
	rest = ipHeader{src: o.Src, dst: o.Dst, proto: unix.IPPROTO_UDP, ttl: 254, id: o.ID}.put(rest, udpLen+size)
	g := putUDP(rest, o.SrcPort, genevePort, size)
	g[0], g[1] = geneveOptWords, 0
	etherType := uint16(unix.ETH_P_IP)
	if inner[0]>>4 == 6 {
		etherType = unix.ETH_P_IPV6
	}
	binary.BigEndian.PutUint16(g[2:], etherType)
	binary.BigEndian.PutUint32(g[4:], 0) // VNI and reserved
	putOption(g[8:], optEndpoint, 2)
	binary.BigEndian.PutUint64(g[12:], o.Endpoint)
	putOption(g[20:], optAttachment, 2)
	binary.BigEndian.PutUint64(g[24:], o.Attachment)
	putOption(g[32:], optCookie, 1)
	binary.BigEndian.PutUint32(g[36:], o.Cookie)
	copy(g[geneveLen:], inner)
	return ethLen + encapsulation + len(inner)
}

func putOption(b []byte, kind, words uint8) {
	binary.BigEndian.PutUint16(b, geneveClass)
	b[2], b[3] = kind, words
}

// returned is what the load balancer reads of a frame that an appliance sent.
type returned struct {
	src, dst     netip.Addr
	sport, dport uint16
	endpoint     uint64
	hasEndpoint  bool
	cookie       uint32
	hasCookie    bool
	inner        []byte
}

var (
	errNotUDP    = errors.New("not IPv4 UDP")
	errNotGeneve = errors.New("not a GENEVE packet")
)

// parseReturned reads an Ethernet frame. errNotUDP: some other traffic; errNotGeneve: UDP, the header fields up to dport set.
func parseReturned(frame []byte) (r returned, err error) {
	if len(frame) < ethLen+ipv4Len || binary.BigEndian.Uint16(frame[12:]) != unix.ETH_P_IP {
		return r, errNotUDP
	}
	ip := frame[ethLen:]
	header, total := int(ip[0]&0xf)*4, int(binary.BigEndian.Uint16(ip[2:]))
	if ip[0]>>4 != 4 || header < ipv4Len || total < header+udpLen || total > len(ip) || ip[9] != unix.IPPROTO_UDP {
		return r, errNotUDP
	}
	r.src, r.dst = netip.AddrFrom4([4]byte(ip[12:])), netip.AddrFrom4([4]byte(ip[16:]))
	udp := ip[header:total]
	r.sport, r.dport = binary.BigEndian.Uint16(udp), binary.BigEndian.Uint16(udp[2:])
	g := udp[udpLen:]
	if len(g) < 8 || g[0]>>6 != 0 || int(g[0]&0x3f)*4 > len(g)-8 {
		return r, errNotGeneve
	}
	options := g[8 : 8+int(g[0]&0x3f)*4]
	r.inner = g[8+len(options):]
	if !r.readOptions(options) {
		return r, errNotGeneve
	}
	return r, nil
}

func (r *returned) readOptions(b []byte) bool {
	for len(b) > 0 {
		if len(b) < 4 || len(b) < 4+int(b[3]&0x1f)*4 {
			return false
		}
		class, kind, data := binary.BigEndian.Uint16(b), b[2], b[4:4+int(b[3]&0x1f)*4]
		switch {
		case class == geneveClass && kind == optEndpoint && len(data) == 8:
			r.endpoint, r.hasEndpoint = binary.BigEndian.Uint64(data), true
		case class == geneveClass && kind == optCookie && len(data) == 4:
			r.cookie, r.hasCookie = binary.BigEndian.Uint32(data), true
		}
		b = b[4+len(data):]
	}
	return true
}
