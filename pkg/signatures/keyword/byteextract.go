package keyword

import (
	"errors"
	"fmt"
	"strings"

	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

type byteExtract struct {
	reader
	variable   int
	multiplier int
	align      int
}

func (e *byteExtract) relative() bool { return e.reader.relative }

func (e *byteExtract) match(in *Inspection) bool {
	v, end, ok := e.read(in)
	if !ok {
		return false
	}
	v *= uint64(max(e.multiplier, 1))
	if a := uint64(e.align); a != 0 {
		v = (v + a - 1) / a * a
	}
	in.vars[e.variable] = v
	in.pos = end
	return true
}

var byteExtractKeyword = Keyword{
	Name: "byte_extract", Family: FamilyContent,
	Arg: "BYTES, OFFSET, NAME[, relative, multiplier N, align 2|4, little, string, hex|dec|oct, dce, bitmask N]",
	Doc: "read a number in the buffer into a variable",
	setup: func(c *compiler, o *syntax.Option) error {
		w := words(o.Value)
		if len(w) < 3 {
			return fmt.Errorf("%q is not BYTES, OFFSET, NAME", o.Value)
		}
		e := &byteExtract{}
		var err error
		if e.count, err = parseInt(w[0], 0, 23); err != nil {
			return fmt.Errorf("bytes: %w", err)
		}
		if e.offset, err = c.number(w[1], -65535, 65535); err != nil {
			return fmt.Errorf("offset: %w", err)
		}
		if e.variable, err = c.name(w[2]); err != nil {
			return err
		}
		for _, word := range w[3:] {
			if err := e.word(word); err != nil {
				return err
			}
		}
		if err := e.check(); err != nil {
			return err
		}
		c.appendTo(c.behind(e.reader.relative), e)
		return nil
	},
}

var errName = errors.New("a variable's name begins with a letter")

// name defines a variable.
func (c *compiler) name(s string) (int, error) {
	if s == "" || s[0] >= '0' && s[0] <= '9' || strings.ContainsAny(s, " :;") {
		return 0, fmt.Errorf("%q: %w", s, errName)
	}
	return c.define(s)
}

func (e *byteExtract) word(word string) error {
	known, err := e.option(word)
	if known || err != nil {
		return err
	}
	name, arg, _ := strings.Cut(word, " ")
	switch name {
	case "multiplier":
		e.multiplier, err = parseInt(arg, 1, 65535)
	case "align":
		if e.align, err = parseInt(arg, 2, 4); err == nil && e.align == 3 {
			err = errors.New("align is 2 or 4")
		}
	default:
		return fmt.Errorf("%q is not an option", word)
	}
	return err
}
