package keyword

import (
	"fmt"

	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

// Tag asks for the packets that follow a match to be logged.
type Tag struct {
	Host    bool // packets of an address, not of the flow
	Dst     bool // of the destination's address
	Packets uint32
	Seconds uint32
	Bytes   uint32
}

var tag = Keyword{
	Name: "tag", Family: FamilyState, Arg: "session|host[, N, packets|seconds|bytes[, src|dst]]", Doc: "log the packets that follow",
	setup: func(c *compiler, o *syntax.Option) error {
		w := words(o.Value)
		t := &Tag{}
		switch w[0] {
		case "session":
		case "host":
			t.Host = true
		default:
			return fmt.Errorf("%q is not session or host", w[0])
		}
		if len(w) == 1 {
			t.Packets = 256 // Suricata's default
		} else {
			if len(w) < 3 {
				return fmt.Errorf("%q is not session|host, N, packets|seconds|bytes", o.Value)
			}
			n, err := parseInt(w[1], 0, 1<<31-1)
			if err != nil {
				return err
			}
			switch w[2] {
			case "packets":
				t.Packets = uint32(n)
			case "seconds":
				t.Seconds = uint32(n)
			case "bytes":
				t.Bytes = uint32(n)
			default:
				return fmt.Errorf("%q is not packets, seconds or bytes", w[2])
			}
		}
		if len(w) > 3 {
			switch {
			case !t.Host:
				return fmt.Errorf("%s is for host only", w[3])
			case w[3] == "dst":
				t.Dst = true
			case w[3] != "src":
				return fmt.Errorf("%q is not src or dst", w[3])
			}
		} else if t.Host && len(w) > 1 {
			return fmt.Errorf("host needs src or dst")
		}
		c.sig.Tags = append(c.sig.Tags, t)
		return nil
	},
}
