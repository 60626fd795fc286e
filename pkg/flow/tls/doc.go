// Package tls reads the clear part of SSLv2 to TLS 1.3: hellos, certificates, alerts; and computes JA3, JA3S and JA4.
package tls
