package quic

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"hash"
)

// Versions whose Initial packets can be read.
const (
	version1 = 0x00000001 // RFC 9001
	version2 = 0x6b3343cf // RFC 9369
)

// salt returns the salt of a version's initial secrets, or nothing when it is not known (RFC 9001 §5.2, RFC 9369 §3.3.1,
// drafts).
func salt(version uint32) string {
	switch {
	case version == version1 || version == 0xff000021 || version == 0xff000022:
		return "\x38\x76\x2c\xf7\xf5\x59\x34\xb3\x4d\x17\x9a\xe6\xa4\xc8\x0c\xad\xcc\xbb\x7f\x0a"
	case version == version2:
		return "\x0d\xed\xe3\xde\xf7\x00\xa6\xdb\x81\x93\x81\xbe\x6e\x26\x9d\xcb\xf9\xbd\x2e\xd9"
	case version >= 0xff00001d && version <= 0xff000020:
		return "\xaf\xbf\xec\x28\x99\x93\xd2\x4c\x9e\x97\x86\xf1\x9c\x61\x11\xe0\x43\x90\xa8\x99"
	case version >= 0xff000017 && version <= 0xff00001c:
		return "\xc3\xee\xf7\x12\xc7\x2e\xbb\x5a\x11\xa7\xd2\x43\x2b\xb4\x63\x65\xbe\xf9\xf5\x02"
	}
	return ""
}

// keys open the Initial packets of one direction.
type keys struct {
	aead cipher.AEAD
	hp   cipher.Block
	iv   [12]byte
}

// initialKeys derives the keys of both sides from the client's first destination connection id (RFC 9001 §5.2).
func initialKeys(version uint32, id []byte) (pair [2]*keys) {
	secret, err := hkdf.Extract(sha256.New, id, []byte(salt(version)))
	if err != nil {
		return pair
	}
	prefix := "quic "
	if version == version2 {
		prefix = "quicv2 "
	}
	both := newExpander(secret)
	for dir, label := range [...]string{"client in", "server in"} {
		k, side := &keys{}, newExpander(both.label(label, sha256.Size))
		block, err := aes.NewCipher(side.label(prefix+"key", 16))
		if err != nil {
			return pair
		}
		if k.aead, err = cipher.NewGCM(block); err != nil {
			return pair
		}
		if k.hp, err = aes.NewCipher(side.label(prefix+"hp", 16)); err != nil {
			return pair
		}
		copy(k.iv[:], side.label(prefix+"iv", len(k.iv)))
		pair[dir] = k
	}
	return pair
}

// expander is HKDF-Expand-Label of one secret without context (RFC 8446 §7.1), for outputs of no more than one hash. The secret is
// hashed once for all its labels.
type expander struct{ mac hash.Hash }

func newExpander(secret []byte) expander { return expander{hmac.New(sha256.New, secret)} }

// label returns n bytes, at most sha256.Size.
func (e expander) label(label string, n int) []byte {
	info := make([]byte, 0, 64)
	info = append(info, 0, byte(n), byte(len("tls13 ")+len(label)))
	info = append(append(info, "tls13 "...), label...)
	e.mac.Reset()
	e.mac.Write(append(info, 0, 1)) // no context; block one (RFC 5869 §2.3)
	return e.mac.Sum(info[:0])[:n]
}

// open removes header protection and decrypts a packet (RFC 9001 §5.3, §5.4). packet starts at the first byte of the
// header, at is where the packet number starts; neither is changed.
func (k *keys) open(packet []byte, at int) ([]byte, bool) {
	if len(packet) < at+4+16 {
		return nil, false
	}
	var mask [16]byte
	k.hp.Encrypt(mask[:], packet[at+4:at+20])
	header := append([]byte{}, packet[:at+4]...)
	header[0] ^= mask[0] & 0x0f
	n := int(header[0]&3) + 1
	header = header[:at+n]
	nonce := k.iv
	for i := range n {
		header[at+i] ^= mask[1+i]
		nonce[12-n+i] ^= header[at+i]
	}
	plain, err := k.aead.Open(nil, nonce[:], packet[at+n:], header)
	return plain, err == nil
}
