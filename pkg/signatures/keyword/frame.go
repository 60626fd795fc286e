package keyword

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

// frame is a sticky buffer of a part of a protocol's stream that its parser marks: "frame:tls.pdu", or "frame:pdu" in a rule
// about tls.
var frame = Keyword{
	Name: "frame", Family: FamilyBuffer, Arg: "[PROTOCOL.]NAME",
	Doc: "a part of a stream or datagram that the protocol's parser marks, such as tls.pdu, smb1.hdr, smtp.command_line, http1.request",
	setup: func(c *compiler, o *syntax.Option) error {
		p, t, err := c.frameOf(o.Value)
		switch {
		case err != nil:
			return err
		case t == app.NoFrame:
			c.warn(fmt.Errorf("frame: %s is of a protocol that is not parsed: the rule never matches", o.Value))
		default:
			if err := c.narrow((&Source{Proto: p}).apps()); err != nil {
				return err
			}
		}
		return c.stick(&Buffer{Name: "frame:" + p.String() + "." + t.String(), IsFrame: true, Frame: t})
	},
}

// framed are the protocols whose frames rules may name.
var framed = map[string]app.Proto{"http1": app.HTTP1, "http2": app.HTTP2, "dns": app.DNS, "tls": app.TLS, "ssl": app.TLS, "ssh": app.SSH,
	"smtp": app.SMTP, "ftp": app.FTP, "smb": app.SMB, "dcerpc": app.DCERPC}

// frameOf finds a frame by its name in the rule's protocol, or behind the name of a protocol; app.NoFrame when that is not parsed.
func (c *compiler) frameOf(name string) (app.Proto, app.FrameType, error) {
	if p, ok := framed[c.sig.AppName]; ok {
		if t, ok := app.FrameNamed(p, name); ok {
			return p, t, nil
		}
	}
	prefix, rest, _ := strings.Cut(name, ".")
	if p, ok := framed[strings.ToLower(prefix)]; ok {
		if t, ok := app.FrameNamed(p, rest); ok {
			return p, t, nil
		}
	} else if slices.Contains(unparsed, strings.ToLower(prefix)) || slices.Contains(unparsed, c.sig.AppName) {
		return app.Unknown, app.NoFrame, nil
	}
	return app.Unknown, app.NoFrame, fmt.Errorf("%q is not the name of a frame, such as tls.pdu or smb1.hdr", name)
}

var errFrames = errors.New("a frame cannot be combined with other frames or with buffers of transactions")

// checkFrames refuses rules whose buffers are never there at the same time.
func (c *compiler) checkFrames() error {
	for _, g := range c.sig.Groups {
		first := c.sig.Groups[0].Buffer
		if g.Buffer.IsFrame != first.IsFrame || g.Buffer.IsFrame && g.Buffer.Name != first.Name {
			return errFrames
		}
	}
	return nil
}

// Frame returns the frame that the rule's groups are about; app.NoFrame for a protocol that is not parsed.
func (s *Signature) Frame() app.FrameType {
	if s.Type != TypeFrame {
		return app.NoFrame
	}
	return s.Groups[0].Buffer.Frame
}

// MatchFrame reports whether all groups hold in data, a part of a frame from offset base of it; end says that the frame ends with it.
func (s *Signature) MatchFrame(c *Context, data []byte, base int, end bool) bool {
	c.InStream = true
	for _, g := range s.Groups {
		b := data
		for _, t := range g.Transforms {
			b = t.apply(c, b)
		}
		if !c.inspect(g.Items, b, base, end) {
			return false
		}
	}
	return true
}
