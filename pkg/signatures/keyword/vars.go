package keyword

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

// variableKeyword is flowvar and pktvar: what an earlier rule has captured must hold a pattern.
func variableKeyword(name, doc string, values func(*Context) []Capture) Keyword {
	return Keyword{Name: name, Family: FamilyState, Arg: `NAME, [!]"pattern"`, Doc: doc, setup: func(c *compiler, o *syntax.Option) error {
		variable, pattern, ok := strings.Cut(o.Value, ",")
		if variable = strings.TrimSpace(variable); !ok || variable == "" {
			return fmt.Errorf(`%q is not NAME, "pattern"`, o.Value)
		}
		p, err := parseContent(strings.TrimSpace(pattern))
		if err != nil {
			return err
		}
		if len(p.Pattern) == 0 {
			return errors.New("the pattern is empty")
		}
		c.stateTests++
		c.test(func(x *Context) bool {
			for _, v := range values(x) {
				if v.Name == variable {
					return bytes.Contains(v.Value, p.Pattern) != p.Negated
				}
			}
			return false
		})
		return nil
	}}
}

var flowvar = variableKeyword("flowvar", "a value that a rule has captured of the flow holds a pattern", func(x *Context) []Capture {
	if x.State == nil {
		return nil
	}
	return x.State.Vars
})

var pktvar = variableKeyword("pktvar", "a value that a rule has captured of the packet holds a pattern", func(x *Context) []Capture {
	return x.PacketVars
})

// SetPacketVar keeps a captured value until the next packet.
func (c *Context) SetPacketVar(name string, value []byte) {
	if len(c.PacketVars) < maxFlowVars {
		c.PacketVars = append(c.PacketVars, Capture{Name: name, Value: value})
	}
}
