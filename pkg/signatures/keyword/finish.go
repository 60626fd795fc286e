package keyword

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
)

var (
	errNoSID    = errors.New("no sid: every rule needs one")
	errMixed    = errors.New("buffers of the client and of the server in one rule need => as direction")
	errNoSource = errors.New("does not exist in the rule's protocol and direction")
)

// finish checks what only the whole rule can tell, and derives what the engine needs.
func (c *compiler) finish() error {
	s := c.sig
	if s.SID == 0 {
		return errNoSID
	}
	s.Payload = c.payload.Items
	for _, g := range c.decoded {
		c.base64.items = append(c.base64.items, g.Items...)
	}
	for _, g := range c.groups {
		if len(g.Items) == 0 && g.Absent == mustExist {
			continue
		}
		g.hash = hashOf(g.Key)
		if g.Buffer.Packet != nil {
			s.Packets = append(s.Packets, g)
			s.NeedPacket = true
		} else {
			s.Groups = append(s.Groups, g)
			s.TestsFiles = s.TestsFiles || ofFiles(g.Buffer)
		}
	}
	if err := c.fold(); err != nil {
		return err
	}
	for _, items := range c.lists() {
		link(items)
		if err := check(items); err != nil {
			return err
		}
	}
	if err := c.checkFrames(); err != nil {
		return err
	}
	if err := c.directions(); err != nil {
		return err
	}
	c.payloadScope()
	s.Type = c.kind()
	c.order()
	c.chooseFast()
	return nil
}

// fold writes contents as their buffer does that has letters of one case alone: a hash, a serial number.
func (c *compiler) fold() error {
	for _, g := range c.groups {
		if len(g.Transforms) > 0 || !g.Buffer.Lower && !g.Buffer.Upper {
			continue
		}
		for _, i := range g.Items {
			p, ok := i.(*Content)
			switch {
			case !ok:
			case g.Buffer.Upper:
				p.Pattern, p.NoCase = bytes.ToUpper(p.Pattern), false
			case g.Buffer == httpHost && !p.NoCase && !bytes.Equal(p.Pattern, bytes.ToLower(p.Pattern)):
				return fmt.Errorf("content %q: http.host is lower case, write it so or use http.host.raw", p.Pattern)
			default:
				p.Pattern = bytes.ToLower(p.Pattern)
			}
		}
	}
	return nil
}

func (c *compiler) lists() [][]item {
	lists := [][]item{c.payload.Items}
	for _, g := range c.groups {
		lists = append(lists, g.Items)
	}
	if c.base64 != nil {
		lists = append(lists, c.base64.items)
	}
	return lists
}

// check refuses items that exclude each other.
func check(items []item) error {
	for _, i := range items {
		p, ok := i.(*Content)
		if !ok {
			continue
		}
		if p.Starts && (p.relative()) {
			return fmt.Errorf("content %q: startswith cannot be combined with distance or within", p.Pattern)
		}
		if p.Depth.set && !p.Depth.isVar && int(p.Depth.value) < len(p.Pattern) {
			return fmt.Errorf("content %q: depth %d is smaller than the %d bytes of the content", p.Pattern, p.Depth.value, len(p.Pattern))
		}
		if p.Within.set && !p.Within.isVar && int(p.Within.value) < len(p.Pattern) {
			return fmt.Errorf("content %q: within %d is smaller than the %d bytes of the content", p.Pattern, p.Within.value, len(p.Pattern))
		}
	}
	return checkSizes(items)
}

// checkSizes refuses contents that cannot be in a buffer of the size that the rule asks for.
func checkSizes(items []item) error {
	for _, i := range items {
		b, ok := i.(*size)
		if !ok {
			continue
		}
		top, bounded := b.top()
		for _, j := range items {
			if p, ok := j.(*Content); ok && bounded && !p.Negated && uint64(len(p.Pattern)) > top {
				return fmt.Errorf("content %q is longer than the %d bytes that bsize allows", p.Pattern, top)
			}
		}
	}
	return nil
}

