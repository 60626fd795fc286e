package quic

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// Versions whose Initial packets can be read.
const (
	version1 = 0x00000001 // RFC 9001
	version2 = 0x6b3343cf // RFC 9369
)

// salt returns the salt of a version's initial secrets, or nothing when it is not known (RFC 9001 §5.2, RFC 9369 §3.3.1,
// drafts).
func salt(version uint32) []byte {
	text := ""
	switch {
	case version == version1 || version == 0xff000021 || version == 0xff000022:
		text = "38762cf7f55934b34d179ae6a4c80cadccbb7f0a"
	case version == version2:
		text = "0dede3def700a6db819381be6e269dcbf9bd2ed9"
	case version >= 0xff00001d && version <= 0xff000020:
		text = "afbfec289993d24c9e9786f19c6111e04390a899"
	case version >= 0xff000017 && version <= 0xff00001c:
		text = "c3eef712c72ebb5a11a7d2432bb46365bef9f502"
	default:
		return nil
	}
	b, _ := hex.DecodeString(text)
	return b
}

// keys open the Initial packets of one direction.
type keys struct {
	aead cipher.AEAD
	hp   cipher.Block
	iv   [12]byte
}

// initialKeys derives the keys of both sides from the client's first destination connection id (RFC 9001 §5.2).
func initialKeys(version uint32, id []byte) (pair [2]*keys) {
	secret, err := hkdf.Extract(sha256.New, id, salt(version))
	if err != nil {
		return pair
	}
	for dir, label := range [...]string{"client in", "server in"} {
		k := &keys{}
		prefix := "quic "
		if version == version2 {
			prefix = "quicv2 "
		}
		side := expand(secret, label, 32)
		block, err := aes.NewCipher(expand(side, prefix+"key", 16))
		if err != nil {
			return pair
		}
		if k.aead, err = cipher.NewGCM(block); err != nil {
			return pair
		}
		if k.hp, err = aes.NewCipher(expand(side, prefix+"hp", 16)); err != nil {
			return pair
		}
		copy(k.iv[:], expand(side, prefix+"iv", 12))
		pair[dir] = k
	}
	return pair
}

// expand is HKDF-Expand-Label without context (RFC 8446 §7.1).
func expand(secret []byte, label string, n int) []byte {
	info := binary.BigEndian.AppendUint16(nil, uint16(n))
	info = append(info, byte(len("tls13 ")+len(label)))
	info = append(append(info, "tls13 "...), label...)
	out, err := hkdf.Expand(sha256.New, secret, string(append(info, 0)), n)
	if err != nil {
		return make([]byte, n)
	}
	return out
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
