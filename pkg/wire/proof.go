package wire

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"fmt"
)

// A sensor proves that a certificate is its own in TLS, if the server asks for it there. Servers of an external cluster do not: they could
// only ask everybody, those with keys or a token included. Sensors therefore prove it in the bus's own greeting, too: as the one whose nkey is
// ProofKey, with a proof in the place of the nonce's signature. Servers hand it to the collector (auth_callout).
//
// A proof is the length of the certificate (big-endian uint16), the certificate (DER), and its key's signature of the server's nonce: ECDSA
// (ASN.1) over SHA-256 of a context and the nonce.

// ProofKey stands in the place of an nkey, which it is none.
const ProofKey = "weir-certificate"

const proofContext = "weir connect 1\x00"

// maxProof bounds a proof in bytes, as base64: a line of the bus's protocol has 4096.
const maxProof = 3072

// ProveCertificate makes a proof for the server whose nonce it is.
func ProveCertificate(c *x509.Certificate, key crypto.Signer, nonce []byte) ([]byte, error) {
	digest := proofDigest(nonce)
	sig, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	proof := binary.BigEndian.AppendUint16(nil, uint16(len(c.Raw)))
	return append(append(proof, c.Raw...), sig...), nil
}

func proofDigest(nonce []byte) [32]byte { return sha256.Sum256(append([]byte(proofContext), nonce...)) }

// ProvenCertificate returns the certificate whose key has made the proof, which is base64 as in the greeting. Who has issued it, and whether
// it counts, is another question.
func ProvenCertificate(proof string, nonce []byte) (*x509.Certificate, error) {
	bad := func(why any) error { return fmt.Errorf("proof of a certificate: %w: %v", ErrMalformed, why) }
	if len(proof) > maxProof || len(nonce) == 0 {
		return nil, bad("too long, or no nonce")
	}
	raw, err := base64.RawURLEncoding.DecodeString(proof)
	if err != nil {
		return nil, bad(err)
	}
	if len(raw) < 2 || len(raw)-2 < int(binary.BigEndian.Uint16(raw)) {
		return nil, bad("ends early")
	}
	end := 2 + int(binary.BigEndian.Uint16(raw))
	c, err := x509.ParseCertificate(raw[2:end])
	if err != nil {
		return nil, bad(err)
	}
	key, ok := c.PublicKey.(*ecdsa.PublicKey)
	digest := proofDigest(nonce)
	if !ok || !ecdsa.VerifyASN1(key, digest[:], raw[end:]) {
		return nil, bad("not made by its key")
	}
	return c, nil
}
