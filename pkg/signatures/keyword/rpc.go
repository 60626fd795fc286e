package keyword

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

// rpcKeyword compares the header of a SunRPC call (RFC 5531 §9).
var rpcKeyword = Keyword{
	Name: "rpc", Family: FamilyPacket, Arg: "PROGRAM[, VERSION|*[, PROCEDURE|*]]", Doc: "program, version and procedure of a SunRPC call",
	setup: func(c *compiler, o *syntax.Option) error {
		w := words(o.Value)
		if len(w) > 3 || w[0] == "*" {
			return fmt.Errorf("%q is not PROGRAM, VERSION, PROCEDURE", o.Value)
		}
		var want [3]uint64
		var given [3]bool
		for i, word := range w {
			word = strings.TrimSpace(word)
			if given[i] = word != "*"; !given[i] {
				continue
			}
			n, err := parseUint(word, 1<<32-1, nil)
			if err != nil {
				return err
			}
			want[i] = n
		}
		c.props([]prop{ofPacket})
		c.test(func(x *Context) bool {
			call := rpcCall(x.Packet)
			if call == nil {
				return false
			}
			for i := range want {
				if given[i] && uint64(binary.BigEndian.Uint32(call[4*i:])) != want[i] {
					return false
				}
			}
			return true
		})
		return nil
	},
}

// rpcCall returns program, version and procedure, four bytes each; nil when the packet begins no call of RPC version 2.
// Over TCP a record mark is in front (RFC 5531 §11).
func rpcCall(p *decode.Packet) []byte {
	b := p.Payload
	switch p.Proto {
	case protoTCP:
		if len(b) < 4 {
			return nil
		}
		b = b[4:]
	case protoUDP:
	default:
		return nil
	}
	if len(b) < 24 || binary.BigEndian.Uint32(b[4:]) != 0 || binary.BigEndian.Uint32(b[8:]) != 2 {
		return nil
	}
	return b[12:24]
}
