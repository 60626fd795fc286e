package event

import "github.com/weir-ips/weir/pkg/flow/app"

// application writes "app_layer": flows, transactions and parser errors by protocol.
func (w counters) application(s *StatsRecord) {
	whole := w.mark()
	w.open("app_layer")
	mark := w.mark()
	w.open("flow")
	for p := app.Failed; p < app.NumProtos; p++ {
		w.write(counter{statsName(p), s.Flow.AppFlows[p]})
	}
	w.closeOrDrop(mark, '}')
	mark = w.mark()
	w.open("tx")
	for p := app.HTTP1; p < app.NumProtos; p++ {
		w.write(counter{statsName(p), s.Txs[p]})
	}
	w.closeOrDrop(mark, '}')
	mark = w.mark()
	w.open("error")
	for p := app.HTTP1; p < app.NumProtos; p++ {
		w.group(statsName(p), counter{"parser", s.Flow.AppErrors[p]})
	}
	w.closeOrDrop(mark, '}')
	w.closeOrDrop(whole, '}')
}

// statsName is a protocol's name in counters: those that run over TCP and UDP alike say which.
func statsName(p app.Proto) string {
	switch p {
	case app.Failed:
		return "failed_tcp"
	case app.DNS:
		return "dns_udp"
	case app.DCERPC:
		return "dcerpc_tcp"
	}
	return p.String()
}
