package keyword

import (
	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

// Buffer is bytes that contents look at: a part of a transaction, or of a packet.
type Buffer struct {
	Name    string
	Sources []Source // by protocol and direction; empty for a buffer of the packet
	// Packet returns a buffer of the packet; nil bytes when it has none.
	Packet func(*Context) []byte
	// Multi: each use of the keyword in a rule is fulfilled by an instance of its own.
	Multi bool
	// Weak: its values are few and frequent ("GET"); a fast pattern is rather taken elsewhere.
	Weak bool
	// Lower: the bytes are lower case already.
	Lower bool
	// Upper: the bytes are upper case already, and contents are made so.
	Upper bool
	// IsFrame: the bytes are those of a Frame.
	IsFrame bool
	Frame   app.FrameType
}

// Source is where a buffer comes from in one protocol and direction.
type Source struct {
	Proto    app.Proto
	Dir      app.Direction
	Progress uint8 // the transaction's step from which on the buffer is there
	Final    uint8 // the step from which on it does not change any more; 0 means Progress
	// Get returns the i-th instance; false when there is none. Base is the offset of data in the whole.
	Get func(x *Context, tx app.Tx, i int) (Bytes, bool)
}

// Bytes is one instance of a buffer.
type Bytes struct {
	Data []byte
	Base int // offset of Data[0] in the whole body or file
	// More says that the body or file goes on.
	More bool
	// Wait says that there is data, but too little to inspect yet.
	Wait bool
	// File is the file that the bytes are of; nil for other buffers.
	File *app.File
}

// buffer is a keyword that names a buffer for all contents that follow it.
func buffer(b *Buffer, doc string, aliases ...string) Keyword {
	return Keyword{Name: b.Name, Aliases: aliases, Family: FamilyBuffer, Doc: doc, setup: func(c *compiler, _ *syntax.Option) error {
		return c.stick(b)
	}}
}

// modifierOf is the legacy form of a buffer: it moves the content before it there.
func modifierOf(name string, b *Buffer) Keyword {
	return Keyword{Name: name, Family: FamilyContent, Doc: "moves the content before it to " + b.Name + " (legacy)",
		setup: func(c *compiler, _ *syntax.Option) error { return c.move(b) }}
}

// Finals returns the step at which the source stops changing.
func (s *Source) FinalStep() uint8 { return max(s.Final, s.Progress) }

// Fetch returns the i-th instance of the group's buffer after its transforms. Results are kept until Forget.
func (c *Context) Fetch(g *Group, s *Source, tx app.Tx, i int) (Bytes, bool) {
	tag := uint64(g.hash)<<32 | uint64(i)<<1 | uint64(s.Dir)
	for k, t := range c.tags {
		if t != tag {
			continue
		}
		if e := &c.cache[k]; e.tx == tx && e.key == g.Key {
			return e.bytes, e.ok
		}
	}
	b, ok := s.Get(c, tx, i)
	if ok && !b.Wait {
		for _, t := range g.Transforms {
			b.Data = t.apply(c, b.Data)
		}
	}
	c.tags = append(c.tags, tag)
	c.cache = append(c.cache, cached{key: g.Key, tx: tx, bytes: b, ok: ok})
	return b, ok
}

// apps are the protocols whose transactions have the source: what HTTP/2 has, DNS over HTTP/2 has too.
func (s *Source) apps() AppSet {
	if s.Proto == app.HTTP2 {
		return Apps(app.HTTP2, app.DOH2)
	}
	return Apps(s.Proto)
}

// Source returns the group's source in a protocol and direction; nil when it has none.
func (g *Group) Source(p app.Proto, d app.Direction) *Source {
	for i := range g.Buffer.Sources {
		if s := &g.Buffer.Sources[i]; s.Dir == d && (s.Proto == p || s.Proto == app.HTTP2 && p == app.DOH2) {
			return s
		}
	}
	return nil
}
