package event

import (
	"strconv"
	"strings"

	"github.com/weir-ips/weir/pkg/flow"
	"github.com/weir-ips/weir/pkg/signatures"
)

// Prefixes of flowbits that label traffic: they appear under "traffic" and not under "metadata".
const (
	trafficID    = "traffic/id/"
	trafficLabel = "traffic/label/"
)

// state writes what rules left in the flow and in this hit: "traffic" and "metadata".
func (l *Logger) state(o *Output, e *encoder, f *flow.Flow, h *signatures.Hit) {
	if !o.Metadata {
		return
	}
	var v Variables
	if f != nil && l.State != nil {
		v = l.State(f)
	}
	e.traffic(v.Bits)
	e.metadata(&v, h)
}

// Captured writes what rules captured of a packet, whether they alert or not.
func (l *Logger) Captured(s *Subject, vars []signatures.Var) {
	for _, o := range l.Outputs {
		if o.Types.Has(Metadata) {
			e := l.begin(o, Metadata, s, ofPacket)
			l.state(o, e, s.Flow, &signatures.Hit{Vars: vars})
			l.put(o, Metadata)
		}
	}
}

func (e *encoder) traffic(bits []string) {
	mark := e.mark()
	e.open("traffic")
	for _, t := range [...]struct{ name, prefix string }{{"id", trafficID}, {"label", trafficLabel}} {
		inner := e.mark()
		e.list(t.name)
		for _, b := range bits {
			if rest, ok := strings.CutPrefix(b, t.prefix); ok {
				e.elemStr(rest)
			}
		}
		e.closeOrDrop(inner, ']')
	}
	e.closeOrDrop(mark, '}')
}

func (e *encoder) metadata(v *Variables, h *signatures.Hit) {
	mark := e.mark()
	e.open("metadata")
	inner := e.mark()
	e.list("flowbits")
	for _, b := range v.Bits {
		if !strings.HasPrefix(b, trafficID) && !strings.HasPrefix(b, trafficLabel) {
			e.elemStr(b)
		}
	}
	e.closeOrDrop(inner, ']')
	if len(v.Ints) > 0 {
		e.open("flowints")
		for _, i := range v.Ints {
			e.comma()
			e.quote(i.Name)
			e.b = append(e.b, ':')
			e.numValue(uint64(i.Value))
		}
		e.close()
	}
	e.vars("flowvars", v.Vars)
	if len(v.Entropies) > 0 {
		e.open("entropy")
		for _, n := range v.Entropies {
			e.key(n.Buffer)
			e.b = strconv.AppendFloat(e.b, n.Value, 'g', -1, 64)
		}
		e.close()
	}
	if h != nil {
		inner := e.mark()
		e.list("pktvars")
		for _, p := range h.Vars {
			if !p.JSON {
				e.oneVar(p.Name, p.Value)
			}
		}
		e.closeOrDrop(inner, ']')
	}
	e.closeOrDrop(mark, '}')
}

func (e *encoder) vars(name string, vars []Var) {
	if len(vars) == 0 {
		return
	}
	e.list(name)
	for _, v := range vars {
		e.oneVar(v.Name, v.Value)
	}
	e.end()
}

// oneVar writes {"name": "value"} in a list.
func (e *encoder) oneVar(name string, value []byte) {
	e.item()
	e.quote(name)
	e.b = append(e.b, ':')
	e.quoteBytes(value)
	e.close()
}
