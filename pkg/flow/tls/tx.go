package tls

import (
	"github.com/weir-ips/weir/pkg/flow/app"
	"github.com/weir-ips/weir/pkg/flow/app/handshake"
)

// Steps of a direction's progress: Client… for ToServer, Server… for ToClient.
const (
	ClientInProgress    uint8 = iota // client_in_progress
	ClientHelloDone                  // client_hello_done
	ClientCertDone                   // client_cert_done
	ClientHandshakeDone              // client_handshake_done
	ClientFinished                   // client_finished
	MaxClientProgress         = ClientFinished

	ServerInProgress    uint8 = 0 // server_in_progress
	ServerHello         uint8 = 1 // server_hello
	ServerCertDone      uint8 = 2 // server_cert_done
	ServerHelloDone     uint8 = 3 // server_hello_done
	ServerHandshakeDone uint8 = 4 // server_handshake_done
	ServerFinished      uint8 = 5 // server_finished
	MaxServerProgress         = ServerFinished
)

// Tx is the one transaction of a TLS flow: its handshake.
type Tx struct {
	app.TxBase
	Version uint16 // agreed (0x0301 …); before the server hello, the highest that the client offers; SSLv2 is 0x0002
	Client  Hello
	Server  Hello
	// Resumed says that the server took up an earlier session without sending certificates.
	Resumed bool
	// Encrypted is set per direction once its records are encrypted.
	Encrypted [2]bool
	// KeyExchange is set per direction once its key exchange message was seen (TLS 1.2 and before).
	KeyExchange [2]bool
	// Heartbeat is set once a heartbeat record was seen in the clear.
	Heartbeat bool
}

// Hello is one side: its hello message, and the certificates that it showed.
type Hello struct {
	handshake.Hello
	Certificates [][]byte // DER, leaf first (tls.certs)
	Leaf         *Certificate

	JA3     string // "771,4865-…,0-23-…,29-23,0" (for the server: JA3S, "771,4865,43-51")
	JA3Hash string // MD5 of JA3 in lower-case hex; empty when no hello was seen or it was not asked for
	JA4     string // client only
}

// Of returns the side that sends in a direction.
func (t *Tx) Of(dir app.Direction) *Hello {
	if dir == app.ToServer {
		return &t.Client
	}
	return &t.Server
}

// Certificate is what rules and records read of a leaf certificate.
type Certificate struct {
	Subject, Issuer     string   // "C=US, O=Example, CN=example.org": order of the certificate
	Serial              string   // "00:AB:01": the bytes as they stand, a zero before a high bit included
	NotBefore, NotAfter int64    // Unix seconds
	SubjectAltNames     []string // DNS names and addresses
	Fingerprint         string   // SHA-1, "aa:bb:…"
}
