package quic

import (
	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/app/handshake"
)

// Steps of a direction's progress: a hello is there or it is not.
const (
	Started uint8 = iota
	Complete
	MaxProgress = Complete
)

// Tx is one packet's worth of handshake: the client's hello, or the server's answer.
type Tx struct {
	app.TxBase
	Version uint32 // QUIC version; "Q043" and the like are ASCII
	Client  bool   // sent by the client
	SNI     []byte
	UA      []byte // Google QUIC's user agent
	CYU     []CYU
	Hello   handshake.Hello // the TLS hello inside, of either side
	JA3     string
	JA3Hash string
	JA4     string
}

// CYU is the fingerprint of a Google QUIC hello (https://engineering.salesforce.com/gquic-protocol-analysis-and-fingerprinting-in-zeek-a4178855d75f).
type CYU struct{ String, Hash string }
