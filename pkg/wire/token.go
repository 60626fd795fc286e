package wire

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// Token lets one sensor (or a few) enrol. It also says which CA the collector's certificate comes from, so that the secret is
// shown to nobody else. As text: id.secret.pin, the pin in unpadded base64url.
type Token struct {
	ID     string   // names the token; not secret
	Secret string   // 130 bits
	Pin    [32]byte // SHA-256 of the CA's certificate (DER)
}

// NewToken makes a token for the CA whose certificate is ca (DER).
func NewToken(ca []byte) Token {
	return Token{ID: strings.ToLower(rand.Text()[:10]), Secret: rand.Text(), Pin: sha256.Sum256(ca)}
}

// String is the form that people copy. It is secret.
func (t Token) String() string {
	return t.ID + "." + t.Secret + "." + base64.RawURLEncoding.EncodeToString(t.Pin[:])
}

// maxToken bounds a token's text in bytes.
const maxToken = 256

// ParseToken undoes String. Its errors do not repeat the text.
func ParseToken(s string) (Token, error) {
	parts := strings.Split(strings.TrimSpace(s), ".")
	if len(s) > maxToken || len(parts) != 3 {
		return Token{}, errors.New("token: not of the form id.secret.pin that `collector token create` prints")
	}
	t := Token{ID: parts[0], Secret: parts[1]}
	if err := CheckName(t.ID); err != nil {
		return Token{}, fmt.Errorf("token: id: %w", err)
	}
	pin, err := base64.RawURLEncoding.Strict().DecodeString(parts[2])
	if err != nil || len(pin) != len(t.Pin) {
		return Token{}, fmt.Errorf("token: pin: not %d bytes in base64url; was the token copied whole?", len(t.Pin))
	}
	copy(t.Pin[:], pin)
	return t, nil
}
