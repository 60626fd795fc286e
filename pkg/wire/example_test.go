package wire_test

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/weir-ips/weir/pkg/wire"
)

func ExampleBatch() {
	b := wire.Batch{Sensor: "edge-1", Boot: "6c62272e07bb0142", N: 7, Events: []wire.Event{{
		Time: time.Unix(1_700_000_000, 0), SID: 2024897, Severity: 1, Proto: 6, Handshake: true,
		Src: netip.MustParseAddrPort("203.0.113.7:4444"), Dst: netip.MustParseAddrPort("10.0.0.1:80"),
		EVE: []byte(`{"event_type":"alert"}`),
	}}}
	msg, err := b.Encode(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	got, err := wire.DecodeBatch(msg)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(got.MessageID(), "on", wire.AlertsSubject(got.Sensor))
	fmt.Println(got.Events[0].ID, got.Events[0].Src)
	// Output:
	// edge-1:6c62272e07bb0142:7 on alerts.edge-1
	// edge-1:6c62272e07bb0142:7:0 203.0.113.7:4444
}
