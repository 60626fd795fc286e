package store

import "database/sql"

// AuditDB lets tests tamper with an audit log.
func AuditDB(a *Audit) *sql.DB { return a.db }
