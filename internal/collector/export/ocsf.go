package export

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/weir-ips/weir/internal/collector/store"
)

// ocsfVersion is the release of the Open Cybersecurity Schema Framework whose classes these are.
const ocsfVersion = "1.3.0"

// Classes, their categories, and the names that configuration knows two of them by.
const (
	ocsfFindings         = 2
	ocsfDetectionFinding = 2004
	ocsfIncidentFinding  = 2005
	ocsfNetwork          = 4
	ocsfNetworkActivity  = 4001

	classDetection = "detection"
	classNetwork   = "network"
)

// ocsfBase is what every class has. The tags serve JSON and Parquet alike.
type ocsfBase struct {
	ActivityID   int32        `json:"activity_id" parquet:"activity_id"`
	ActivityName string       `json:"activity_name" parquet:"activity_name"`
	CategoryUID  int32        `json:"category_uid" parquet:"category_uid"`
	CategoryName string       `json:"category_name" parquet:"category_name"`
	ClassUID     int32        `json:"class_uid" parquet:"class_uid"`
	ClassName    string       `json:"class_name" parquet:"class_name"`
	TypeUID      int64        `json:"type_uid" parquet:"type_uid"`
	Time         int64        `json:"time" parquet:"time"` // Unix, milliseconds
	SeverityID   int32        `json:"severity_id" parquet:"severity_id"`
	Severity     string       `json:"severity" parquet:"severity"`
	Message      string       `json:"message,omitempty" parquet:"message,optional"`
	Metadata     ocsfMetadata `json:"metadata" parquet:"metadata"`
}

type ocsfMetadata struct {
	Version  string      `json:"version" parquet:"version"`
	Product  ocsfProduct `json:"product" parquet:"product"`
	Profiles []string    `json:"profiles,omitempty" parquet:"profiles,list,optional"`
	UID      string      `json:"uid" parquet:"uid"`
}

type ocsfProduct struct {
	Name    string `json:"name" parquet:"name"`
	Vendor  string `json:"vendor_name" parquet:"vendor_name"`
	Version string `json:"version" parquet:"version"`
}

// ocsfControl is the profile security_control: what was done about it.
type ocsfControl struct {
	ActionID      int32        `json:"action_id" parquet:"action_id"`
	Action        string       `json:"action" parquet:"action"`
	DispositionID int32        `json:"disposition_id" parquet:"disposition_id"`
	Disposition   string       `json:"disposition" parquet:"disposition"`
	Attacks       []ocsfAttack `json:"attacks,omitempty" parquet:"attacks,list,optional"`
}

type ocsfAttack struct {
	Tactic    *ocsfEntity `json:"tactic,omitempty" parquet:"tactic,optional"`
	Technique *ocsfEntity `json:"technique,omitempty" parquet:"technique,optional"`
	Version   string      `json:"version" parquet:"version"`
}

type ocsfEntity struct {
	UID  string `json:"uid" parquet:"uid"`
	Name string `json:"name,omitempty" parquet:"name,optional"`
}

// ocsfDetection is a Detection Finding: an alert.
type ocsfDetection struct {
	ocsfBase
	ocsfControl
	StatusID    int32           `json:"status_id" parquet:"status_id"`
	Status      string          `json:"status" parquet:"status"`
	FindingInfo ocsfFindingInfo `json:"finding_info" parquet:"finding_info"`
	Evidences   []ocsfEvidence  `json:"evidences" parquet:"evidences,list"`
	RawData     string          `json:"raw_data,omitempty" parquet:"raw_data,optional"`
}

type ocsfFindingInfo struct {
	UID         string        `json:"uid" parquet:"uid"`
	Title       string        `json:"title" parquet:"title"`
	Types       []string      `json:"types,omitempty" parquet:"types,list,optional"`
	CreatedTime int64         `json:"created_time" parquet:"created_time"`
	FirstSeen   int64         `json:"first_seen_time,omitempty" parquet:"first_seen_time,optional"`
	LastSeen    int64         `json:"last_seen_time,omitempty" parquet:"last_seen_time,optional"`
	Analytic    *ocsfAnalytic `json:"analytic,omitempty" parquet:"analytic,optional"`
	Attacks     []ocsfAttack  `json:"attacks,omitempty" parquet:"attacks,list,optional"`
}

