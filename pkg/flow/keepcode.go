package flow

import (
	"encoding/binary"

	"github.com/weir-ips/weir/pkg/decode"
)

// coder writes the fields of a kept flow, or reads them, in one order: little-endian, without padding.
type coder struct {
	buf   []byte
	write bool
}

// coderSize is how many bytes a kept flow has.
var coderSize = func() int {
	c := coder{write: true}
	(&kept{}).code(&c)
	return len(c.buf)
}()

func (c *coder) u64(v *uint64) {
	if c.write {
		c.buf = binary.LittleEndian.AppendUint64(c.buf, *v)
		return
	}
	*v, c.buf = binary.LittleEndian.Uint64(c.buf), c.buf[8:]
}

func (c *coder) i64(v *int64) {
	u := uint64(*v)
	c.u64(&u)
	*v = int64(u)
}

func (c *coder) u32(v *uint32) {
	if c.write {
		c.buf = binary.LittleEndian.AppendUint32(c.buf, *v)
		return
	}
	*v, c.buf = binary.LittleEndian.Uint32(c.buf), c.buf[4:]
}

func (c *coder) u16(v *uint16) {
	if c.write {
		c.buf = binary.LittleEndian.AppendUint16(c.buf, *v)
		return
	}
	*v, c.buf = binary.LittleEndian.Uint16(c.buf), c.buf[2:]
}

func (c *coder) u8(v *uint8) {
	if c.write {
		c.buf = append(c.buf, *v)
		return
	}
	*v, c.buf = c.buf[0], c.buf[1:]
}

func (c *coder) bool(v *bool) {
	u := uint8(0)
	if *v {
		u = 1
	}
	c.u8(&u)
	*v = u != 0
}

func (c *coder) addr(v *decode.Addr) {
	if c.write {
		c.buf = append(c.buf, v[:]...)
		return
	}
	c.buf = c.buf[copy(v[:], c.buf):]
}

// code is the form of a kept flow: a change of it needs another number from whoever writes it into a file. What comes first says how much
// follows.
func (k *kept) code(c *coder) {
	c.u16(&k.dropBy)
	c.u16(&k.extra)
	c.u64(&k.key.tenant)
	c.addr(&k.key.a)
	c.addr(&k.key.b)
	c.u16(&k.key.pa)
	c.u16(&k.key.pb)
	for i := range k.key.vlan {
		c.u16(&k.key.vlan[i])
	}
	c.u8(&k.key.proto)
	c.u8(&k.key.ip)
	for _, v := range []*uint8{&k.state, &k.verdict, &k.app, &k.orig, &k.expect, &k.events, &k.vlans} {
		c.u8(v)
	}
	for _, v := range []*bool{&k.noPayload, &k.reject, &k.alerted, &k.swapped, &k.idle, &k.hasTCP} {
		c.bool(v)
	}
	for _, v := range []*uint64{&k.id, &k.parent, &k.txs} {
		c.u64(v)
	}
	c.i64(&k.start)
	c.i64(&k.last)
	c.addr(&k.src)
	c.addr(&k.dst)
	c.u16(&k.srcPort)
	c.u16(&k.dstPort)
	c.u16(&k.link)
	c.u16(&k.icmpID)
	c.u32(&k.spi)
	for d := range 2 {
		c.i64(&k.lastDir[d])
		c.u64(&k.packets[d])
		c.u64(&k.bytes[d])
		for _, v := range []*uint8{&k.minTTL[d], &k.maxTTL[d], &k.appDir[d], &k.icmpType[d], &k.icmpCode[d]} {
			c.u8(v)
		}
		c.bool(&k.appFailed[d])
	}
	if k.hasTCP || c.write { // the size is the same for all
		k.tcp.code(c)
	}
}

func (k *keptSession) code(c *coder) {
	c.u8(&k.state)
	c.bool(&k.midstream)
	c.bool(&k.async)
	c.u16(&k.marks)
	for d := range 2 {
		s := &k.sides[d]
		c.u8(&k.flags[d])
		for _, v := range []*uint32{&k.urgent[d], &s.ISN, &s.NextSeq, &s.LastAck, &s.Window, &s.Regions, &s.nextWin, &s.lastTS, &s.rstSeq} {
			c.u32(v)
		}
		c.u8(&s.Scale)
		c.bool(&s.Gap)
		c.u16(&s.flags)
		c.i64(&s.lastTSTime)
		c.u64(&s.at)
		c.u64(&s.end)
	}
}
