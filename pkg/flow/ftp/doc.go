// Package ftp reads FTP's control connection (RFC 959, RFC 2428), and the files of its data connections.
package ftp
