// Package wire is what crosses between a sensor and the collector: the subjects, the messages and their encoding.
//
// The transport is NATS. Alerts go up as compressed batches into a stream; verdicts come down as numbered, signed deltas
// that every sensor hears on a plain subscription; a sensor that missed one asks for it. Every decoder here takes hostile
// bytes: it never panics, never allocates more than its documented limit, and names what was wrong.
//
//	subject           who → whom                       message
//	alerts.<sensor>   sensor → stream ALERTS           Batch
//	v.delta.<scope>   collector → stream, every sensor Delta
//	v.snap            collector → stream VERDICTS      SyncPart (compaction of the log)
//	v.sync            sensor → collector (request)     SyncRequest, answered by SyncParts
//	v.beacon          collector → every sensor, 1 s    Beacon
//	h.<sensor>        sensor → collector, 5 s          Health
//	f.<sensor>        sensor → collector, 500 ms       Tally, while there is something to tell
//	v.arm             collector → every sensor, 500 ms Arming, while something is armed
//	v.survey          collector → every sensor         Survey
//	s.<sensor>        sensor → collector               Findings, the answer to a Survey
//	cfg.rules         sensor → collector (request)     RulesRequest, answered by SyncParts
//	cfg.<sensor>.>    collector → sensor               reserved
//	enrol.<token>     new sensor → collector (request) EnrolRequest, answered by EnrolReply
//	renew.<sensor>    sensor → collector (request)     EnrolRequest, answered by EnrolReply
package wire

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Streams the collector keeps on the bus.
const (
	StreamAlerts   = "ALERTS"
	StreamVerdicts = "VERDICTS"
)

// Subjects without a variable part, and wildcards over those with one.
const (
	SubjectAlerts   = "alerts.*"
	SubjectDeltas   = "v.delta.>"
	SubjectSnapshot = "v.snap"
	SubjectSync     = "v.sync"
	SubjectBeacon   = "v.beacon"
	SubjectHealth   = "h.*"
)

// How often the periodic messages are sent.
const (
	BeaconEvery = time.Second
	HealthEvery = 5 * time.Second
)

// MaxMessage bounds every message on the bus, in bytes; it is the embedded server's max_payload.
const MaxMessage = 1 << 20

// ErrMalformed is wrapped by every error about bytes that do not decode.
var ErrMalformed = errors.New("malformed message")

// AlertsSubject is where sensor publishes its alerts.
func AlertsSubject(sensor string) string { return "alerts." + sensor }

// HealthSubject is where sensor reports its health.
func HealthSubject(sensor string) string { return "h." + sensor }

// ConfigSubject is where the collector tells sensor about kind ("rules", "policy", "mode").
func ConfigSubject(sensor, kind string) string { return "cfg." + sensor + "." + kind }

// DeltaSubject is where deltas for scope are published; an empty scope means every sensor.
func DeltaSubject(scope string) string {
	if scope == "" {
		scope = ScopeAll
	}
	return "v.delta." + scope
}

// InboxPrefix is the prefix of sensor's reply subjects: permissions keep it from reading another sensor's replies.
func InboxPrefix(sensor string) string { return "_I." + sensor }

// SubjectSensor is the sensor that an alerts.<sensor> or h.<sensor> subject names.
func SubjectSensor(subject string) (string, error) {
	_, id, ok := strings.Cut(subject, ".")
	if !ok {
		return "", fmt.Errorf("subject %q: %w: no sensor in it", subject, ErrMalformed)
	}
	return id, CheckName(id)
}

// maxName bounds sensor ids, groups and scopes in bytes.
const maxName = 64

// CheckName says whether s can be a sensor id, group or scope: 1 to 64 of a-z A-Z 0-9 - _ so that it is one subject token
// and one file name.
func CheckName(s string) error {
	if s == "" || len(s) > maxName {
		return fmt.Errorf("name of %d bytes is not 1-%d long", len(s), maxName)
	}
	for _, c := range []byte(s) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && c != '-' && c != '_' {
			return fmt.Errorf("name %q has %q: only letters, digits, - and _ are allowed", s, c)
		}
	}
	return nil
}
