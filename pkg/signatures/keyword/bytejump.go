package keyword

import (
	"fmt"
	"strings"

	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

type byteJump struct {
	reader
	multiplier int
	align      bool
	post       number
	fromStart  bool
	fromEnd    bool
}

func (j *byteJump) relative() bool { return j.reader.relative }

func (j *byteJump) match(in *Inspection) bool {
	var v uint64
	end := j.offset.get(in)
	if j.reader.relative {
		end += in.pos
	}
	if j.count > 0 || j.countVar.set && j.countVar.get(in) > 0 {
		var ok bool
		if v, end, ok = j.read(in); !ok {
			return false
		}
	}
	if v > 1<<31 {
		return false
	}
	jump := int(v) * max(j.multiplier, 1)
	if j.align {
		jump = (jump + 3) &^ 3
	}
	if j.post.set {
		jump += j.post.get(in)
	}
	switch {
	case j.fromStart:
		end = 0
	case j.fromEnd:
		end = len(in.buf)
	}
	to := end + jump
	if to < 0 || to > len(in.buf) {
		return false
	}
	in.pos = to
	return true
}

var byteJumpKeyword = Keyword{
	Name: "byte_jump", Family: FamilyContent,
	Arg: "BYTES, OFFSET[, relative, multiplier N, align, from_beginning, from_end, post_offset N, little, string, hex|dec|oct, dce, bitmask N]",
	Doc: "read a number in the buffer and go on that many bytes behind it",
	setup: func(c *compiler, o *syntax.Option) error {
		w := words(o.Value)
		if len(w) < 2 {
			return fmt.Errorf("%q is not BYTES, OFFSET", o.Value)
		}
		j := &byteJump{}
		var err error
		if j.countVar, err = c.number(w[0], 0, 23); err != nil {
			return fmt.Errorf("bytes: %w", err)
		}
		if !j.countVar.isVar {
			j.count, j.countVar = int(j.countVar.value), number{}
		}
		if j.offset, err = c.number(w[1], -65535, 65535); err != nil {
			return fmt.Errorf("offset: %w", err)
		}
		for _, word := range w[2:] {
			if err := j.word(c, word); err != nil {
				return err
			}
		}
		if j.count > 0 {
			if err := j.check(); err != nil {
				return err
			}
		}
		c.appendTo(c.behind(j.reader.relative), j)
		return nil
	},
}

func (j *byteJump) word(c *compiler, word string) error {
	known, err := j.option(word)
	if known || err != nil {
		return err
	}
	name, arg, _ := strings.Cut(word, " ")
	switch name {
	case "multiplier":
		j.multiplier, err = parseInt(arg, 1, 65535)
	case "post_offset":
		j.post, err = c.number(arg, -65535, 65535)
	case "align":
		j.align = true
	case "from_beginning":
		j.fromStart = true
	case "from_end":
		j.fromEnd = true
	default:
		return fmt.Errorf("%q is not an option", word)
	}
	return err
}
