package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
)

// Cost of a password's hash: 32 MiB and three passes, about 60 ms of one core (OWASP asks for 19 MiB and two passes). The
// figures are kept with each hash, so they can be raised.
const (
	argonMemory  = 32 << 10 // KiB
	argonTime    = 3
	argonThreads = 1
	argonKey     = 32
	argonSalt    = 16
)

// Bounds of a password in bytes. Length is what resists guessing; rules about characters do not help.
const (
	MinPassword = 12
	MaxPassword = 256
)

// CheckPassword says what is wrong with a new password.
func CheckPassword(name, password string) error {
	switch {
	case len(password) < MinPassword:
		return fmt.Errorf("shorter than %d bytes", MinPassword)
	case len(password) > MaxPassword:
		return fmt.Errorf("longer than %d bytes", MaxPassword)
	case !utf8.ValidString(password):
		return errors.New("not UTF-8")
	case len(name) >= 3 && strings.Contains(strings.ToLower(password), strings.ToLower(name)):
		return errors.New("contains the name of the account")
	case strings.Trim(password, password[:1]) == "":
		return errors.New("is one character, repeated")
	}
	return nil
}

// hashPassword makes a hash in the PHC string format: $argon2id$v=19$m=…,t=…,p=…$salt$key.
func hashPassword(password string) string {
	salt := make([]byte, argonSalt)
	rand.Read(salt) // never fails
	key := argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonThreads, argonKey)
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonThreads,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key))
}

// checkHash compares in constant time. A hash that cannot be read matches nothing.
func checkHash(hash, password string) bool {
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return false
	}
	var memory, passes uint32
	var threads uint8
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &passes, &threads); err != nil || passes == 0 || threads == 0 || memory > 1<<20 || passes > 100 {
		return false
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	key, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(key) == 0 {
		return false
	}
	return subtle.ConstantTimeCompare(argon2.IDKey([]byte(password), salt, passes, memory, threads, uint32(len(key))), key) == 1
}

// newSecret is 130 random bits as text that survives being read aloud: lower-case letters and digits.
func newSecret() string { return strings.ToLower(rand.Text()) }

// hashSecret is how a random secret is kept: nobody can guess it, so a fast hash is enough.
func hashSecret(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}
