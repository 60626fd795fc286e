package store

import (
	"encoding/json"
	"time"
)

// Entry is one change that somebody made, as the audit log keeps it.
type Entry struct {
	Seq    uint64          `json:"seq"`
	Time   time.Time       `json:"time"`
	Actor  string          `json:"actor"`
	Action string          `json:"action"` // noun.verb: verdict.add, verdict.remove, rules.replace
	Object string          `json:"object"` // id of what was changed
	Remote string          `json:"remote"` // address the request came from; empty for the collector's own acts
	Detail json.RawMessage `json:"detail"` // what it was and became, why
	Hash   string          `json:"hash"`   // SHA-256 over the previous hash and this entry, hex
}

// AuditFilter chooses audit entries, newest first.
type AuditFilter struct {
	Actor, Action, Object string
	Before                uint64 // only entries with a smaller Seq; 0 is no bound
	Limit                 int    // 100 if 0
}
