package flow_test

import (
	"errors"
	"testing"

	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/decode/packettest"
	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/flow/app"
)

// checker is a Handler and a parser factory that holds what it is given against what a session promises.
type checker struct {
	t    *testing.T
	next map[*flow.Session]*[2]uint64
	ids  map[uint64]bool
}

func (c *checker) Flush(p *decode.Packet, r *flow.Result) {
	if !p.Source.Pseudo() {
		c.t.Fatal("a pseudo packet that does not say so")
	}
	c.look(r)
}

func (c *checker) End(f *flow.Flow) {
	if f.Reason == "" || !c.ids[f.ID] {
		c.t.Fatalf("flow %d ended for %q, known %v", f.ID, f.Reason, c.ids[f.ID])
	}
	delete(c.ids, f.ID)
	delete(c.next, f.TCP)
}

// look reads the raw stream: offsets only grow, and no byte comes twice unless inspection is inline.
func (c *checker) look(r *flow.Result) {
	if r.Flow == nil {
		return
	}
	c.ids[r.Flow.ID] = true
	s := r.Flow.TCP
	if s == nil {
		return
	}
	seen := c.next[s]
	if seen == nil {
		seen = new([2]uint64)
		c.next[s] = seen
	}
	for range 1000 {
		data, offset := s.Inspectable(r.Dir)
		if data == nil {
			return
		}
		if len(data) == 0 || offset < seen[r.Dir] && !s.Inline() {
			c.t.Fatalf("%d bytes at %d after %d", len(data), offset, seen[r.Dir])
		}
		seen[r.Dir] = offset + uint64(len(data))
		s.Advance(r.Dir)
	}
	c.t.Fatal("Inspectable does not end")
}

// moody is a parser whose behaviour depends on the bytes it gets.
type moody struct{ queue app.Queue }

func (m *moody) Proto() app.Proto { return app.HTTP1 }
func (m *moody) Feed(dir app.Direction, data []byte, now int64) error {
	switch data[0] & 0x1f {
	case 1:
		return errors.New("no")
	case 2:
		m.queue.Add(&tx{}, now)
	case 3:
		for _, t := range m.queue.All() {
			t.Base().Complete = [2]bool{true, true}
		}
	}
	return nil
}
func (m *moody) Gap(app.Direction, int) {}
func (m *moody) Close(app.Direction)    {}
func (m *moody) Txs() []app.Tx          { return m.queue.All() }
func (m *moody) Free(n int)             { m.queue.Free(n) }
func (m *moody) Swapped() bool          { return m.queue.Seen()%5 == 4 }
func (m *moody) Encrypted() bool        { return m.queue.Seen() > 20 }
func (m *moody) Upgrade() (app.Proto, []byte, bool) {
	return app.Unknown, []byte("rest"), m.queue.Seen()%7 == 6
}

type tx struct{ app.TxBase }

// FuzzTrack sends any segments of a few connections, in any order of flags, numbers and times, and looks for panics, leaks,
// and bytes that are given twice.
func FuzzTrack(f *testing.F) {
	f.Add(uint8(0), []byte{0, 2, 0, 0, 0, 1, 18, 0, 1, 0, 0, 16, 1, 1, 0, 0, 24, 1, 1, 40, 1, 16, 1, 9, 0})
	f.Add(uint8(7), []byte{0, 2, 0, 0, 9, 1, 18, 0, 1, 0, 0, 16, 1, 1, 50, 0, 24, 3, 1, 40, 1, 16, 1, 9, 30, 0, 17, 9, 1, 0, 1, 4, 1, 1, 0})
	f.Add(uint8(8), []byte{0, 16, 5, 5, 90, 1, 16, 5, 8, 90, 2, 16, 1, 1, 9})
	f.Fuzz(func(t *testing.T, mode uint8, ops []byte) {
		cfg := flow.NewConfig()
		cfg.Inline, cfg.IPS, cfg.Midstream, cfg.AsyncOneside = mode&1 != 0, mode&2 != 0, mode&4 != 0, mode&8 != 0
		cfg.MaxFlows, cfg.MaxSessions, cfg.MaxSegments, cfg.ReassemblyMemcap, cfg.Depth = 4, 3, 8, 16<<10, 3000
		cfg.ChunkSize = [2]uint32{64, 64}
		cfg.Protocols = []flow.Protocol{{Proto: app.HTTP1, TCP: true,
			Probe: func(_ app.Direction, data []byte, _ uint16) app.Match { return app.Match(data[0] % 3) },
			New:   func() app.Parser { return &moody{} }}}
		c := &checker{t: t, next: map[*flow.Session]*[2]uint64{}, ids: map[uint64]bool{}}
		tr := flow.NewTracker(cfg, decode.Default(), c)
		now := int64(1e18)
		payload := make([]byte, 256)
		for ; len(ops) >= 5; ops = ops[5:] {
			for i := range payload {
				payload[i] = ops[2] + ops[4]*byte(i)
			}
			src, dst, sp, dp := client, server, uint16(1000+int(ops[0]>>1&7)), uint16(80)
			if ops[0]&1 == 1 {
				src, dst, sp, dp = dst, src, dp, sp
			}
			p := packettest.IP4(src, dst).TCP(sp, dp, "").Seq(uint32(ops[2])*64, uint32(ops[3])*64).Bytes(payload[:ops[4]]).Window(uint16(ops[3]) << 8)
			raw := p.Raw()
			raw[33] = ops[1]
			if ops[1]&0x20 != 0 {
				raw[39] = ops[4] / 2
			}
			now += int64(ops[0]>>4) * 4e9
			d := *decode.Default()
			d.Checksums = false
			var pk decode.Packet
			d.Decode(&pk, decode.Frame{Data: raw, WireLen: len(raw), Time: now, Link: decode.LinkRaw})
			r := tr.Track(&pk)
			c.look(&r)
			tr.Done(&r)
		}
		tr.Close(now)
		if s := tr.Stats(); s.Flow.Active != 0 || s.TCP.Active != 0 || s.TCP.ReassemblyMemUse != 0 || len(c.ids) != 0 {
			t.Fatalf("left: %d flows, %d sessions, %d bytes, %d not ended", s.Flow.Active, s.TCP.Active, s.TCP.ReassemblyMemUse, len(c.ids))
		}
	})
}
