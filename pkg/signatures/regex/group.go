package regex

import "strings"

// group reads what follows an opening parenthesis.
func (p *parser) group() (*node, error) {
	if p.take("*") {
		return nil, p.errorf("verbs (*…) are %w", ErrUnsupported)
	}
	if !p.take("?") {
		return p.capture("")
	}
	switch {
	case p.take("#"):
		end := strings.IndexByte(p.s[p.at:], ')')
		if end < 0 {
			return nil, p.errorf("no ) closes the comment")
		}
		p.at += end + 1
		return nil, nil
	case p.take(":"):
		return p.closed(nil)
	case p.take(">"):
		return p.closed(&node{kind: nodeAtomic})
	case p.take("|"):
		return nil, p.errorf("(?| is %w", ErrUnsupported)
	case p.take("="):
		return p.closed(&node{kind: nodeLook})
	case p.take("!"):
		return p.closed(&node{kind: nodeLook, negate: true})
	case p.take("<="):
		return p.lookBehind(false)
	case p.take("<!"):
		return p.lookBehind(true)
	case p.take("P="):
		name, _, ok := strings.Cut(p.s[p.at:], ")")
		if !ok {
			return nil, p.errorf("no ) closes the reference")
		}
		p.at += len(name) + 1
		return p.reference(name)
	case p.take("P<"), p.take("<"):
		return p.named(">")
	case p.take("'"):
		return p.named("'")
	}
	return p.inlineFlags()
}

func (p *parser) named(end string) (*node, error) {
	name, _, ok := strings.Cut(p.s[p.at:], end)
	if !ok || name == "" {
		return nil, p.errorf("the group's name does not end")
	}
	p.at += len(name) + len(end)
	return p.capture(name)
}

func (p *parser) capture(name string) (*node, error) {
	p.caps++
	index := p.caps
	if name != "" {
		p.names[name] = index
	}
	return p.closed(&node{kind: nodeCapture, index: index})
}

// closed reads alternatives and the closing parenthesis, and wraps them.
func (p *parser) closed(wrap *node) (*node, error) {
	n, err := p.alternatives()
	if err != nil {
		return nil, err
	}
	if !p.take(")") {
		return nil, p.errorf("no ) closes the group")
	}
	if wrap == nil {
		return n, nil
	}
	wrap.subs = []*node{n}
	return wrap, nil
}

func (p *parser) lookBehind(negate bool) (*node, error) {
	n, err := p.closed(&node{kind: nodeLook, behind: true, negate: negate})
	if err != nil {
		return nil, err
	}
	lo, hi := n.subs[0].width()
	if hi < 0 || hi > 255 {
		return nil, p.errorf("look-behind without a bounded length is %w", ErrUnsupported)
	}
	n.min, n.max = lo, hi
	return n, nil
}

// inlineFlags reads (?i-s) and (?i-s:…).
func (p *parser) inlineFlags() (*node, error) {
	letters := map[byte]Flags{'i': CaseInsensitive, 'm': Multiline, 's': DotAll, 'x': Extended, 'U': Ungreedy}
	on := true
	flags := p.flags
	for p.more() {
		c := p.next()
		switch {
		case letters[c] != 0 && on:
			flags |= letters[c]
		case letters[c] != 0:
			flags &^= letters[c]
		case c == '-':
			on = false
		case c == ')':
			p.flags = flags
			return nil, nil
		case c == ':':
			saved := p.flags
			p.flags = flags
			n, err := p.closed(nil)
			p.flags = saved
			return n, err
		default:
			return nil, p.errorf("(?%c is %w", c, ErrUnsupported)
		}
	}
	return nil, p.errorf("no ) closes the options")
}

// width returns the least and the most bytes that a node matches; most is -1 without bound.
func (n *node) width() (lo, hi int) {
	switch n.kind {
	case nodeSet:
		return 1, 1
	case nodeCat:
		for _, s := range n.subs {
			l, h := s.width()
			lo += l
			if h < 0 || hi < 0 {
				hi = -1
			} else {
				hi += h
			}
		}
		return lo, hi
	case nodeAlt:
		lo = 1 << 30
		for _, s := range n.subs {
			l, h := s.width()
			lo = min(lo, l)
			if h < 0 || hi < 0 {
				hi = -1
			} else {
				hi = max(hi, h)
			}
		}
		return lo, hi
	case nodeRepeat:
		l, h := n.subs[0].width()
		if n.max < 0 || h < 0 {
			if h == 0 {
				return 0, 0
			}
			return min(l*n.min, 1<<20), -1
		}
		return min(l*n.min, 1<<20), min(h*n.max, 1<<20)
	case nodeCapture, nodeAtomic:
		return n.subs[0].width()
	case nodeBackref:
		return 0, -1
	}
	return 0, 0
}
