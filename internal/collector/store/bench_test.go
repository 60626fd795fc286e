package store

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

// realistic makes alerts as a busy sensor sends them: EVE of about a kilobyte, many sources, some hundred signatures.
func realistic(n int, start time.Time) []Alert {
	r := rand.New(rand.NewPCG(1, 2))
	all := make([]Alert, n)
	payload := make([]byte, 200)
	for i := range all {
		for j := range payload {
			payload[j] = byte(' ' + r.IntN(90))
		}
		sid := 2000000 + uint32(r.ExpFloat64()*40)
		src := netip.AddrFrom4([4]byte{198, 18, byte(r.IntN(256)), byte(r.IntN(256))})
		t := start.Add(time.Duration(i) * 24 * time.Hour / time.Duration(n))
		a := Alert{
			ID: fmt.Sprintf("edge-%d:6f3a9c:%d:%d", i%4, i/200, i%200), Time: t, Sensor: fmt.Sprintf("edge-%d", i%4),
			SID: sid, GID: 1, Rev: 3, Signature: fmt.Sprintf("ET RULE %d Suspicious inbound request to %d", sid, sid%7),
			Category: "Attempted Information Leak", Severity: uint8(sid%3 + 1), Action: "allowed", SrcIP: src,
			SrcPort: uint16(r.IntN(65536)), DestIP: netip.AddrFrom4([4]byte{10, 0, byte(r.IntN(2)), byte(r.IntN(100))}),
			DestPort: 80, Proto: "TCP", AppProto: "http", FlowID: r.Uint64() >> 1,
		}
		a.EVE = json.RawMessage(fmt.Sprintf(`{"timestamp":%q,"flow_id":%d,"in_iface":"eth0","event_type":"alert","src_ip":%q,"src_port":%d,"dest_ip":%q,"dest_port":80,"proto":"TCP","alert":{"action":"allowed","gid":1,"signature_id":%d,"rev":3,"signature":%q,"category":%q,"severity":%d,"metadata":{"created_at":["2010_07_30"],"updated_at":["2024_01_01"]}},"http":{"hostname":"shop.example","url":"/item/%d","http_user_agent":"Mozilla/5.0","http_method":"GET","protocol":"HTTP/1.1","status":200,"length":%d},"app_proto":"http","direction":"to_server","flow":{"pkts_toserver":4,"pkts_toclient":3,"bytes_toserver":%d,"bytes_toclient":%d,"start":%q},"payload":%q,"payload_printable":%q,"stream":1}`,
			t.Format(eveTime), a.FlowID, a.SrcIP, a.SrcPort, a.DestIP, sid, a.Signature, a.Category, a.Severity, r.IntN(1e6), r.IntN(1e5),
			r.IntN(1e4), r.IntN(1e5), t.Format(eveTime), base64.StdEncoding.EncodeToString(payload), payload))
		all[i] = a
	}
	return all
}

// BenchmarkAppend reports alerts kept and on disk per second, with batches as large as a sensor's.
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{1, 200, 2000} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			s := open(b, Options{Dir: b.TempDir()})
			all := realistic(100_000, noon.Truncate(24*time.Hour))
			var n, raw int
			for b.Loop() {
				batch := all[n%len(all) : min(n%len(all)+size, len(all))]
				if n >= len(all) {
					for i := range batch {
						batch[i].ID += "+"
					}
				}
				kept, err := s.Append(b.Context(), batch)
				if err != nil || kept != len(batch) {
					b.Fatal(kept, err)
				}
				for i := range batch {
					raw += len(batch[i].EVE)
				}
				n += len(batch)
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "alerts/s")
			b.ReportMetric(float64(s.Stats().Bytes)/float64(n), "disk-B/alert")
			b.ReportMetric(float64(raw)/float64(n), "eve-B/alert")
		})
	}
}

func BenchmarkQuery(b *testing.B) {
	s := open(b, Options{Dir: b.TempDir()})
	start := noon.Truncate(24 * time.Hour)
	all := realistic(200_000, start)
	for i := 0; i < len(all); i += 2000 {
		if _, err := s.Append(b.Context(), all[i:i+2000]); err != nil {
			b.Fatal(err)
		}
	}
	day := Filter{Since: start, Until: start.AddDate(0, 0, 1)}
	search := func(f Filter) func() error {
		return func() error { _, err := s.Search(b.Context(), f, "", 100); return err }
	}
	timeline := func(f Filter) func() error {
		f.Since, f.Until = day.Since, day.Until
		return func() error { _, err := s.Timeline(b.Context(), f, 10*time.Minute); return err }
	}
	top := func(by Dimension) func() error {
		return func() error { _, err := s.Top(b.Context(), day, by, 20); return err }
	}
	for _, q := range []struct {
		name string
		run  func() error
	}{
		{"get", func() error { _, err := s.Get(b.Context(), all[77_777].ID); return err }},
		{"latest", search(Filter{})},
		{"sid-common", search(Filter{SID: 2000001})},
		{"sid-rare", search(Filter{SID: 2000300})},
		{"src", search(Filter{Src: netip.PrefixFrom(all[5].SrcIP, 32)})},
		{"src-cidr", search(Filter{Src: netip.MustParsePrefix("198.18.7.0/24")})},
		{"text", search(Filter{Query: "suspicious 2000250"})},
		{"text-nothing", search(Filter{Query: "nothing"})},
		{"timeline", timeline(Filter{})},
		{"timeline-sid", timeline(Filter{SID: 2000001})},
		{"timeline-src", timeline(Filter{Src: netip.MustParsePrefix("198.18.7.0/24")})},
		{"top-sid", top(BySignature)},
		{"top-src", top(BySource)},
		{"top-dst", top(ByTarget)},
		{"groups", func() error { _, err := s.Groups(b.Context(), day, 100); return err }},
	} {
		b.Run(q.name, func(b *testing.B) {
			for b.Loop() {
				if err := q.run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
