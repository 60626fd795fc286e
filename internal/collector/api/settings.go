package api

import (
	"net/http"
	"time"
)

// Settings is how the collector is configured, as far as it is anybody's to see.
type Settings struct {
	Version           string    `json:"version"`
	StartedAt         time.Time `json:"started_at"`
	Data              string    `json:"data"`
	Console           string    `json:"console"` // address it listens on
	ConsoleTLS        bool      `json:"console_tls"`
	Bus               string    `json:"bus"`
	BusTLS            bool      `json:"bus_tls"`
	CA                string    `json:"ca,omitempty"`       // SHA-256 of the CA that certifies sensors, hex
	Provider          string    `json:"provider,omitempty"` // issuer of the OpenID provider
	AlertsKeepSeconds int64     `json:"alerts_keep_seconds"`
	AlertsMaxBytes    int64     `json:"alerts_max_bytes"` // 0: no bound
	SessionIdle       int64     `json:"session_idle_seconds"`
	SessionLifetime   int64     `json:"session_lifetime_seconds"`
	IncidentQuiet     int64     `json:"incident_quiet_seconds"`      // an attack is over after so long without an alert
	IncidentClose     int64     `json:"incident_auto_close_seconds"` // an incident nobody took up resolves itself after so long
	Sensors           int       `json:"sensors"`
	Alerts            uint64    `json:"alerts"` // stored since the collector started
	Epoch             uint64    `json:"epoch"`
	Seq               uint64    `json:"seq"` // verdict log
	Exports           []Export  `json:"exports"`
}

// Export is a destination that events are handed to, and how it fares. Counts are events since the collector started.
type Export struct {
	Name    string `json:"name"`
	Type    string `json:"type"`
	State   string `json:"state"` // ok, failing (the destination takes nothing)
	Sent    uint64 `json:"sent"`
	Dropped uint64 `json:"dropped"` // the queue was full
	Refused uint64 `json:"refused"` // by the destination, or not taken in time
	Waiting int    `json:"waiting"`
	Dead    int    `json:"dead"`

	Target   string   `json:"target"` // where to, without what may be secret
	Events   []string `json:"events"`
	Severity uint8    `json:"severity"`           // only what is at most this; 0: all
	AddedBy  string   `json:"added_by,omitempty"` // empty: configured in collector.yaml
}

func (s *Server) getSettings(w http.ResponseWriter, r *http.Request) error {
	if err := query(r).err(); err != nil {
		return err
	}
	all := s.opt.Settings()
	all.Exports = orEmpty(all.Exports)
	for i := range all.Exports {
		all.Exports[i].Events = orEmpty(all.Exports[i].Events)
	}
	return writeJSON(w, http.StatusOK, all)
}
