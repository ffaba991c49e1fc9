package signature

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"sync"
)

// Guessable reports whether the key or its base64 has an obvious pattern, as somebody
// types one for a test. Of a public key, it looks for the most obvious private keys.
// Such a key is accepted all the same.
func (k *Key) Guessable() bool {
	if !k.Symmetric() {
		return guessablePublicKeys()[[ed25519.PublicKeySize]byte(k.publicKey)]
	}
	return isPattern(k.hmacKey) || isPattern([]byte(base64.RawStdEncoding.EncodeToString(k.hmacKey)))
}

// guessablePublicKeys are those of the private keys that are one byte repeated, or the
// bytes from 0 to 31.
var guessablePublicKeys = sync.OnceValue(func() map[[ed25519.PublicKeySize]byte]bool {
	keys := make(map[[ed25519.PublicKeySize]byte]bool)
	add := func(seed []byte) {
		public := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
		keys[[ed25519.PublicKeySize]byte(public)] = true
	}
	var ascending []byte
	for b := range 256 {
		add(bytes.Repeat([]byte{byte(b)}, ed25519.SeedSize))
		if b < ed25519.SeedSize {
			ascending = append(ascending, byte(b))
		}
	}
	add(ascending)
	return keys
})

// isPattern reports whether b can be guessed from a small part of it: a short sequence
// over and over, steps of one size, or a handful of different bytes. That is never so
// for random bytes, nor for text of random letters or digits.
func isPattern(b []byte) bool {
	b = b[:min(len(b), 256)] // the rest costs time and tells no more
	for distance := 1; distance <= len(b)/2; distance++ {
		if hasSteps(b, distance) {
			return true
		}
	}
	return distinct(b) <= 5
}

// hasSteps reports whether most bytes differ in the same way from the byte that is at
// that distance before them.
func hasSteps(b []byte, distance int) bool {
	var steps [256]int
	most := 0
	for i := distance; i < len(b); i++ {
		step := b[i] - b[i-distance]
		steps[step]++
		most = max(most, steps[step])
	}
	return 5*most >= 3*(len(b)-distance)
}

func distinct(b []byte) int {
	seen := make(map[byte]bool)
	for _, c := range b {
		seen[c] = true
	}
	return len(seen)
}
