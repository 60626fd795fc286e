// Package smtp reads SMTP sessions (RFC 5321): commands, replies, and mails.
package smtp
