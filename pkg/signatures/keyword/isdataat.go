package keyword

import (
	"fmt"
	"strings"

	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

type isDataAt struct {
	at     number
	rel    bool
	negate bool
}

func (d *isDataAt) relative() bool { return d.rel }

// match: relative N needs N bytes behind the last match, absolute N needs a byte at N: one more (Suricata, issue 8031).
func (d *isDataAt) match(in *Inspection) bool {
	n := d.at.get(in)
	if d.rel {
		return (in.pos+n <= len(in.buf)) != d.negate
	}
	return (n-in.base < len(in.buf)) != d.negate
}

var isdataat = Keyword{
	Name: "isdataat", Family: FamilyContent, Arg: "[!]N[, relative, rawbytes]",
	Doc: "the buffer has a byte at N; relative: N bytes behind the last match",
	setup: func(c *compiler, o *syntax.Option) error {
		w := words(o.Value)
		d := &isDataAt{}
		n, negated := strings.CutPrefix(w[0], "!")
		d.negate = negated
		var err error
		if d.at, err = c.number(n, 0, 1<<20); err != nil {
			return err
		}
		for _, word := range w[1:] {
			switch word {
			case "relative":
				d.rel = true
			case "rawbytes":
			default:
				return fmt.Errorf("%q is not relative or rawbytes", word)
			}
		}
		c.appendTo(c.behind(d.rel), d)
		return nil
	},
}
