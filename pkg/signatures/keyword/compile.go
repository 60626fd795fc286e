package keyword

import (
	"errors"
	"fmt"
	"strings"

	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

// Env is what rules are compiled in: everything that a rule names but does not define. One Env serves one goroutine at a
// time; Names and Files are shared.
type Env struct {
	Variables map[string]string // address and port groups, without the dollar sign
	Classes   map[string]Class
	Names     *Names
	Files     *Files // datasets and reputation; nil refuses rules that name them

	addresses map[string]*AddrSet
	ports     map[string]*PortSet
}

// Class is one line of classification.config.
type Class struct {
	Description string
	Priority    int
}

// ErrSkip is wrapped by the error of a rule that is left out on purpose: its `requires` is not met.
var ErrSkip = errors.New("left out")

// compiler turns one rule into a signature.
type compiler struct {
	env    *Env
	rule   *syntax.Rule
	sig    *Signature
	lookup func(string) *Keyword

	payload        *Group
	groups         []*Group // in order of first use
	sticky         *Buffer  // nil for the payload
	transforms     []transform
	open           *Group // group of the sticky buffer once it has an item
	last           *Group // group of the item added last
	lastItem       item
	base64         *base64Decode
	decoded        []*Group // uses of base64_data
	vars           []string
	flowSeen       bool
	notEstablished bool
	stateTests     int // tests that keep the rule from being IP-only
	ipTests        int // tests that do not
	appKeyword     bool
	appTests       int
	warnings       []error
}

// Compile turns a rule into a signature. The error joins *syntax.Error values, one a problem; warnings are things that the
// rule says but that will not happen.
func Compile(r *syntax.Rule, env *Env) (*Signature, []error, error) {
	c := &compiler{env: env, rule: r, lookup: Lookup, payload: &Group{}}
	c.sig = &Signature{Meta: Meta{GID: 1, Priority: 3, Raw: r.Raw, File: r.Pos.File, Line: r.Pos.Line}}
	var errs []error
	fail := func(pos syntax.Pos, name string, err error) {
		errs = append(errs, &syntax.Error{Pos: pos, Keyword: name, Err: err})
	}
	c.header(fail)
	if err := c.hook(); err != nil {
		fail(r.Header.Proto.Pos, "", err)
	}
	for i := range r.Options {
		o := &r.Options[i]
		k := Lookup(o.Name)
		if k == nil {
			fail(o.Pos, o.Name, unknown(o.Name))
			continue
		}
		if err := k.apply(c, o); err != nil {
			fail(o.Pos, o.Name, err)
		}
	}
	if len(errs) == 0 {
		if err := c.finish(); err != nil {
			fail(r.Pos, "", err)
		}
	}
	if len(errs) > 0 {
		return nil, nil, errors.Join(errs...)
	}
	return c.sig, c.warnings, nil
}

func (c *compiler) header(fail func(syntax.Pos, string, error)) {
	h := &c.rule.Header
	s := c.sig
	var err error
	if s.Action, err = parseAction(h.Action.Text); err != nil {
		fail(h.Action.Pos, "", err)
	}
	p, hook, known, err := parseProtocol(h.Proto.Text)
	if err != nil {
		fail(h.Proto.Pos, "", err)
	}
	if !known && err == nil {
		c.warn(fmt.Errorf("protocol %s is not parsed: the rule never matches", h.Proto.Text))
	}
	s.L4, s.Apps, s.Hook, s.PacketOnly, s.StreamOnly = p.l4, p.apps, hook, p.packet, p.stream
	if p.isApp {
		s.AppName, _, _ = strings.Cut(strings.ToLower(h.Proto.Text), ":")
	}
	s.BothWays, s.Transactional = h.Arrow == syntax.BothWays, h.Arrow == syntax.Transactional
	for _, f := range [...]struct {
		field syntax.Field
		set   **AddrSet
	}{{h.Src, &s.Src}, {h.Dst, &s.Dst}} {
		if *f.set, err = c.env.addressSet(f.field.Text); err != nil {
			fail(f.field.Pos, "", fmt.Errorf("address %s: %w", f.field.Text, err))
		} else if len((*f.set).Ranges) == 0 {
			c.warn(fmt.Errorf("address %s %w", f.field.Text, errNothing))
		}
	}
	for _, f := range [...]struct {
		field syntax.Field
		set   **PortSet
	}{{h.SrcPort, &s.SrcPorts}, {h.DstPort, &s.DstPorts}} {
		if *f.set, err = c.env.portSet(f.field.Text); err != nil {
			fail(f.field.Pos, "", fmt.Errorf("port %s: %w", f.field.Text, err))
		} else if len((*f.set).Ranges) == 0 {
			c.warn(fmt.Errorf("port %s %w", f.field.Text, errNothing))
		}
	}
}

func parseAction(s string) (Action, error) {
	switch s {
	case "rejectsrc":
		return Reject, nil
	}
	for a, name := range actionNames {
		if name == s {
			return Action(a), nil
		}
	}
	return Alert, fmt.Errorf("action %q is not one of alert, drop, pass, reject, rejectsrc, rejectdst, rejectboth, config", s)
}

func (e *Env) addressSet(text string) (*AddrSet, error) {
	if s := e.addresses[text]; s != nil {
		return s, nil
	}
	s, err := ParseAddresses(text, e.Variables)
	if err != nil {
		return nil, err
	}
	if e.addresses == nil {
		e.addresses = map[string]*AddrSet{}
	}
	e.addresses[text] = s
	return s, nil
}

func (e *Env) portSet(text string) (*PortSet, error) {
	if s := e.ports[text]; s != nil {
		return s, nil
	}
	s, err := ParsePorts(text, e.Variables)
	if err != nil {
		return nil, err
	}
	if e.ports == nil {
		e.ports = map[string]*PortSet{}
	}
	e.ports[text] = s
	return s, nil
}

func (c *compiler) warn(err error) {
	c.warnings = append(c.warnings, &syntax.Error{Pos: c.rule.Pos, Err: err})
}

// test adds a test of the packet, its flow or their state.
func (c *compiler) test(t test) { c.sig.tests = append(c.sig.tests, t) }

// effect adds something that a complete match does.
func (c *compiler) effect(e effect) { c.sig.effects = append(c.sig.effects, e) }

// prop is a property that a keyword gives its rule.
type prop func(*compiler)

func (c *compiler) props(ps []prop) {
	c.stateTests++
	for _, p := range ps {
		p(c)
	}
}

// ofPacket: the keyword looks at single packets.
func ofPacket(c *compiler) { c.sig.NeedPacket, c.sig.RealPacket = true, true }

var errTwoProtocols = errors.New("the rule already asks for another protocol")

// stick makes b the buffer of the contents that follow.
func (c *compiler) stick(b *Buffer) error {
	if err := c.need(b); err != nil {
		return err
	}
	c.sticky, c.transforms, c.open = b, nil, nil
	return nil
}

func (c *compiler) need(b *Buffer) error {
	var set AppSet
	for i := range b.Sources {
		set |= b.Sources[i].apps()
	}
	if set == 0 {
		return nil
	}
	return c.narrow(set)
}

// narrow keeps those protocols of the rule that have the buffer.
func (c *compiler) narrow(set AppSet) error {
	if c.sig.AppName != "" && c.sig.Apps == 0 {
		return nil // a protocol that is not parsed: whatever the rule asks of it, it never matches
	}
	if c.sig.Apps == 0 {
		c.sig.Apps = set
		return nil
	}
	if c.sig.Apps&set == 0 {
		return errTwoProtocols
	}
	c.sig.Apps &= set
	return nil
}

// here is the group that an item at this place of the rule belongs to.
func (c *compiler) here() *Group {
	if c.sticky == nil {
		return c.payload
	}
	if c.open == nil {
		c.open = c.group(c.sticky, c.transforms)
	}
	return c.open
}

// behind is the group for an item that is relative to the one before it: legacy modifiers may have moved that one.
func (c *compiler) behind(relative bool) *Group {
	if relative && c.sticky == nil && c.last != nil {
		return c.last
	}
	return c.here()
}

// group returns the rule's group for a buffer: the one that is there, or a new one.
func (c *compiler) group(b *Buffer, transforms []transform) *Group {
	key := b.Name
	for _, t := range transforms {
		key += "|" + t.key
	}
	if !b.Multi {
		for _, g := range c.groups {
			if g.Key == key {
				return g
			}
		}
	}
	g := &Group{Buffer: b, Transforms: transforms, Key: key}
	c.groups = append(c.groups, g)
	return g
}

func (c *compiler) appendTo(g *Group, i item) {
	g.Items = append(g.Items, i)
	c.last, c.lastItem = g, i
}

func (c *compiler) addContent(p *Content) error {
	c.appendTo(c.here(), p)
	return nil
}

// lastContent returns the content added last.
func (c *compiler) lastContent() (*Content, error) {
	if c.last != nil {
		for i := len(c.last.Items) - 1; i >= 0; i-- {
			if p, ok := c.last.Items[i].(*Content); ok {
				return p, nil
			}
		}
	}
	return nil, errNoContent
}

var errSticky = errors.New("cannot follow a sticky buffer")

// move carries out a legacy modifier: the last content of the payload belongs to b.
func (c *compiler) move(b *Buffer) error {
	if c.sticky != nil {
		return fmt.Errorf("%w (%s)", errSticky, c.sticky.Name)
	}
	if err := c.need(b); err != nil {
		return err
	}
	items := c.payload.Items
	for i := len(items) - 1; i >= 0; i-- {
		if p, ok := items[i].(*Content); ok {
			c.payload.Items = append(items[:i:i], items[i+1:]...)
			key := b.Name
			for _, g := range c.groups {
				if g.Key == key {
					c.appendTo(g, p)
					return nil
				}
			}
			c.appendTo(c.group(b, nil), p)
			return nil
		}
	}
	return errNoContent
}

// variable returns the index of a variable that byte_extract or byte_math has defined.
func (c *compiler) variable(name string) (int, bool) {
	for i, v := range c.vars {
		if v == name {
			return i, true
		}
	}
	return 0, false
}

func (c *compiler) define(name string) (int, error) {
	if i, ok := c.variable(name); ok {
		return i, nil
	}
	if len(c.vars) == maxVars {
		return 0, fmt.Errorf("a rule can have %d variables", maxVars)
	}
	c.vars = append(c.vars, name)
	return len(c.vars) - 1, nil
}

// direct narrows the rule to one direction.
func (c *compiler) direct(d app.Direction) error {
	if c.sig.Dirs != 0 && c.sig.Dirs != 1<<d {
		return errors.New("the rule already asks for the other direction")
	}
	c.sig.Dirs = 1 << d
	return nil
}
