package incident

import (
	"time"
)

// Kinds of incidents.
const (
	Flood       = "flood"       // floods and their like on one target, by attack
	Intrusion   = "intrusion"   // one attacker's doings
	Distributed = "distributed" // many sources do the same to one target
	Widespread  = "widespread"  // very many sources do the same to many targets
	Automation  = "automation"  // alerts called for more verdicts than the limits allow
)

// Kinds lists the kinds.
func Kinds() []string { return []string{Flood, Intrusion, Distributed, Widespread, Automation} }

// StormSID is the signature of the collector's alert that automation is held.
const StormSID = 1000190

// States of incidents.
const (
	StateOpen         = "open"
	StateAcknowledged = "acknowledged"
	StateResolved     = "resolved"
)

// States lists the states.
func States() []string { return []string{StateOpen, StateAcknowledged, StateResolved} }

// Resolutions say what a resolved incident was.
const (
	TruePositive  = "true-positive"
	FalsePositive = "false-positive"
	Benign        = "benign"
	Quiet         = "quiet" // nobody took it up and it ended by itself
)

// Resolutions lists those that people choose among.
func Resolutions() []string { return []string{TruePositive, FalsePositive, Benign} }

// Severities of incidents, the worst first.
const (
	Critical = "critical"
	High     = "high"
	Medium   = "medium"
	Low      = "low"
)

// Severities lists them, the worst first.
func Severities() []string { return []string{Critical, High, Medium, Low} }

// Incident is what an attack did, in sum. Lists are bounded: More counts alerts of what is left out of them.
type Incident struct {
	ID         string    `json:"id"`
	Kind       string    `json:"kind"`
	Title      string    `json:"title"`
	State      string    `json:"state"`
	Resolution string    `json:"resolution,omitempty"`
	Severity   string    `json:"severity"`
	Assignee   string    `json:"assignee,omitempty"`
	Active     bool      `json:"active"`  // alerts still join it
	Ongoing    bool      `json:"ongoing"` // the attack goes on: of a flood, one of its vectors has not ended
	First      time.Time `json:"first"`   // of the attack
	Last       time.Time `json:"last"`
	Updated    time.Time `json:"updated"` // by an alert or by a person, by the collector's clock
	Alerts     uint64    `json:"alerts"`

	Stages     []Stage     `json:"stages"` // of the kill chain, in its order
	Sources    Parties     `json:"sources"`
	Targets    Parties     `json:"targets"`
	Signatures []Signature `json:"signatures"`
	Sensors    []Party     `json:"sensors"`
	Vectors    []Vector    `json:"vectors"`
}

// Stage is a tactic that alerts belong to.
type Stage struct {
	Tactic string    `json:"tactic"` // MITRE ATT&CK id, such as TA0001
	Name   string    `json:"name"`
	First  time.Time `json:"first"`
	Last   time.Time `json:"last"`
	Alerts uint64    `json:"alerts"`
}

// Parties are addresses. Distinct is exact up to the length of List; beyond it, at least so many.
type Parties struct {
	List     []Party `json:"list"`
	Distinct uint64  `json:"distinct"`
	More     uint64  `json:"more"` // alerts of others
}

// Party is an address, or a sensor.
type Party struct {
	Name   string    `json:"name"`
	First  time.Time `json:"first"`
	Last   time.Time `json:"last"`
	Alerts uint64    `json:"alerts"`
}

// Signature is one that fired.
type Signature struct {
	SID       uint32    `json:"sid"`
	Signature string    `json:"signature"`
	Severity  uint8     `json:"severity"`
	Tactic    string    `json:"tactic,omitempty"`
	First     time.Time `json:"first"`
	Last      time.Time `json:"last"`
	Alerts    uint64    `json:"alerts"`
}

// Vector is one detection of how often something happened, on one sensor.
type Vector struct {
	Attack      string    `json:"attack"` // the sensor's id of it
	Vector      string    `json:"vector"` // syn-flood
	Sensor      string    `json:"sensor"`
	Phase       string    `json:"phase"` // start, update, end
	Explanation string    `json:"explanation"`
	Unit        string    `json:"unit"`
	Peak        uint64    `json:"peak"`
	Threshold   uint64    `json:"threshold"`
	Counted     uint64    `json:"counted"`
	Bytes       uint64    `json:"bytes"`
	Sources     uint64    `json:"sources"` // estimate of different ones
	Since       time.Time `json:"since"`
	Last        time.Time `json:"last"`
	Measures    []string  `json:"measures"`   // what the sensor does about it
	Dropped     uint64    `json:"dropped"`    // packets, by these measures
	WouldDrop   uint64    `json:"would_drop"` // packets, while the sensor observes
}

// Entry is a line of an incident's story.
type Entry struct {
	Time  time.Time `json:"time"`
	Kind  string    `json:"kind"`            // began, stage, target, sensor, vector, severity, merged, comment, state, assignee, came-back, over
	Text  string    `json:"text"`            // for people
	Actor string    `json:"actor,omitempty"` // who, of what people did
}

// Detail is an incident with its story.
type Detail struct {
	Incident
	Timeline []Entry  `json:"timeline"` // oldest first
	Members  []string `json:"members"`  // ids of alerts: the first of each signature, then the latest
}

// Filter chooses incidents; zero fields choose all.
type Filter struct {
	States     []string
	Severities []string
	Kind       string
	Assignee   string // "-": nobody
	Address    string // among sources or targets
	Sensor     string
	SID        uint32
	Since      time.Time // whose last alert is not before it
	Until      time.Time // whose first alert is before it
	Text       string    // in the title
	Active     bool      // only those that alerts still join
}

// Page is one page, the latest changed first.
type Page struct {
	Incidents []Incident `json:"incidents"`
	Next      string     `json:"next,omitempty"`
}

// Change is what a person decides. Zero fields leave things as they are.
type Change struct {
	State      string
	Resolution string
	Severity   string
	Assignee   *string // "" is nobody
	Comment    string
	Actor      string
}

// Bounds of one incident. What goes beyond them is counted, not named.
const (
	maxParties    = 64
	maxSignatures = 64
	maxSensors    = 64
	maxVectors    = 64
	maxTimeline   = 300
	maxMembers    = 500
	maxKeys       = 128
	maxMeasures   = 16
)
