package keyword

import (
	"fmt"
	"strings"

	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

const defaultExpire = 30 // seconds, Suricata's default of xbits; of hostbits it is 300

var xbits = Keyword{
	Name: "xbits", Family: FamilyState, Arg: "set|unset|isset|isnotset|toggle, NAME, track ip_src|ip_dst|ip_pair[, expire SECONDS] or noalert",
	Doc: "a mark on an address or a pair of addresses, for a time",
	setup: func(c *compiler, o *syntax.Option) error {
		w := words(o.Value)
		if w[0] == "noalert" {
			c.sig.NoAlert = true
			return nil
		}
		if len(w) < 3 {
			return fmt.Errorf("%q is not COMMAND, NAME, track WHAT", o.Value)
		}
		b := hostBit{id: c.env.Names.id(kindXbit, w[1]), seconds: defaultExpire}
		for _, word := range w[2:] {
			name, arg, _ := strings.Cut(word, " ")
			arg = strings.TrimSpace(arg)
			var err error
			switch name {
			case "track":
				err = b.track(arg)
			case "expire":
				b.seconds, err = parseInt(arg, 1, 1<<31-1)
			default:
				err = fmt.Errorf("%q is not track or expire", word)
			}
			if err != nil {
				return err
			}
		}
		return c.hostBit(w[0], b, &c.sig.XBits)
	},
}

var hostbits = Keyword{
	Name: "hostbits", Family: FamilyState, Arg: "set|unset|isset|isnotset|toggle, NAME[, src|dst|both[, SECONDS]]", Doc: "a mark on an address",
	setup: func(c *compiler, o *syntax.Option) error {
		w := words(o.Value)
		if w[0] == "noalert" {
			c.sig.NoAlert = true
			return nil
		}
		if len(w) < 2 {
			return fmt.Errorf("%q is not COMMAND, NAME[, src|dst]", o.Value)
		}
		b := hostBit{id: c.env.Names.id(kindHostbit, w[1]), host: true, seconds: 300, key: keySrc}
		if len(w) > 2 {
			switch w[2] {
			case "src":
			case "dst":
				b.key = keyDst
			case "both":
				b.key = keyPair
			default:
				return fmt.Errorf("%q is not src, dst or both", w[2])
			}
		}
		if len(w) > 3 {
			var err error
			if b.seconds, err = parseInt(strings.TrimPrefix(w[3], "expire"), 1, 1<<31-1); err != nil {
				return err
			}
		}
		return c.hostBit(w[0], b, &c.sig.HostBits)
	},
}

type hostBit struct {
	id      uint32
	host    bool
	seconds int
	key     hostKeyKind
}

type hostKeyKind uint8

const (
	keySrc hostKeyKind = iota + 1
	keyDst
	keyPair
)

func (b *hostBit) track(what string) error {
	kinds := map[string]hostKeyKind{"ip_src": keySrc, "ip_dst": keyDst, "ip_pair": keyPair}
	b.key = kinds[what]
	if b.key == 0 {
		return fmt.Errorf("%q is not ip_src, ip_dst or ip_pair", what)
	}
	return nil
}

// of returns the key of the context's packet; a pair is the same in both directions.
func (b *hostBit) of(x *Context) hostKey {
	k := hostKey{bit: b.id, host: b.host}
	switch b.key {
	case keySrc:
		k.a = x.src
	case keyDst:
		k.a = x.dst
	default:
		k.a, k.b = x.src, x.dst
		if k.b.Less(k.a) {
			k.a, k.b = k.b, k.a
		}
	}
	return k
}

func (c *compiler) hostBit(cmd string, b hostBit, use *BitUse) error {
	if b.key == 0 {
		return fmt.Errorf("track is missing")
	}
	switch cmd {
	case "isset", "isnotset":
		*use |= UseReads
		want := cmd == "isset"
		c.ipTests++
		c.test(func(x *Context) bool { return x.Packet.IPVersion != 0 && x.Hosts.has(b.of(x), x.Now) == want })
	case "set", "unset", "toggle":
		*use |= UseSets
		c.effect(func(x *Context) {
			k := b.of(x)
			if cmd == "unset" || cmd == "toggle" && x.Hosts.has(k, x.Now) {
				x.Hosts.unset(k)
			} else if x.Hosts.set(k, x.Now+int64(b.seconds)*1e9, x.Now) {
				x.Stats.StateFull++
			}
		})
	default:
		return fmt.Errorf("%q is not set, unset, isset, isnotset or toggle", cmd)
	}
	return nil
}
