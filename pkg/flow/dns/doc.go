// Package dns reads DNS over UDP and TCP (RFC 1035 and its successors).
package dns
