// Package store keeps the collector's alerts and its audit log in SQLite, one file a day.
//
// Alerts are written by one goroutine in batches and read through a pool, so that readers never wait for the writer. A row is
// narrow: signatures and names are numbers that point into small tables, addresses are 16 bytes, and the EVE record is
// compressed in a table of its own. What dashboards ask for is counted as alerts arrive (a minute, an hour at a time); no
// timeline or ranking reads alert rows. Retention unlinks whole files.
//
//	alerts-2026-11-24.db   one UTC day of alerts, by the alert's own time
//	audit.db               who changed what: append-only, each entry hashed over the one before
package store
