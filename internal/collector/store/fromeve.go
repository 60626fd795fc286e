package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// eveTime is EVE's timestamp layout.
const eveTime = "2006-01-02T15:04:05.999999999-0700"

// eveAlert is what a list shows of an EVE alert record.
type eveAlert struct {
	Timestamp string     `json:"timestamp"`
	FlowID    uint64     `json:"flow_id"`
	SrcIP     netip.Addr `json:"src_ip"`
	SrcPort   uint16     `json:"src_port"`
	DestIP    netip.Addr `json:"dest_ip"`
	DestPort  uint16     `json:"dest_port"`
	Proto     string     `json:"proto"`
	AppProto  string     `json:"app_proto"`
	Alert     *struct {
		Action    string `json:"action"`
		GID       uint32 `json:"gid"`
		SID       uint32 `json:"signature_id"`
		Rev       uint32 `json:"rev"`
		Signature string `json:"signature"`
		Category  string `json:"category"`
		Severity  uint8  `json:"severity"`
	} `json:"alert"`
}

var errNoAlert = errors.New(`no object "alert"`)

// FromEVE makes an Alert of an EVE alert record, which it keeps. id and sensor are the batch's word, not the record's.
func FromEVE(id, sensor string, eve []byte) (Alert, error) {
	var e eveAlert
	if err := json.Unmarshal(eve, &e); err != nil {
		return Alert{}, fmt.Errorf("EVE record %s: %w", id, err)
	}
	if e.Alert == nil {
		return Alert{}, fmt.Errorf("EVE record %s: %w", id, errNoAlert)
	}
	t, err := time.Parse(eveTime, e.Timestamp)
	if err != nil {
		return Alert{}, fmt.Errorf("EVE record %s: timestamp: %w", id, err)
	}
	return Alert{
		ID: id, Time: t.UTC(), Sensor: sensor,
		SID: e.Alert.SID, GID: e.Alert.GID, Rev: e.Alert.Rev,
		Signature: e.Alert.Signature, Category: e.Alert.Category, Severity: e.Alert.Severity, Action: e.Alert.Action,
		SrcIP: e.SrcIP, SrcPort: e.SrcPort, DestIP: e.DestIP, DestPort: e.DestPort,
		Proto: e.Proto, AppProto: e.AppProto, FlowID: e.FlowID, EVE: eve,
	}, nil
}
