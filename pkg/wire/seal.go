package wire

import (
	"crypto/ed25519"
	"errors"
	"fmt"
)

// ErrSignature says that a message was not signed by the collector whose key is expected.
var ErrSignature = errors.New("signature is not the collector's")

// Kinds of signed messages: the ed25519 context, so that a signature for one kind is none for another (RFC 8032 §5.1).
const (
	sealDelta  = "weir delta 1"
	sealBeacon = "weir beacon 1"
	sealSync   = "weir sync 1"
	sealArming = "weir arming 1"
	sealSurvey = "weir survey 1"
)

// seal returns the signature followed by body.
func seal(key ed25519.PrivateKey, kind string, body []byte) ([]byte, error) {
	sig, err := key.Sign(nil, body, &ed25519.Options{Context: kind})
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return append(sig, body...), nil
}

// unseal returns the body of msg; the signature is checked only if pub is not nil.
func unseal(pub ed25519.PublicKey, kind string, msg []byte) ([]byte, error) {
	if len(msg) < ed25519.SignatureSize {
		return nil, fmt.Errorf("%w: %d bytes, a signature has %d", ErrMalformed, len(msg), ed25519.SignatureSize)
	}
	sig, body := msg[:ed25519.SignatureSize], msg[ed25519.SignatureSize:]
	if pub == nil {
		return body, nil
	}
	if len(pub) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("%w: public key of %d bytes", ErrSignature, len(pub))
	}
	if err := ed25519.VerifyWithOptions(pub, body, sig, &ed25519.Options{Context: kind}); err != nil {
		return nil, ErrSignature
	}
	return body, nil
}
