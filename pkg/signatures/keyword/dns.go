package keyword

import (
	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/dns"
	"github.com/weir-ips/weir/pkg/flow/http2"
	"github.com/weir-ips/weir/pkg/signatures/syntax"
)

// dnsMessage returns the message that one side of a transaction carries, as it is or over HTTP/2; nil when it carries none.
func dnsMessage(tx app.Tx, dir app.Direction) *dns.Message {
	switch t := tx.(type) {
	case *dns.Tx:
		if dir == app.ToClient {
			return t.Response
		}
		return t.Request
	case *http2.Tx:
		return t.DNS[dir]
	}
	return nil
}

// dnsEach makes the sources of a buffer that a message has several times.
func dnsEach(dir app.Direction, get func(m *dns.Message, i int) ([]byte, bool)) []Source {
	fetch := func(_ *Context, tx app.Tx, i int) (Bytes, bool) {
		m := dnsMessage(tx, dir)
		if m == nil {
			return Bytes{}, false
		}
		b, ok := get(m, i)
		return Bytes{Data: b}, ok
	}
	return []Source{{Proto: app.DNS, Dir: dir, Progress: dns.Complete, Get: fetch}, {Proto: app.DOH2, Dir: dir, Progress: http2.Complete, Get: fetch}}
}

func dnsQueryName(m *dns.Message, i int) ([]byte, bool) {
	if i >= len(m.Queries) {
		return nil, false
	}
	return m.Queries[i].Name.Bytes, true
}

func recordName(section func(*dns.Message) []dns.Record) func(*dns.Message, int) ([]byte, bool) {
	return func(m *dns.Message, i int) ([]byte, bool) {
		if s := section(m); i < len(s) {
			return s[i].Name.Bytes, true
		}
		return nil, false
	}
}

func dnsBoth(get func(*dns.Message, int) ([]byte, bool)) []Source {
	return append(dnsEach(app.ToServer, get), dnsEach(app.ToClient, get)...)
}

var (
	dnsQuery = &Buffer{Name: "dns.query", Multi: true, Sources: dnsEach(app.ToServer, dnsQueryName)}

	dnsQueriesName = &Buffer{Name: "dns.queries.rrname", Multi: true, Sources: dnsBoth(dnsQueryName)}

	dnsAnswersName = &Buffer{Name: "dns.answers.rrname", Multi: true, Sources: dnsBoth(recordName(func(m *dns.Message) []dns.Record { return m.Answers }))}

	dnsAuthoritiesName = &Buffer{Name: "dns.authorities.rrname", Multi: true, Sources: dnsBoth(recordName(func(m *dns.Message) []dns.Record { return m.Authorities }))}

	dnsAdditionalsName = &Buffer{Name: "dns.additionals.rrname", Multi: true, Sources: dnsBoth(recordName(func(m *dns.Message) []dns.Record { return m.Additionals }))}

	dnsResponseName = &Buffer{Name: "dns.response.rrname", Multi: true, Sources: dnsEach(app.ToClient, dnsAnyName)}
)

// dnsAnyName is every name of a response: of the questions, and of the records with the names that they hold.
func dnsAnyName(m *dns.Message, i int) ([]byte, bool) {
	if i < len(m.Queries) {
		return m.Queries[i].Name.Bytes, true
	}
	i -= len(m.Queries)
	for _, section := range [...][]dns.Record{m.Answers, m.Authorities, m.Additionals} {
		for k := range section {
			r := &section[k]
			if i == 0 {
				return r.Name.Bytes, true
			}
			i--
			if r.Target != nil {
				if i == 0 {
					return r.Target.Bytes, true
				}
				i--
			}
			if r.SOA != nil {
				if i < 2 {
					return [...][]byte{r.SOA.MName.Bytes, r.SOA.RName.Bytes}[i], true
				}
				i -= 2
			}
		}
	}
	return nil, false
}

