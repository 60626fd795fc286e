package collector

import (
	"encoding/json"
	"errors"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/weir-ips/weir/internal/collector/api"
	"github.com/weir-ips/weir/internal/collector/bus"
	"github.com/weir-ips/weir/internal/collector/policy"
	"github.com/weir-ips/weir/pkg/wire"
)

// A policy says the same to the API and to the engine, whichever way it goes, and survives being kept as JSON.
func TestPolicyThroughTheAPI(t *testing.T) {
	configured := policy.Config{Limits: policy.DefaultLimits(), Canary: 3 * time.Second, AtMost: policy.AtMost{Alerts: "ratelimit", Feeds: "observe"}, Block: []policy.Rule{
		{Severity: 1, TTL: 10 * time.Minute, Scope: "edge", Action: "drop", Require: policy.RequireHandshake, Quorum: policy.Quorum{Sensors: 2, Within: time.Minute}},
		{Signatures: []uint32{7, 8}, Categories: []string{"Misc"}, Action: "ratelimit", Rate: 50, Require: policy.RequireNone, Escalate: []time.Duration{time.Minute, time.Hour}},
	}}
	if faults := configured.Check(); len(faults) > 0 {
		t.Fatal(faults)
	}
	text, err := json.Marshal(toAPI(&configured))
	if err != nil {
		t.Fatal(err)
	}
	var kept api.Policy
	if err := json.Unmarshal(text, &kept); err != nil {
		t.Fatal(err)
	}
	again, err := fromAPI(&kept)
	if err != nil || !reflect.DeepEqual(again, configured) {
		t.Errorf("%v\ngot  %+v\nwant %+v", err, again, configured)
	}
}

func TestPolicyFaultsNameTheAPIsFields(t *testing.T) {
	_, err := fromAPI(&api.Policy{Block: []api.PolicyRule{{Severity: 1, TTLSeconds: 7 * 86400, EscalateSeconds: []int64{60, 30}}}, Limits: api.PolicyLimits{PerMinute: 1, PerSensorMinute: 1, HoldSeconds: 7 * 86400, FeedAddresses: 1 << 40}, AtMost: api.AtMost{Feeds: "ratelimit"}})
	var bad *api.Invalid
	if !errors.As(err, &bad) {
		t.Fatal(err)
	}
	want := map[string]bool{"block[0].ttl_seconds": true, "block[0].escalate_seconds[1]": true, "limits.per_signature_minute": true, "limits.hold_seconds": true, "limits.feed_addresses": true, "at_most.feeds": true}
	for _, f := range bad.Fields {
		if !want[f.Field] {
			t.Errorf("fault in %q", f.Field)
		}
		delete(want, f.Field)
	}
	for field := range want {
		t.Errorf("no fault in %s", field)
	}
}

func TestNeverBlockListsWhereFrom(t *testing.T) {
	sensors := new(bus.Sensors)
	sensors.Put(&bus.Report{Health: wire.Health{Sensor: "edge-1", Allowances: []string{"10.0.0.1", "0.0.0.0/0"}}})
	s := &steering{
		governor: &governor{sensors: sensors, settings: &settings{settingsData: settingsData{
			NeverBlock: []Protected{{Prefix: netip.MustParsePrefix("203.0.113.0/24"), Reason: "partner", By: "ana"}},
		}}},
		configured: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")},
	}
	var got []string
	for _, p := range s.NeverBlock() {
		got = append(got, p.Source+" "+p.Prefix.String())
	}
	want := []string{"configured 192.0.2.1/32", "added 203.0.113.0/24", "sensor:edge-1 10.0.0.1/32"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// What the API shows of a sensor is what it reported, and whether the kill switch covers it.
func TestSensorsInTheAPI(t *testing.T) {
	sensors := new(bus.Sensors)
	now := time.Now()
	sensors.Put(&bus.Report{Seen: now, Health: wire.Health{
		Sensor: "edge-1", Group: "edge", Policy: "enforce", State: "the rings are full", Time: now.Add(3 * time.Second), Bundle: "abc", BundleError: "line 3: no such keyword",
		Rules: 12, Refusals: make([]wire.Refusal, maxRefusals+5), Maps: map[string]wire.MapFill{"flows": {Used: 1, Max: 2}},
		Uplink: wire.UplinkStats{SpoolEvents: 4, Sent: 9},
	}})
	got := sensorOf(sensors.All()[0], now, 1, 1, wire.KillSwitch{Scopes: []string{"edge"}})
	if got.State != "blind" || got.Reason != "the rings are full" || got.Policy != "enforce" || got.Group != "edge" || !got.Killed || got.BundleError != "line 3: no such keyword" ||
		len(got.Refused) != maxRefusals || got.Maps["flows"] != (api.MapFill{Used: 1, Max: 2}) || got.Spool.Events != 4 || got.ClockSkew != 3 || got.Rules != 12 {
		t.Errorf("%+v", got)
	}
}
