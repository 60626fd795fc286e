package store

import (
	"encoding/json"
	"errors"
	"net/netip"
	"time"

	"github.com/weir-ips/weir/pkg/wire"
)

// ErrNotFound says that there is no alert, or no audit entry, of that id.
var ErrNotFound = errors.New("not found")

// Alert is one alert as it is listed. EVE is the whole record as the sensor wrote it; lists leave it out.
type Alert struct {
	ID        string          `json:"id"` // the sensor's, the same however often the alert is delivered
	Seq       uint64          `json:"-"`  // order of arrival, gap-free from 1, given by the store
	Time      time.Time       `json:"time"`
	Sensor    string          `json:"sensor"`
	SID       uint32          `json:"sid"`
	GID       uint32          `json:"gid"`
	Rev       uint32          `json:"rev"`
	Signature string          `json:"signature"`
	Category  string          `json:"category"`
	Severity  uint8           `json:"severity"` // 1 is worst
	Action    string          `json:"action"`   // EVE's alert.action: allowed, blocked
	SrcIP     netip.Addr      `json:"src_ip"`
	SrcPort   uint16          `json:"src_port"`
	DestIP    netip.Addr      `json:"dest_ip"`
	DestPort  uint16          `json:"dest_port"`
	Proto     string          `json:"proto"`
	AppProto  string          `json:"app_proto"`
	FlowID    uint64          `json:"flow_id"`
	State     string          `json:"state"` // open, archived, escalated
	Assignee  string          `json:"assignee,omitempty"`
	EVE       json.RawMessage `json:"eve,omitempty"`
	Stages    *wire.Stages    `json:"stages,omitempty"`   // when it was where on its way here; lists leave it out
	Comments  []Comment       `json:"comments,omitempty"` // oldest first; lists leave them out
}

// Filter chooses alerts; the zero Filter chooses all. Fields are joined by and.
type Filter struct {
	Since, Until time.Time    // Since ≤ time < Until; zero is open
	SID          uint32       // 0 is any
	Src, Dst     netip.Prefix // an address is a /32 or /128
	Sensor       string
	Severity     uint8 // exactly; 0 is any
	Action       string
	App          string
	Terms        []Term // all of them: see ParseQuery
	Hide         bool   // leave out archived and suppressed alerts. Timeline and Top count them all the same
	Query        string // words that all must occur: in the signature, category, an address, or as a sensor's or protocol's name

	suppressed [][]Term // with Hide: what the store's suppressions say
}

// Page is one page of a search, newest first. Next continues it and is empty at the end.
type Page struct {
	Alerts []Alert `json:"alerts"`
	Next   string  `json:"next,omitempty"`
}

// Bucket is one step of a timeline.
type Bucket struct {
	Time     time.Time        `json:"time"` // start of the step
	Total    uint64           `json:"total"`
	Blocked  uint64           `json:"blocked"`
	Severity map[uint8]uint64 `json:"severity"`
}

// Count is one row of a ranking.
type Count struct {
	Key   string `json:"key"`   // sid, address, or name
	Label string `json:"label"` // the signature's text for a sid, else the key
	Count uint64 `json:"count"`
}

// Group is what one source did against one signature.
type Group struct {
	SID       uint32     `json:"sid"`
	Signature string     `json:"signature"`
	Category  string     `json:"category"`
	Severity  uint8      `json:"severity"`
	SrcIP     netip.Addr `json:"src_ip"`
	Count     uint64     `json:"count"`
	First     time.Time  `json:"first"`
	Last      time.Time  `json:"last"`
}

// Dimension is what Top ranks by.
type Dimension string

// The rankings that are counted as alerts arrive.
const (
	BySignature Dimension = "sid"
	ByCategory  Dimension = "category"
	BySource    Dimension = "src"
	ByTarget    Dimension = "dst"
	BySensor    Dimension = "sensor"
	ByApp       Dimension = "app"
)

// Arrivals is what came after a point in the order of arrival: of Matched alerts the most severe, newest first.
type Arrivals struct {
	Alerts  []Alert
	Matched uint64 // alerts after the point that match
	Last    uint64 // Seq of the newest alert in the store, matching or not
}
