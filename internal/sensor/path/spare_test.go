package path

import (
	"net/netip"
	"testing"

	"github.com/weir-ips/weir/pkg/decode"
	"github.com/weir-ips/weir/pkg/decode/packettest"
	"github.com/weir-ips/weir/pkg/signatures/keyword"
)

// TestNeverBlockIsSpared has rules and policy drop and reject packets of which some must be let through: they are recorded as allowed, and
// their flows go on.
func TestNeverBlockIsSpared(t *testing.T) {
	const rules = `drop udp any any -> any any (msg:"drop"; content:"evil"; sid:1;)
reject udp any any -> any any (msg:"reject"; content:"go away"; sid:2;)
alert udp any any -> any any (msg:"policy"; content:"unwanted"; sid:3;)
`
	for payload, want := range map[string]Outcome{
		"evil": {Drop: true}, "go away": {Drop: true, Reject: keyword.Reject}, "unwanted": {Drop: true}, "fine": {},
	} {
		for _, spared := range []bool{false, true} {
			asked := 0
			s := newScene(t, rules, true, func(c *Config) {
				c.Block = func(sig *keyword.Signature) bool { return sig.SID == 3 }
				c.Spare = func(src, dst decode.Addr) bool {
					asked++
					return spared && src == decode.AddrFrom(netip.MustParseAddr(client)) && dst == decode.AddrFrom(netip.MustParseAddr(server))
				}
			})
			send := func(text string) Outcome {
				return s.send(packettest.IP4(client, server).UDP(1000, 53).Payload(text).Ethernet())
			}
			first, second := send(payload), send("fine")
			dropped := want.Drop && !spared
			if first.Drop != dropped || (first.Reject != 0) != (want.Reject != 0 && !spared) || second.Drop != (dropped && payload == "unwanted") { // rules about packets leave the flow
				t.Errorf("%q, spared %v: %+v, then %+v", payload, spared, first, second)
			}
			if payload == "fine" && asked > 0 {
				t.Error("asked about a packet that nobody would drop")
			}
			if dropped != (s.records.count("drop") > 0) {
				t.Errorf("%q, spared %v: %d drop records", payload, spared, s.records.count("drop"))
			}
			for _, r := range s.records.list {
				if r.Type == "alert" && payload != "go away" && (r.Alert.Action == "blocked") != dropped {
					t.Errorf("%q, spared %v: the alert says %s", payload, spared, r.Alert.Action)
				}
			}
		}
	}
}
