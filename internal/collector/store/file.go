package store

import "database/sql"

// OpenFile opens a SQLite file of another part of the collector, with one connection, whose commits are on disk when they
// return. schema lays out a new file and sets user_version to version; upgrades[i] makes version i+2 of i+1. Any other version
// is refused.
func OpenFile(path, schema string, version int, upgrades ...string) (*sql.DB, error) {
	return openWriter(path, schema, version, upgrades...)
}