type ocsfAnalytic struct {
	UID     string `json:"uid" parquet:"uid"`
	Name    string `json:"name" parquet:"name"`
	TypeID  int32  `json:"type_id" parquet:"type_id"` // 1: rule
	Type    string `json:"type" parquet:"type"`
	Version string `json:"version" parquet:"version"`
}

type ocsfEvidence struct {
	Connection ocsfConnection `json:"connection_info" parquet:"connection_info"`
	Src        ocsfEndpoint   `json:"src_endpoint" parquet:"src_endpoint"`
	Dst        ocsfEndpoint   `json:"dst_endpoint" parquet:"dst_endpoint"`
}

type ocsfConnection struct {
	UID          string `json:"uid,omitempty" parquet:"uid,optional"`
	DirectionID  int32  `json:"direction_id" parquet:"direction_id"` // 0: unknown
	ProtocolName string `json:"protocol_name,omitempty" parquet:"protocol_name,optional"`
	ProtocolNum  int32  `json:"protocol_num" parquet:"protocol_num"`
	ProtocolVer  int32  `json:"protocol_ver_id" parquet:"protocol_ver_id"`
}

type ocsfEndpoint struct {
	IP   string `json:"ip" parquet:"ip"`
	Port int32  `json:"port,omitempty" parquet:"port,optional"`
}

// ocsfNetworkEvent is a Network Activity: the flow that an alert was raised in, as it was then.
type ocsfNetworkEvent struct {
	ocsfBase
	ocsfControl
	Connection ocsfConnection `json:"connection_info" parquet:"connection_info"`
	Src        ocsfEndpoint   `json:"src_endpoint" parquet:"src_endpoint"`
	Dst        ocsfEndpoint   `json:"dst_endpoint" parquet:"dst_endpoint"`
	Traffic    ocsfTraffic    `json:"traffic" parquet:"traffic"`
	AppName    string         `json:"app_name,omitempty" parquet:"app_name,optional"`
	StartTime  int64          `json:"start_time,omitempty" parquet:"start_time,optional"`
}

type ocsfTraffic struct {
	PacketsOut int64 `json:"packets_out" parquet:"packets_out"` // from source to destination
	PacketsIn  int64 `json:"packets_in" parquet:"packets_in"`
	BytesOut   int64 `json:"bytes_out" parquet:"bytes_out"`
	BytesIn    int64 `json:"bytes_in" parquet:"bytes_in"`
	Packets    int64 `json:"packets" parquet:"packets"`
	Bytes      int64 `json:"bytes" parquet:"bytes"`
}

// ocsfIncident is an Incident Finding.
type ocsfIncident struct {
	ocsfBase
	StatusID int32             `json:"status_id" parquet:"status_id"`
	Status   string            `json:"status" parquet:"status"`
	Findings []ocsfFindingInfo `json:"finding_info_list" parquet:"finding_info_list,list"`
	Attacks  []ocsfAttack      `json:"attacks,omitempty" parquet:"attacks,list,optional"`
	Count    int64             `json:"count" parquet:"count"`
	Start    int64             `json:"start_time" parquet:"start_time"`
	End      int64             `json:"end_time" parquet:"end_time"`
}

// ocsf returns an event's records: a finding, and for an alert whose flow is in its record the flow's activity.
func (c encoder) ocsf(e *Event) []any {
	switch e.Kind {
	case KindAlert:
		x := parseExtra(e.Alert)
		records := []any{c.detection(e, &x)}
		if x.Flow != nil {
			records = append(records, c.networkActivity(e, &x))
		}
		return records
	case KindIncident:
		return []any{c.incident(e)}
	}
	return nil
}

