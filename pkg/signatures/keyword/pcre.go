package keyword

import (
	"errors"
	"fmt"
	"strings"

	"github.com/weir-ips/weir/pkg/signatures/regex"
	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

// Pcre is a regular expression.
type Pcre struct {
	re       *regex.Regexp
	negated  bool
	relative bool // ^ is the end of the last match
	retry    bool // a later item depends on where this one matched
	captures []capture
}

type capture struct {
	group int
	name  string
	scope CaptureScope
}

// match looks for the expression once.
func (p *Pcre) match(in *Inspection) bool {
	_, ok := p.find(in, p.base(in), 0)
	return ok != p.negated && !in.failed
}

func (p *Pcre) base(in *Inspection) int {
	if p.relative {
		return min(in.pos, len(in.buf))
	}
	return 0
}

// find looks for a match in buf[base:], from byte from of that on, moves the cursor behind it and returns its start.
func (p *Pcre) find(in *Inspection, base, from int) (start int, ok bool) {
	m := &in.ctx.machine
	m.Bound = max(in.ctx.Work, 1)
	ok, err := m.Match(p.re, in.buf[base:], from, in.ctx.MatchLimit)
	in.ctx.Work -= m.Steps() + (len(in.buf)-base-from)/workBytes
	if err != nil {
		in.ctx.Stats.MatchLimit++
		return 0, p.negated // as a failed match: a negated expression does not hold either
	}
	if !ok || p.negated {
		return 0, ok
	}
	in.pos = base + m.Groups[1]
	for _, c := range p.captures {
		if a, b := m.Groups[2*c.group], m.Groups[2*c.group+1]; a >= 0 {
			in.ctx.capture(c, in.buf[base+a:base+b])
		}
	}
	return m.Groups[0], true
}

// maxCapture bounds a captured value, maxCaptures how many a rule can leave.
const (
	maxCapture  = 1024
	maxCaptures = 16
)

func (c *Context) capture(p capture, value []byte) {
	if len(c.Captured) < maxCaptures {
		c.Captured = append(c.Captured, Capture{Name: p.name, Scope: p.scope, Value: c.keep(value[:min(len(value), maxCapture)])})
	}
}

var pcreBuffers = map[byte]string{
	'U': "http.uri", 'I': "http.uri.raw", 'P': "http.request_body", 'Q': "http.response_body", 'H': "http.header", 'D': "http.header.raw",
	'M': "http.method", 'C': "http.cookie", 'S': "http.stat_code", 'Y': "http.stat_msg", 'V': "http.user_agent", 'W': "http.host", 'Z': "http.host.raw",
}

var errPcre = errors.New(`is not "/expression/flags"`)

var pcreKeyword = Keyword{
	Name: "pcre", Family: FamilyContent, Arg: `[!]"/expression/flags"`,
	Doc: "regular expression with Perl's syntax over bytes; flags i s m x A E G R, and the letter of an HTTP buffer",
	setup: func(c *compiler, o *syntax.Option) error {
		arg, negated := strings.CutPrefix(o.Value, "!")
		arg = strings.TrimSpace(arg)
		if len(arg) >= 2 && arg[0] == '"' && arg[len(arg)-1] == '"' {
			arg = arg[1 : len(arg)-1]
		}
		end := strings.LastIndexByte(arg, '/')
		if len(arg) < 2 || arg[0] != '/' || end == 0 {
			return errPcre
		}
		p := &Pcre{negated: negated}
		letters, captures, _ := strings.Cut(arg[end+1:], ",")
		flags, buffer, err := p.flags(strings.TrimSpace(letters))
		if err != nil {
			return err
		}
		if p.re, err = regex.Compile(arg[1:end], flags); err != nil {
			return fmt.Errorf("/%s/ %w", arg[1:end], err)
		}
		if err := p.capturing(c, captures); err != nil {
			return err
		}
		return c.addPcre(p, buffer)
	},
}

func (c *compiler) addPcre(p *Pcre, buffer string) error {
	if buffer == "" {
		c.appendTo(c.behind(p.relative && c.sticky != nil), p)
		return nil
	}
	b := bufferByName(buffer)
	if c.sticky == fileData && b == httpResponseBody { // the same bytes
		b = fileData
	}
	if c.sticky != nil && c.sticky == b {
		c.appendTo(c.here(), p)
		return nil
	}
	if c.sticky != nil {
		return fmt.Errorf("the flag's buffer %s: %w (%s)", buffer, errSticky, c.sticky.Name)
	}
	if err := c.need(b); err != nil {
		return err
	}
	c.appendTo(c.group(b, nil), p)
	return nil
}

func (p *Pcre) flags(letters string) (f regex.Flags, buffer string, err error) {
	for i := range len(letters) {
		switch l := letters[i]; l {
		case 'i':
			f |= regex.CaseInsensitive
		case 's':
			f |= regex.DotAll
		case 'm':
			f |= regex.Multiline
		case 'x':
			f |= regex.Extended
		case 'A':
			f |= regex.Anchored
		case 'E':
			f |= regex.DollarEndOnly
		case 'G':
			f |= regex.Ungreedy
		case 'R':
			p.relative = true
		case 'B', 'O', 'L':
		default:
			b := pcreBuffers[l]
			if b == "" {
				return 0, "", fmt.Errorf("flag %q is not known", l)
			}
			if buffer != "" && buffer != b {
				return 0, "", fmt.Errorf("flags ask for %s and for %s", buffer, b)
			}
			buffer = b
		}
	}
	return f, buffer, nil
}

// capturing reads the names of captured groups: ", flow:name, pkt:other", and (?P<flow_name>…).
func (p *Pcre) capturing(c *compiler, list string) error {
	if list == "" {
		return nil
	}
	for i, w := range words(list) {
		scope, name, ok := strings.Cut(w, ":")
		s, known := map[string]CaptureScope{"pkt": CapturePacket, "flow": CaptureFlow, "alert": CaptureAlert}[scope]
		if !ok || !known {
			return fmt.Errorf("%q is not pkt:NAME, flow:NAME or alert:NAME", w)
		}
		if i+1 > p.re.Groups() {
			return fmt.Errorf("%q: the expression has %d groups", w, p.re.Groups())
		}
		p.captures = append(p.captures, capture{group: i + 1, name: name, scope: s})
	}
	c.sig.CapturesVars = true
	return nil
}