// txField is a keyword that compares the integers of a transaction, found in the steps that its source has.
func txField(name, doc string, top uint64, names map[string]uint64, sources []valueSource) Keyword {
	return Keyword{Name: name, Family: FamilyPacket, Arg: multiShape, Doc: doc, setup: func(c *compiler, o *syntax.Option) error {
		m, err := parseMulti(o.Value, top, names)
		if err != nil {
			return err
		}
		if m.plain() {
			return c.values(name, sources, m.compare.holds)
		}
		return c.list(name, sources, m)
	}}
}

// valueSource is where a transaction's integers come from.
type valueSource struct {
	proto    app.Proto
	dir      app.Direction
	progress uint8
	get      func(tx app.Tx, i int) (uint64, bool)
}

// valueItem tests the integer that the buffer's eight bytes hold.
type valueItem struct{ holds func(uint64) bool }

func (v *valueItem) match(in *Inspection) bool {
	var n uint64
	for _, b := range in.buf {
		n = n<<8 | uint64(b)
	}
	return v.holds(n)
}

// values adds a group whose buffer is an integer in eight bytes.
func (c *compiler) values(name string, sources []valueSource, holds func(uint64) bool) error {
	b := &Buffer{Name: name, Multi: true, Weak: true}
	for _, s := range sources {
		b.Sources = append(b.Sources, Source{Proto: s.proto, Dir: s.dir, Progress: s.progress, Final: finalOf(s.progress), Get: func(x *Context, tx app.Tx, i int) (Bytes, bool) {
			n, ok := s.get(tx, i)
			if !ok {
				return Bytes{}, false
			}
			out := x.own(8)
			putUint(out, n)
			return Bytes{Data: out}, true
		}})
	}
	if err := c.need(b); err != nil {
		return err
	}
	g := c.group(b, nil)
	g.Items = append(g.Items, &valueItem{holds})
	return nil
}

func dnsValue(get func(m *dns.Message, i int) (uint64, bool)) (out []valueSource) {
	for _, dir := range [...]app.Direction{app.ToServer, app.ToClient} {
		fetch := func(tx app.Tx, i int) (uint64, bool) {
			m := dnsMessage(tx, dir)
			if m == nil {
				return 0, false
			}
			return get(m, i)
		}
		out = append(out, valueSource{app.DNS, dir, dns.Complete, fetch}, valueSource{app.DOH2, dir, http2.Complete, fetch})
	}
	return out
}

var dnsOpcode = txField("dns.opcode", "operation of the message", 15, map[string]uint64{"query": 0, "iquery": 1, "status": 2, "notify": 4, "update": 5}, dnsValue(func(m *dns.Message, i int) (uint64, bool) { return uint64(m.Opcode()), i == 0 }))

var dnsRcode = txField("dns.rcode", "response code of the message", 65535, map[string]uint64{"noerror": 0, "formerr": 1, "servfail": 2, "nxdomain": 3,
	"notimp": 4, "refused": 5, "yxdomain": 6, "yxrrset": 7, "nxrrset": 8, "notauth": 9, "notzone": 10},
	dnsValue(func(m *dns.Message, i int) (uint64, bool) {
		return uint64(m.Rcode()), i == 0
	}))

var dnsRRType = txField("dns.rrtype", "type of a question or a record", 65535, map[string]uint64{"a": 1, "ns": 2, "cname": 5, "soa": 6, "null": 10, "ptr": 12,
	"hinfo": 13, "mx": 15, "txt": 16, "aaaa": 28, "srv": 33, "naptr": 35, "opt": 41, "ds": 43, "rrsig": 46, "dnskey": 48, "tlsa": 52, "svcb": 64,
	"https": 65, "any": 255, "caa": 257},
	dnsValue(func(m *dns.Message, i int) (uint64, bool) {
		if i < len(m.Queries) {
			return uint64(m.Queries[i].Type), true
		}
		if i -= len(m.Queries); i < len(m.Answers) {
			return uint64(m.Answers[i].Type), true
		}
		return 0, false
	}))
