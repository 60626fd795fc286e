// Package quic reads QUIC's Initial packets (RFC 9000, RFC 9001, RFC 9369), whose keys everybody knows, for the
// hello in them.
package quic
