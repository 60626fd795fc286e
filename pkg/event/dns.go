package event

import (
	"slices"
	"strconv"

	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/flow/dns"
)

// dnsSelected reports whether the output asks for this message.
func dnsSelected(opt *DNSOptions, t *dns.Tx) bool {
	m := t.Message()
	if m == nil {
		return false
	}
	if t.Request != nil && !opt.Requests || t.Request == nil && !opt.Responses {
		return false
	}
	if len(opt.RRTypes) == 0 {
		return true
	}
	for i := range m.Queries {
		if slices.Contains(opt.RRTypes, rrTypeName(m.Queries[i].Type)) {
			return true
		}
	}
	return false
}

// dns writes "dns" in the layout of the output's version; alerts have but the newest.
func (e *encoder) dns(opt *DNSOptions, _ *flow.Flow, t *dns.Tx, inAlert bool) {
	m := t.Message()
	if m == nil {
		return
	}
	if inAlert && opt.Version == 2 {
		newest := *opt
		newest.Version = 3
		opt = &newest
	}
	e.open("dns")
	e.dnsMessage(opt, t, m)
	e.close()
}

func (e *encoder) dnsMessage(opt *DNSOptions, t *dns.Tx, m *dns.Message) {
	v2 := opt.Version == 2
	e.num("version", uint64(opt.Version))
	switch {
	case t.Request != nil && v2:
		e.str("type", "query")
	case t.Request != nil:
		e.str("type", "request")
	case v2:
		e.str("type", "answer")
	default:
		e.str("type", "response")
	}
	e.num("tx_id", t.ID)
	e.num("id", uint64(m.ID))
	if t.Request == nil || !v2 {
		e.dnsFlags(m)
	}
	e.num("opcode", uint64(m.Opcode()))
	if t.Request == nil {
		e.str("rcode", rcodeName(m.Rcode()))
	}
	if v2 {
		if len(m.Queries) > 0 {
			e.dnsName("rrname", &m.Queries[0].Name)
			e.str("rrtype", rrTypeName(m.Queries[0].Type))
		}
	} else {
		e.dnsQueries("queries", m.Queries)
	}
	if t.Request == nil {
		e.dnsAnswers(opt, m)
	} else if !v2 && len(m.Additionals) > 0 {
		e.dnsRecords("additionals", m.Additionals)
	}
}

func (e *encoder) dnsFlags(m *dns.Message) {
	e.key("flags")
	e.b = append(e.b, '"')
	e.b = strconv.AppendUint(e.b, uint64(m.Flags), 16)
	e.b = append(e.b, '"')
	for _, f := range [...]struct {
		bit  uint16
		name string
	}{{dns.FlagQR, "qr"}, {dns.FlagAA, "aa"}, {dns.FlagTC, "tc"}, {dns.FlagRD, "rd"}, {dns.FlagRA, "ra"}, {dns.FlagZ, "z"}} {
		if m.Flags&f.bit != 0 {
			e.flag(f.name, true)
		}
	}
}

func (e *encoder) dnsQueries(name string, queries []dns.Query) {
	if len(queries) == 0 {
		return
	}
	e.list(name)
	for i := range queries {
		e.item()
		e.dnsName("rrname", &queries[i].Name)
		e.str("rrtype", rrTypeName(queries[i].Type))
		e.close()
	}
	e.end()
}

func (e *encoder) dnsName(name string, n *dns.Name) {
	e.text(name, n.Bytes)
	if n.Truncated {
		e.flag(name+"_truncated", true)
	}
}

func (e *encoder) dnsAnswers(opt *DNSOptions, m *dns.Message) {
	if opt.Detailed && len(m.Answers) > 0 {
		e.dnsRecords("answers", m.Answers)
	}
	if opt.Grouped && len(m.Answers) > 0 {
		e.dnsGrouped(m.Answers)
	}
	if len(m.Authorities) > 0 {
		e.dnsRecords("authorities", m.Authorities)
	}
	if len(m.Additionals) > 0 && opt.Version != 2 {
		e.dnsRecords("additionals", m.Additionals)
	}
}

