// Package ssh reads the clear part of SSH: banners, and the key exchange offers of which HASSH is made (RFC 4253).
package ssh
