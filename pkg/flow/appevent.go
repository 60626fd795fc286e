package flow

// AppEvent is one thing that is wrong with a flow's application protocol as a whole.
type AppEvent uint8

// Application-layer events, Suricata's app-layer-event:applayer_….
const (
	AppMismatchBothDirections AppEvent = iota
	AppWrongDirectionFirstData
	AppDetectOnlyOneDirection
	AppProtoDetectionSkipped
	AppNoTLSAfterSTARTTLS
	AppUnexpectedProtocol
	NumAppEvents
)

var appEventNames = [NumAppEvents]string{
	"applayer_mismatch_protocol_both_directions",
	"applayer_wrong_direction_first_data",
	"applayer_detect_protocol_only_one_direction",
	"applayer_proto_detection_skipped",
	"applayer_no_tls_after_starttls",
	"applayer_unexpected_protocol",
}

// String returns the event's name in rules.
func (e AppEvent) String() string {
	if e < NumAppEvents {
		return appEventNames[e]
	}
	return "unknown"
}

// AppEventByName finds an event by its name in rules.
func AppEventByName(name string) (AppEvent, bool) {
	for e, n := range appEventNames {
		if n == name {
			return AppEvent(e), true
		}
	}
	return 0, false
}

// AppEventSet is a set of application-layer events.
type AppEventSet uint8

// Add puts e into the set.
func (s *AppEventSet) Add(e AppEvent) { *s |= 1 << e }

// Has reports whether e is in the set.
func (s AppEventSet) Has(e AppEvent) bool { return s&(1<<e) != 0 }
