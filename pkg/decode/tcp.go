package decode

// TCP option kinds (IANA).
const (
	tcpEOL       = 0
	tcpNOP       = 1
	tcpMSS       = 2
	tcpWScale    = 3
	tcpSACKOK    = 4
	tcpSACK      = 5
	tcpTimestamp = 8
	tcpFastOpen  = 34
	tcpExp1      = 253
	tcpExp2      = 254
)

func (d *Decoder) tcp(p *Packet, b []byte) {
	if len(b) < 20 {
		p.fail(TCPPacketTooSmall)
		return
	}
	n := int(b[12]>>4) * 4
	if n < 20 {
		p.fail(TCPHeaderLengthTooSmall)
		return
	}
	if n > len(b) {
		p.fail(TCPInvalidOptionLength)
		return
	}
	p.L4, p.Payload = b[:n:n], b[n:]
	p.SrcPort, p.DstPort = be16(b), be16(b[2:])
	p.Seq, p.Ack = be32(b[4:]), be32(b[8:])
	p.Flags, p.Window, p.Urgent = b[13], be16(b[14:]), be16(b[18:])
	if n > 20 {
		p.tcpOptions(b[20:n])
	}
	d.checkL4(p, b)
}

// checkL4 verifies a checksum that covers the pseudo header.
func (d *Decoder) checkL4(p *Packet, b []byte) {
	if d.Checksums && !p.cut {
		p.BadL4Checksum = ChecksumL4(p.Src, p.Dst, p.Proto, b) != 0
	}
}

func (p *Packet) tcpOptions(o []byte) {
	t := &p.TCPOptions
	for len(o) > 0 {
		kind := o[0]
		if kind == tcpEOL {
			return
		}
		if kind == tcpNOP {
			o = o[1:]
			continue
		}
		if len(o) < 2 || int(o[1]) < 2 || int(o[1]) > len(o) {
			p.Events.Add(TCPOptionInvalidLength)
			return
		}
		v := o[2:o[1]]
		o = o[o[1]:]
		switch kind {
		case tcpMSS:
			if p.tcpOption(HasMSS, len(v) == 2) {
				t.MSS = be16(v)
			}
		case tcpWScale:
			if p.tcpOption(HasWindowScale, len(v) == 1) {
				t.WindowScale = v[0]
			}
		case tcpSACKOK:
			p.tcpOption(HasSACKPermitted, len(v) == 0)
		case tcpSACK:
			p.tcpOption(HasSACK, len(v)%8 == 0 && len(v) <= 32) // some systems send an empty one
		case tcpTimestamp:
			if p.tcpOption(HasTimestamps, len(v) == 8) {
				t.TSVal, t.TSEcr = be32(v), be32(v[4:])
			}
		case tcpFastOpen: // RFC 7413: no cookie asks for one
			p.tcpOption(HasFastOpen, fastOpenLen(len(v)))
		case tcpExp1, tcpExp2: // fast open's trial (magic 0xf989)
			if len(v) >= 2 && be16(v) == 0xf989 {
				p.tcpOption(HasFastOpen, fastOpenLen(len(v)-2))
			}
		}
	}
}

func fastOpenLen(n int) bool { return n == 0 || n >= 4 && n <= 16 && n%2 == 0 }

// tcpOption notes an option, once and if well formed; it reports whether its value shall be taken.
func (p *Packet) tcpOption(o TCPOptionSet, ok bool) bool {
	switch {
	case !ok:
		p.Events.Add(TCPOptionInvalidLength)
		return false
	case p.TCPOptions.Has&o != 0:
		p.Events.Add(TCPOptionDuplicate)
		return false
	}
	p.TCPOptions.Has |= o
	return true
}