// dnsRecords writes one element for each record, and for each character string of a TXT record.
func (e *encoder) dnsRecords(name string, records []dns.Record) {
	mark := e.mark()
	e.list(name)
	for i := range records {
		r := &records[i]
		if r.Type == typeOPT {
			continue
		}
		if r.Type != typeTXT || len(r.Text) == 0 {
			e.dnsRecord(r, nil)
			continue
		}
		for _, s := range r.Text {
			e.dnsRecord(r, s)
		}
	}
	e.closeOrDrop(mark, ']')
}

func (e *encoder) dnsRecord(r *dns.Record, text []byte) {
	e.item()
	e.dnsName("rrname", &r.Name)
	e.str("rrtype", rrTypeName(r.Type))
	e.num("ttl", uint64(r.TTL))
	switch {
	case r.Addr.IsValid():
		e.addr("rdata", decode.AddrFrom(r.Addr))
	case r.Target != nil:
		e.text("rdata", r.Target.Bytes)
	case r.Type == typeTXT:
		e.text("rdata", text)
	case r.SOA != nil:
		e.soa(r.SOA)
	case r.SRV != nil:
		e.open("srv")
		e.num("priority", uint64(r.SRV.Priority))
		e.num("weight", uint64(r.SRV.Weight))
		e.num("port", uint64(r.SRV.Port))
		e.dnsName("name", &r.SRV.Target)
		e.close()
	case r.SSHFP != nil:
		e.sshfp(r.SSHFP)
	case r.Type == typeNULL:
		e.text("rdata", r.Data)
	}
	e.close()
}

func (e *encoder) soa(s *dns.SOA) {
	e.open("soa")
	e.dnsName("mname", &s.MName)
	e.dnsName("rname", &s.RName)
	e.num("serial", uint64(s.Serial))
	e.num("refresh", uint64(s.Refresh))
	e.num("retry", uint64(s.Retry))
	e.num("expire", uint64(s.Expire))
	e.num("minimum", uint64(s.Minimum))
	e.close()
}

func (e *encoder) sshfp(s *dns.SSHFP) {
	e.open("sshfp")
	e.hexColon("fingerprint", s.Fingerprint)
	e.num("algo", uint64(s.Algorithm))
	e.num("type", uint64(s.Type))
	e.close()
}

// dnsGrouped writes {"A": ["…"], "CNAME": […]}: the data of the answers by their type.
func (e *encoder) dnsGrouped(records []dns.Record) {
	mark := e.mark()
	e.open("grouped")
	for i := range records {
		t := records[i].Type
		if slices.ContainsFunc(records[:i], func(r dns.Record) bool { return r.Type == t }) || !groups(t) {
			continue
		}
		inner := e.mark()
		e.list(rrTypeName(t))
		for j := i; j < len(records); j++ {
			if records[j].Type == t {
				e.groupElem(&records[j])
			}
		}
		e.closeOrDrop(inner, ']')
	}
	e.closeOrDrop(mark, '}')
}

// groups reports whether records of type t appear in "grouped".
func groups(t uint16) bool {
	switch t {
	case typeA, typeNS, typeCNAME, typePTR, typeMX, typeTXT, typeAAAA, typeSSHFP, typeSRV, typeSOA, typeNULL:
		return true
	}
	return false
}

func (e *encoder) groupElem(r *dns.Record) {
	switch {
	case r.Addr.IsValid():
		e.comma()
		e.b = append(e.b, '"')
		e.b = AppendAddr(e.b, decode.AddrFrom(r.Addr))
		e.b = append(e.b, '"')
	case r.Target != nil:
		e.elemText(r.Target.Bytes)
	case r.Type == typeTXT:
		for _, s := range r.Text {
			e.elemText(s)
		}
	case r.SOA != nil:
		e.comma()
		e.b = append(e.b, '{')
		e.dnsName("mname", &r.SOA.MName)
		e.dnsName("rname", &r.SOA.RName)
		e.close()
	case r.SRV != nil:
		e.item()
		e.num("priority", uint64(r.SRV.Priority))
		e.num("weight", uint64(r.SRV.Weight))
		e.num("port", uint64(r.SRV.Port))
		e.dnsName("name", &r.SRV.Target)
		e.close()
	case r.SSHFP != nil:
		e.item()
		e.hexColon("fingerprint", r.SSHFP.Fingerprint)
		e.num("algo", uint64(r.SSHFP.Algorithm))
		e.num("type", uint64(r.SSHFP.Type))
		e.close()
	case r.Type == typeNULL:
		e.elemText(r.Data)
	}
}
