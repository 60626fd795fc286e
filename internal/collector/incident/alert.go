package incident

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"github.com/weir-ips/weir/pkg/wire"
)

// alert is what is needed of one.
type alert struct {
	*wire.Event
	src, dst netip.Addr // invalid where there are many
	kind     *kind
	found    *detection // nil: a rule's
}

// kind is what all alerts of a signature have in common.
type kind struct {
	signature string
	tactic    string
	weight    int // of the severity: 0 low … 3 critical
}

// detection is alert.context.weir.detection.
type detection struct {
	ID          string `json:"id"` // the same in all records of one attack
	Vector      string `json:"vector"`
	Phase       string `json:"phase"`
	Explanation string `json:"explanation"`
	Unit        string `json:"unit"`
	Value       uint64 `json:"value"`
	Threshold   uint64 `json:"threshold"`
	Peak        uint64 `json:"peak"`
	Since       string `json:"since"`
	Counted     uint64 `json:"counted"`
	Bytes       uint64 `json:"bytes"`
	Sources     uint64 `json:"sources"`
	Measures    []struct {
		What    string `json:"what"`
		Dropped uint64 `json:"dropped"`
		Would   uint64 `json:"would_drop"`
	} `json:"measures"`
}

const eveTime = "2006-01-02T15:04:05.999999999-0700"

func (d *detection) since() time.Time {
	t, _ := time.Parse(eveTime, d.Since)
	return t.UTC()
}

// record is what is read of an EVE record.
type record struct {
	Alert struct {
		Signature string              `json:"signature"`
		Metadata  map[string][]string `json:"metadata"`
		Context   struct {
			Weir struct {
				Detection *detection `json:"detection"`
			} `json:"weir"`
		} `json:"context"`
	} `json:"alert"`
}

// Signature ids of our own detections; only their records are read each time.
const (
	firstDetection = 1000100
	lastDetection  = 1000199
)

// read makes an alert of an event. What a signature's alerts have in common is read once.
func (t *Tracker) read(e *wire.Event) alert {
	a := alert{Event: e, src: specified(e.Src.Addr()), dst: specified(e.Dst.Addr())}
	own := e.SID >= firstDetection && e.SID <= lastDetection
	key := kindKey{e.SID, e.Severity, e.Category}
	if k, ok := t.kinds.Get(key); ok && !own {
		a.kind = k
		return a
	}
	var r record
	if err := json.Unmarshal(e.EVE, &r); err != nil {
		t.stats.unreadable++
	}
	if own {
		a.found = r.Alert.Context.Weir.Detection
	}
	a.kind = kindOf(e, &r, a.found)
	t.kinds.Add(key, a.kind)
	return a
}

type kindKey struct {
	sid      uint32
	severity uint8
	category string
}

func kindOf(e *wire.Event, r *record, found *detection) *kind {
	k := &kind{signature: cut(r.Alert.Signature, maxText), tactic: tacticOf(r.Alert.Metadata, e.Category), weight: weightOf(e.Severity, r.Alert.Metadata["signature_severity"])}
	if k.signature == "" {
		k.signature = fmt.Sprintf("signature %d", e.SID)
	}
	if found != nil {
		k.tactic = tacticOfVector(found.Vector)
	}
	return k
}

const maxText = 300

func cut(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}

// weightOf prefers what the rule's author says of it to the priority of its class.
func weightOf(severity uint8, said []string) int {
	for _, s := range said {
		switch s {
		case "Critical", "critical":
			return 3
		case "Major", "major":
			return 2
		case "Minor", "minor":
			return 1
		case "Informational", "informational":
			return 0
		}
	}
	switch severity {
	case 1:
		return 2
	case 2:
		return 1
	}
	return 0
}

// breaksIn reports whether the target may do the attacker's will from now on.
func (a *alert) breaksIn() bool {
	return a.Handshake && a.kind.weight >= 1 && rank(a.kind.tactic) >= rank("TA0001")
}

func specified(a netip.Addr) netip.Addr {
	if a = a.Unmap(); !a.IsValid() || a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}