// directions derives the direction of the rule from its buffers.
func (c *compiler) directions() error {
	s := c.sig
	if s.Transactional {
		return nil
	}
	possible := Dirs(3)
	for _, g := range s.Groups {
		var d Dirs
		for i := range g.Buffer.Sources {
			if src := &g.Buffer.Sources[i]; s.Apps&src.apps() != 0 {
				d |= 1 << src.Dir
			}
		}
		if s.Dirs != 0 && d != 0 && d&s.Dirs == 0 {
			return fmt.Errorf("%s: %w", g.Buffer.Name, errNoSource)
		}
		if d != 0 {
			possible &= d
		}
	}
	if possible == 0 {
		return errMixed
	}
	if s.Dirs == 0 && possible != 3 {
		s.Dirs = possible
	}
	return nil
}

// payloadScope decides whether payload items look at packets, at the stream or at both (checklist: a depth, an offset or
// a startswith makes a rule look at packets too).
func (c *compiler) payloadScope() {
	s := c.sig
	if len(s.Payload) == 0 {
		return
	}
	switch {
	case !s.L4.TCP() || s.PacketOnly:
		s.NeedPacket = true
	case s.StreamOnly:
		s.NeedStream = true
	case s.NeedPacket:
		// dsize, flags and the like ask for packets alone
	default:
		s.NeedStream = true
		for _, i := range s.Payload {
			if p, ok := i.(*Content); ok && (p.Depth.set || p.Offset.set) {
				s.NeedPacket = true
			}
		}
	}
}

func (c *compiler) kind() Type {
	s := c.sig
	switch {
	case len(s.DecodeEvents) > 0 || s.DecodeAny:
		return TypeDecoder
	case len(s.Groups) > 0 && s.Groups[0].Buffer.IsFrame:
		return TypeFrame
	case len(s.Groups) > 0 || len(s.AppEvents) > 0 || c.appTests > 0:
		return TypeTx
	case len(s.Packets) > 0:
		return TypePacket
	case len(s.Payload) > 0:
		switch {
		case s.NeedPacket && s.NeedStream:
			return TypePacketStream
		case s.NeedStream:
			return TypeStream
		}
		return TypePacket
	case c.appKeyword && s.AppName == "" && c.stateTests == 0:
		return TypeProtocolOnly
	case s.AppName != "" || c.appKeyword:
		if c.stateTests > 0 {
			return TypePacket
		}
		return TypeAppLayer
	case c.ipOnly():
		if s.Src.Negated || s.Dst.Negated {
			return TypeLikeIPOnly
		}
		return TypeIPOnly
	}
	return TypePacket
}

func (c *compiler) ipOnly() bool {
	s := c.sig
	return c.stateTests == 0 && !c.flowSeen && !s.PacketOnly && !s.StreamOnly &&
		!s.L4.Any && len(s.StreamEvents) == 0 && len(s.ProtoEvents) == 0
}

// order sorts the groups by the step at which they become available.
func (c *compiler) order() {
	s := c.sig
	step := func(g *Group) int {
		best := 255
		for i := range g.Buffer.Sources {
			if src := &g.Buffer.Sources[i]; s.Apps&src.apps() != 0 && s.Dirs.Has(src.Dir) {
				best = min(best, int(src.Progress)<<1|boolInt(src.FinalStep() != src.Progress))
			}
		}
		return best
	}
	slices.SortStableFunc(s.Groups, func(a, b *Group) int { return step(a) - step(b) })
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Parsed reports whether the rule's application protocol is parsed at all: if not, it never matches.
func (s *Signature) Parsed() bool { return s.AppName == "" || s.Apps != 0 }

// hashOf is FNV-1a.
func hashOf(s string) uint32 {
	h := uint32(2166136261)
	for i := range len(s) {
		h = (h ^ uint32(s[i])) * 16777619
	}
	return h
}