// base fills in what classes have in common; activity is one of the class's.
func (c encoder) base(e *Event, class, activity int32, className, activityName string) ocsfBase {
	category, categoryName := int32(ocsfFindings), "Findings"
	if class == ocsfNetworkActivity {
		category, categoryName = ocsfNetwork, "Network Activity"
	}
	id, name := ocsfSeverity(e.Severity())
	b := ocsfBase{
		ActivityID: activity, ActivityName: activityName, CategoryUID: category, CategoryName: categoryName,
		ClassUID: class, ClassName: className, TypeUID: int64(class)*100 + int64(activity), Time: e.Time().UnixMilli(),
		SeverityID: id, Severity: name, Message: e.Title(),
		Metadata: ocsfMetadata{Version: ocsfVersion, Product: ocsfProduct{"Weir", "Weir", c.version}, UID: e.ID()},
	}
	if e.Kind == KindAlert {
		b.Metadata.Profiles = []string{"security_control"}
	}
	return b
}

func ocsfSeverity(s uint8) (int32, string) {
	switch s {
	case 1:
		return 4, "High"
	case 2:
		return 3, "Medium"
	case 3:
		return 2, "Low"
	}
	return 1, "Informational"
}

func (c encoder) detection(e *Event, x *extra) *ocsfDetection {
	a := e.Alert
	d := &ocsfDetection{
		ocsfBase: c.base(e, ocsfDetectionFinding, 1, "Detection Finding", "Create"), ocsfControl: control(a, x),
		StatusID: 1, Status: "New", RawData: string(a.EVE),
		FindingInfo: ocsfFindingInfo{
			UID: a.ID, Title: a.Signature, CreatedTime: a.Time.UnixMilli(), Attacks: x.attacks(),
			Analytic: &ocsfAnalytic{UID: fmt.Sprintf("%d:%d", a.GID, a.SID), Name: a.Signature, TypeID: 1, Type: "Rule", Version: fmt.Sprint(a.Rev)},
		},
		Evidences: []ocsfEvidence{{connection(a, x), endpoint(a, true), endpoint(a, false)}},
	}
	if a.Category != "" {
		d.FindingInfo.Types = []string{a.Category}
	}
	return d
}

func (c encoder) networkActivity(e *Event, x *extra) *ocsfNetworkEvent {
	a := e.Alert
	activity, name := int32(6), "Traffic"
	if a.Action == "blocked" {
		activity, name = 5, "Refuse"
	}
	f := x.Flow
	n := &ocsfNetworkEvent{
		ocsfBase: c.base(e, ocsfNetworkActivity, activity, "Network Activity", name), ocsfControl: control(a, x),
		Connection: connection(a, x), Src: endpoint(a, true), Dst: endpoint(a, false), AppName: a.AppProto,
		Traffic: ocsfTraffic{
			PacketsOut: f.PacketsOut, PacketsIn: f.PacketsIn, BytesOut: f.BytesOut, BytesIn: f.BytesIn,
			Packets: f.PacketsOut + f.PacketsIn, Bytes: f.BytesOut + f.BytesIn,
		},
	}
	if f.SrcIP != "" && f.SrcIP != a.SrcIP.String() { // the alert is about a packet against the flow's direction
		n.Src, n.Dst = n.Dst, n.Src
	}
	if t, err := time.Parse(eveTime, f.Start); err == nil {
		n.StartTime = t.UnixMilli()
	}
	return n
}

