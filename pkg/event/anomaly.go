package event

import (
	"strings"

	"github.com/weir-ips/weir/pkg/flow/app"
)

// DecodeAnomaly writes one decoder or stream event of a packet. name is Suricata's, with its prefix: "decoder.ipv4.…"
// or "stream.…".
func (l *Logger) DecodeAnomaly(s *Subject, name string) {
	short, stream := strings.CutPrefix(name, "stream.")
	kind := "decode"
	if stream {
		kind, name = "stream", "stream."+short
	}
	for _, o := range l.Outputs {
		a := &o.Options.Anomaly
		if !o.Types.Has(Anomaly) || stream && !a.Stream || !stream && !a.Decode {
			continue
		}
		e := l.begin(o, Anomaly, s, ofPacket)
		if a.PacketHeader && s.Packet != nil {
			e.packet(s.Packet)
		}
		e.open("anomaly")
		e.str("type", kind)
		e.str("event", name)
		e.close()
		l.put(o, Anomaly)
	}
}

// AppAnomaly writes one event of an application-layer parser; tx is nil for events of protocol detection. name may carry
// its protocol ("http.request_header_invalid"), which the record does not.
func (l *Logger) AppAnomaly(s *Subject, tx app.Tx, name, layer string) {
	_, short, ok := strings.Cut(name, ".")
	if !ok {
		short = name
	}
	for _, o := range l.Outputs {
		if !o.Types.Has(Anomaly) || !o.Options.Anomaly.AppLayer {
			continue
		}
		e := l.begin(o, Anomaly, s, toServer)
		if tx != nil {
			e.num("tx_id", tx.Base().ID)
		}
		l.state(o, e, s.Flow, nil)
		e.open("anomaly")
		e.strIf("app_proto", appName(s))
		e.str("type", "applayer")
		e.str("event", short)
		e.str("layer", layer)
		e.close()
		l.put(o, Anomaly)
	}
}

func appName(s *Subject) string {
	if s.Flow == nil || s.Flow.App == app.Unknown {
		return ""
	}
	return s.Flow.App.String()
}
