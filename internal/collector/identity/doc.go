// Package identity knows who may do what: local accounts, roles, sessions, API tokens, and people whom an OpenID provider
// vouches for. Everything is in one SQLite file, which the command line may change while the collector runs.
//
// Secrets are kept as hashes alone: passwords by argon2id (RFC 9106), what is random already (sessions, tokens, invitations) by
// SHA-256.
package identity
