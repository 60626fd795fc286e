package regex

import "strings"

// class reads a bracket expression; the opening bracket is read.
func (p *parser) class() (*node, error) {
	negate := p.take("^")
	set := &byteSet{}
	for first := true; ; first = false {
		if !p.more() {
			return nil, p.errorf("no ] closes the class")
		}
		c := p.next()
		if c == ']' && !first {
			break
		}
		if c == '[' && p.more() && (p.s[p.at] == ':' || p.s[p.at] == '.' || p.s[p.at] == '=') {
			named, err := p.posixClass()
			if err != nil {
				return nil, err
			}
			if named != nil {
				set.union(named)
				continue
			}
		}
		lo, sub, err := p.classByte(c)
		if err != nil {
			return nil, err
		}
		if sub != nil {
			set.union(sub)
			continue
		}
		hi, isRange, err := p.rangeEnd(set, lo)
		if err != nil {
			return nil, err
		}
		if !isRange {
			hi = lo
		}
		if hi < lo {
			return nil, p.errorf("range %q-%q runs backwards", lo, hi)
		}
		set.addRange(lo, hi)
	}
	if p.flags&CaseInsensitive != 0 {
		set.foldCase()
	}
	if negate {
		set.invert()
	}
	return &node{kind: nodeSet, set: set}, nil
}

// rangeEnd reads the rest of a range behind its first byte; a minus that no range follows is a byte of the class.
func (p *parser) rangeEnd(set *byteSet, lo byte) (byte, bool, error) {
	if p.at+1 >= len(p.s) || p.s[p.at] != '-' || p.s[p.at+1] == ']' {
		return 0, false, nil
	}
	p.at++
	c := p.next()
	hi, sub, err := p.classByte(c)
	if err != nil {
		return 0, false, err
	}
	if sub != nil { // [a-\d]: all three
		set.add('-')
		set.union(sub)
		return 0, false, nil
	}
	return hi, true, nil
}

// classByte reads one item of a class: a byte, or a set.
func (p *parser) classByte(c byte) (byte, *byteSet, error) {
	if c != '\\' {
		return c, nil, nil
	}
	if !p.more() {
		return 0, nil, p.errorf("no ] closes the class")
	}
	c = p.next()
	if c != 'N' {
		if s := class(c); s != nil {
			return 0, s, nil
		}
	}
	switch c {
	case 'b':
		return 8, nil, nil
	case 'Q', 'E':
		return 0, &byteSet{}, nil
	}
	b, err := p.escapedByte(c)
	return b, nil, err
}

// posixClass reads [:name:]; p.at is at the first colon. It returns nil when the text is none.
func (p *parser) posixClass() (*byteSet, error) {
	end := strings.Index(p.s[p.at+1:], string(p.s[p.at])+"]")
	if end < 0 || strings.ContainsAny(p.s[p.at+1:p.at+1+end], "]\\") {
		return nil, nil
	}
	name := p.s[p.at+1 : p.at+1+end]
	if p.s[p.at] != ':' {
		return nil, p.errorf("[%c%s%c] is %w", p.s[p.at], name, p.s[p.at], ErrUnsupported)
	}
	plain, negate := strings.CutPrefix(name, "^")
	s := posix[plain]
	if s == nil {
		return nil, p.errorf("no class is called [:%s:]", name)
	}
	p.at += end + 3
	if negate {
		return s.inverted(), nil
	}
	return s, nil
}
