package telemetry

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type sampleStats struct {
	TCPSegments uint64
	ActiveFlows int
	Drops       [3]uint64
	ByReason    map[string]uint64
	Queue       struct{ Full, Active, Total, Load uint64 }
	Note        string
	hidden      uint64
}

func TestStats(t *testing.T) {
	read := func() any {
		s := &sampleStats{TCPSegments: 7, ActiveFlows: 3, Drops: [3]uint64{1, 0, 5}, ByReason: map[string]uint64{"gap": 2}, hidden: 9}
		s.Queue.Full, s.Queue.Active, s.Queue.Total, s.Queue.Load = 4, 5, 6, 1_500_000_000
		return s
	}
	s := &Stats{
		Prefix: "weir_sensor_flow", Read: read, Gauges: []string{"ActiveFlows", "Queue.Active", "Queue.Load"}, Const: prometheus.Labels{"worker": "0"},
		Units: map[string]string{"Queue.Load": "timestamp_nanoseconds", "TCPSegments": "bytes"},
		Labels: map[string]Vector{
			"Drops":    {Label: "layer", Value: func(i int) string { return []string{"", "ip", "tcp"}[i] }},
			"ByReason": {Label: "reason"},
		},
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(s)
	rec := httptest.NewRecorder()
	Handler(reg).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	got := rec.Body.String()
	for _, want := range []string{
		"# HELP weir_sensor_flow_active_flows Current active flows.",
		"# TYPE weir_sensor_flow_active_flows gauge",
		`weir_sensor_flow_active_flows{worker="0"} 3`,
		`weir_sensor_flow_by_reason_total{reason="gap",worker="0"} 2`,
		"# TYPE weir_sensor_flow_drops_total counter",
		`weir_sensor_flow_drops_total{layer="ip",worker="0"} 0`,
		`weir_sensor_flow_drops_total{layer="tcp",worker="0"} 5`,
		`weir_sensor_flow_queue_full_total{worker="0"} 4`,
		`weir_sensor_flow_queue_active{worker="0"} 5`,
		`weir_sensor_flow_queue_total{worker="0"} 6`,
		`weir_sensor_flow_queue_load_timestamp_seconds{worker="0"} 1.5`,
		`weir_sensor_flow_tcp_segments_bytes_total{worker="0"} 7`,
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	if strings.Contains(got, "hidden") || strings.Contains(got, "note") || t.Failed() {
		t.Errorf("/metrics is\n%s", got)
	}
}

func TestSnake(t *testing.T) {
	for in, want := range map[string]string{
		"Bytes": "bytes", "BytesIn": "bytes_in", "TCPSegments": "tcp_segments", "BadTCP": "bad_tcp", "BadIPv4": "bad_ipv4", "HTTP1Errors": "http1_errors",
		"FirstSYNs": "first_syns", "SYNsSeen": "syns_seen", "ICMPv4": "icmpv4", "PPPoE": "pppoe", "VLANQinQ": "vlan_qinq", "VLANQinQinQ": "vlan_qinqinq", "IPv6InIPv4": "ipv6_in_ipv4",
	} {
		if got := snake(in); got != want {
			t.Errorf("snake(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestThrottle(t *testing.T) {
	th := Throttle{Every: time.Minute}
	at := time.Unix(0, 0)
	if ok, n := th.Allow(at); !ok || n != 0 {
		t.Fatalf("first: %v %d", ok, n)
	}
	for range 3 {
		if ok, _ := th.Allow(at.Add(time.Second)); ok {
			t.Fatal("a second one within the interval")
		}
	}
	if ok, n := th.Allow(at.Add(time.Minute)); !ok || n != 3 {
		t.Fatalf("after the interval: %v, %d skipped, want true, 3", ok, n)
	}
}

func TestNewLogger(t *testing.T) {
	var out bytes.Buffer
	log, err := NewLogger(&out, LogOptions{Format: "json", Level: "warn"})
	if err != nil {
		t.Fatal(err)
	}
	log.Info("quiet")
	log.Warn("loud", "port", 7)
	if got := out.String(); strings.Contains(got, "quiet") || !strings.Contains(got, `"port":7`) {
		t.Errorf("logged %q", got)
	}
	for _, o := range []LogOptions{{Format: "xml"}, {Level: "chatty"}} {
		if _, err := NewLogger(&out, o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
}
