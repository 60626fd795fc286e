package export

import (
	"fmt"
	"strconv"
	"strings"
)

// cef is ArcSight's Common Event Format, version 0: a header of fields between bars, and an extension of key=value pairs.
//
//	CEF:0|Weir|Weir|<version>|<signature id>|<name>|<severity 0-10>|src=… dst=… …
func (c encoder) cef(e *Event) []byte {
	var b strings.Builder
	b.WriteString("CEF:0|Weir|Weir")
	for _, field := range []string{c.version, e.cefClass(), e.Title(), strconv.Itoa(cefSeverity(e.Severity()))} {
		b.WriteByte('|')
		b.WriteString(cefHeader.Replace(field))
	}
	b.WriteByte('|')
	for i, p := range e.cefExtension() {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(p[0])
		b.WriteByte('=')
		b.WriteString(cefValue.Replace(p[1]))
	}
	return []byte(b.String())
}

// The header escapes bars and backslashes and knows no line ends, the extension equals signs, backslashes and line ends.
var (
	cefHeader = strings.NewReplacer(`\`, `\\`, `|`, `\|`, "\r", " ", "\n", " ")
	cefValue  = strings.NewReplacer(`\`, `\\`, `=`, `\=`, "\r", `\r`, "\n", `\n`)
)

func (e *Event) cefClass() string {
	switch e.Kind {
	case KindAlert:
		return fmt.Sprintf("%d:%d", e.Alert.GID, e.Alert.SID)
	case KindVerdict:
		return "verdict-" + e.Verdict.Op
	}
	return "incident"
}

// cefSeverity puts Suricata's 1-255, 1 worst, on CEF's 0-10, 10 worst.
func cefSeverity(s uint8) int {
	switch s {
	case 1:
		return 9
	case 2:
		return 6
	case 3:
		return 3
	}
	return 1
}

// cefExtension leaves out what is empty.
func (e *Event) cefExtension() [][2]string {
	pairs := [][2]string{{"rt", strconv.FormatInt(e.Time().UnixMilli(), 10)}, {"dvchost", e.Sensor()}, {"externalId", e.ID()}}
	switch e.Kind {
	case KindAlert:
		pairs = append(pairs, e.alertPairs()...)
	case KindVerdict:
		v := e.Verdict
		pairs = append(pairs, [][2]string{
			{"act", v.Op + " " + v.Action.String()}, {"suser", v.By}, {"reason", v.Reason}, {"cs1Label", "target"}, {"cs1", v.target()},
			{"end", strconv.FormatInt(v.ExpiresAt.UnixMilli(), 10)},
		}...)
	case KindIncident:
		i := e.Incident
		pairs = append(pairs, [][2]string{
			{"cnt", strconv.FormatUint(i.Alerts, 10)}, {"act", i.State}, {"start", strconv.FormatInt(i.First.UnixMilli(), 10)},
			{"end", strconv.FormatInt(i.Last.UnixMilli(), 10)}, {"cs1Label", "sources"}, {"cs1", joinAddrs(i.Sources)},
			{"cs2Label", "targets"}, {"cs2", joinAddrs(i.Targets)},
		}...)
	}
	if a := e.Source(); a.IsValid() && e.Kind != KindAlert {
		pairs = append(pairs, [2]string{"src", a.String()})
	}
	return pairs
}

func (e *Event) alertPairs() [][2]string {
	a := e.Alert
	src, dst := "src", "dst"
	if a.SrcIP.Is6() { // CEF's src and dst are IPv4; c6a2 and c6a3 are the custom IPv6 fields for them
		src, dst = "c6a2", "c6a3"
	}
	pairs := [][2]string{
		{"cat", a.Category}, {"act", a.Action}, {src, a.SrcIP.String()}, {"spt", strconv.Itoa(int(a.SrcPort))},
		{dst, a.DestIP.String()}, {"dpt", strconv.Itoa(int(a.DestPort))}, {"proto", a.Proto},
	}
	if a.SrcIP.Is6() {
		pairs = append(pairs, [2]string{"c6a2Label", "Source IPv6 Address"}, [2]string{"c6a3Label", "Destination IPv6 Address"})
	}
	if a.AppProto != "" {
		pairs = append(pairs, [2]string{"app", a.AppProto})
	}
	return append(pairs, [2]string{"cn1Label", "flow"}, [2]string{"cn1", strconv.FormatUint(a.FlowID, 10)})
}