func (c encoder) incident(e *Event) *ocsfIncident {
	i := e.Incident
	activity, name, status, statusName := int32(1), "Create", int32(1), "New"
	if i.Closed() {
		activity, name, status, statusName = 3, "Close", 5, "Closed"
	}
	r := &ocsfIncident{
		ocsfBase: c.base(e, ocsfIncidentFinding, activity, "Incident Finding", name), StatusID: status, Status: statusName,
		Count: int64(i.Alerts), Start: i.First.UnixMilli(), End: i.Last.UnixMilli(),
		Findings: []ocsfFindingInfo{{UID: i.ID, Title: i.Title, CreatedTime: i.First.UnixMilli(), FirstSeen: i.First.UnixMilli(), LastSeen: i.Last.UnixMilli()}},
	}
	for _, t := range i.Tactics {
		r.Attacks = append(r.Attacks, ocsfAttack{Tactic: &ocsfEntity{UID: t}, Version: attackVersion})
	}
	return r
}

// control says whether the packet was stopped.
func control(a *store.Alert, x *extra) ocsfControl {
	if a.Action == "blocked" {
		return ocsfControl{ActionID: 2, Action: "Denied", DispositionID: 2, Disposition: "Blocked", Attacks: x.attacks()}
	}
	return ocsfControl{ActionID: 1, Action: "Allowed", DispositionID: 19, Disposition: "Alert", Attacks: x.attacks()}
}

func connection(a *store.Alert, x *extra) ocsfConnection {
	c := ocsfConnection{UID: x.CommunityID, ProtocolName: strings.ToLower(a.Proto), ProtocolNum: protocolNumber(a.Proto), ProtocolVer: 4}
	if a.SrcIP.Is6() {
		c.ProtocolVer = 6
	}
	return c
}

// protocolNumber is IANA's of the names that EVE uses; -1 is OCSF's for one that is not known.
func protocolNumber(name string) int32 {
	switch name {
	case "ICMP":
		return 1
	case "TCP":
		return 6
	case "UDP":
		return 17
	case "GRE":
		return 47
	case "ESP":
		return 50
	case "IPv6-ICMP":
		return 58
	case "SCTP":
		return 132
	}
	return -1
}

func endpoint(a *store.Alert, source bool) ocsfEndpoint {
	if source {
		return ocsfEndpoint{a.SrcIP.String(), int32(a.SrcPort)}
	}
	return ocsfEndpoint{a.DestIP.String(), int32(a.DestPort)}
}

// extra is what OCSF wants of an EVE record beyond what the store keeps apart.
type extra struct {
	CommunityID string `json:"community_id"`
	Flow        *struct {
		PacketsOut int64  `json:"pkts_toserver"`
		PacketsIn  int64  `json:"pkts_toclient"`
		BytesOut   int64  `json:"bytes_toserver"`
		BytesIn    int64  `json:"bytes_toclient"`
		Start      string `json:"start"`
		SrcIP      string `json:"src_ip"`
	} `json:"flow"`
	Alert struct {
		Metadata map[string][]string `json:"metadata"`
	} `json:"alert"`
}

// parseExtra takes nothing from a record that it cannot read.
func parseExtra(a *store.Alert) (x extra) {
	if json.Unmarshal(a.EVE, &x) != nil {
		return extra{}
	}
	return x
}

// attackVersion is MITRE ATT&CK's that ET Open's metadata follow.
const attackVersion = "12.1"

// attacks is what the rule's metadata say of MITRE ATT&CK: tactics and techniques by place, at most 8.
func (x *extra) attacks() []ocsfAttack {
	m := x.Alert.Metadata
	tactics, techniques := entities(m, "mitre_tactic"), entities(m, "mitre_technique")
	var out []ocsfAttack
	for i := range min(max(len(tactics), len(techniques)), 8) {
		a := ocsfAttack{Version: attackVersion}
		if i < len(tactics) {
			a.Tactic = &tactics[i]
		}
		if i < len(techniques) {
			a.Technique = &techniques[i]
		}
		out = append(out, a)
	}
	return out
}

func entities(m map[string][]string, key string) []ocsfEntity {
	var out []ocsfEntity
	for i, id := range m[key+"_id"] {
		e := ocsfEntity{UID: id}
		if names := m[key+"_name"]; i < len(names) {
			e.Name = strings.ReplaceAll(names[i], "_", " ")
		}
		out = append(out, e)
	}
	return out
}
