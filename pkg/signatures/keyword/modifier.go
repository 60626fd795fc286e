package keyword

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

// modifier is a keyword that changes the content before it.
func modifier(name, arg, doc string, change func(c *compiler, p *Content, arg string) error) Keyword {
	return Keyword{Name: name, Family: FamilyContent, Arg: arg, Doc: doc, setup: func(c *compiler, o *syntax.Option) error {
		p, err := c.lastContent()
		if err != nil {
			return err
		}
		return change(c, p, o.Value)
	}}
}

var errTwice = errors.New("is given twice for one content")

var nocase = modifier("nocase", "", "the content's letters match in either case", func(c *compiler, p *Content, _ string) error {
	if p.NoCase {
		return errTwice
	}
	if c.last != nil && c.last.Key == "http.host" {
		return errors.New("http.host is lower case already")
	}
	p.Pattern, p.NoCase = toLower(p.Pattern), true
	return nil
})

var errStartsWith = errors.New("cannot be combined with startswith")

// bound is a modifier with a number or a variable.
func bound(name, doc string, lo, hi int, field func(*Content) *number) Keyword {
	return modifier(name, "N or variable", doc, func(c *compiler, p *Content, arg string) error {
		n := field(p)
		if n.set {
			return errTwice
		}
		if p.Starts {
			return errStartsWith
		}
		var err error
		*n, err = c.number(arg, lo, hi)
		return err
	})
}

// number reads a number in lo-hi or the name of a variable.
func (c *compiler) number(arg string, lo, hi int) (number, error) {
	arg = strings.TrimSpace(strings.Trim(strings.TrimSpace(arg), `"`))
	if v, err := strconv.Atoi(arg); err == nil {
		if v < lo || v > hi {
			return number{}, fmt.Errorf("%d is not in %d-%d", v, lo, hi)
		}
		return number{set: true, value: int32(v)}, nil
	}
	if i, ok := c.variable(arg); ok {
		return number{set: true, isVar: true, value: int32(i)}, nil
	}
	return number{}, fmt.Errorf("%q is neither a number nor a variable of byte_extract or byte_math", arg)
}

const maxBound = 65535

var offset = bound("offset", "the content begins at this byte of the buffer or later", 0, maxBound, func(p *Content) *number { return &p.Offset })

var depth = bound("depth", "the content ends within this many bytes from offset", 1, maxBound, func(p *Content) *number { return &p.Depth })

var distance = bound("distance", "bytes between the end of the match before and the content", -(1 << 20), 1<<20, func(p *Content) *number { return &p.Distance })

var within = bound("within", "the content ends within this many bytes from distance", 1, 1<<20, func(p *Content) *number { return &p.Within })

var startswith = modifier("startswith", "", "the buffer begins with the content", func(c *compiler, p *Content, _ string) error {
	if p.Starts {
		return errTwice
	}
	if p.Depth.set || p.Offset.set || p.Within.set || p.Distance.set {
		return errors.New("cannot be combined with depth, offset, within or distance")
	}
	p.Starts, p.Depth, p.Offset = true, number{set: true, value: int32(len(p.Pattern))}, number{set: true}
	return nil
})

var endswith = modifier("endswith", "", "the buffer ends with the content", func(c *compiler, p *Content, _ string) error {
	if p.Ends {
		return errTwice
	}
	p.Ends = true
	return nil
})

var rawbytes = modifier("rawbytes", "", "no effect: payload is never normalised", func(*compiler, *Content, string) error { return nil })

var replace = modifier("replace", `"bytes"`, "not supported: the rule alerts, the packet is not changed", func(c *compiler, p *Content, arg string) error {
	r, err := parseContent(arg)
	if err != nil {
		return err
	}
	if len(r.Pattern) != len(p.Pattern) {
		return fmt.Errorf("has %d bytes, the content has %d", len(r.Pattern), len(p.Pattern))
	}
	c.warn(errors.New("replace: packets are not rewritten"))
	return nil
})

var fastPattern = Keyword{
	Name: "fast_pattern", Family: FamilyContent, Arg: "only or OFFSET,LENGTH", Optional: true,
	Doc: "look for this content first; OFFSET,LENGTH takes a part of it",
	setup: func(c *compiler, o *syntax.Option) error {
		p, err := c.lastContent()
		if err != nil {
			return err
		}
		if p.Negated && (p.relative() || p.Offset.set || p.Depth.set) {
			return errors.New("a negated content with a position cannot be the fast pattern")
		}
		p.Fast = true
		if o.Value == "" || o.Value == "only" {
			return nil
		}
		at, length, ok := strings.Cut(o.Value, ",")
		if !ok {
			return fmt.Errorf("%q is not only or OFFSET,LENGTH", o.Value)
		}
		from, err := parseInt(at, 0, len(p.Pattern)-1)
		if err != nil {
			return fmt.Errorf("offset %w", err)
		}
		n, err := parseInt(length, 1, len(p.Pattern)-from)
		p.ChopAt, p.ChopLen = uint16(from), uint16(n)
		return err
	},
}

var prefilterKeyword = Keyword{
	Name: "prefilter", Family: FamilyContent,
	Doc:   "use the keyword before it to sort out packets early; the result is the same with and without",
	setup: func(*compiler, *syntax.Option) error { return nil },
}

var pktData = Keyword{
	Name: "pkt_data", Family: FamilyBuffer, Doc: "the contents that follow look at the payload again",
	setup: func(c *compiler, _ *syntax.Option) error {
		c.sticky, c.open, c.transforms = nil, nil, nil
		return nil
	},
}

var absent = Keyword{
	Name: "absent", Family: FamilyContent, Arg: "or_else", Optional: true,
	Doc: "the buffer must not exist; or_else: must not exist, or hold what follows",
	setup: func(c *compiler, o *syntax.Option) error {
		if c.sticky == nil {
			return errNoBuffer
		}
		g := c.here()
		switch o.Value {
		case "":
			g.Absent = mustNotExist
		case "or_else":
			g.Absent = mayBeAbsent
		default:
			return fmt.Errorf("%q is not or_else", o.Value)
		}
		return nil
	},
}

var errNoBuffer = errors.New("no buffer before it")
