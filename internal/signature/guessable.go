package signature

import (
	"crypto/ed25519"
	"encoding/base64"
	"sync"

	"filippo.io/edwards25519"
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

// guessablePublicKeys are those of private keys that are one byte repeated, bytes in order
// or a small number, and those whose private scalar is a small number.
var guessablePublicKeys = sync.OnceValue(func() map[[ed25519.PublicKeySize]byte]bool {
	keys := make(map[[ed25519.PublicKeySize]byte]bool)
	for b := range 256 {
		for _, step := range []int{0, 1, -1} { // from one byte to the next
			seed := make([]byte, ed25519.SeedSize)
			for i := range seed {
				seed[i] = byte(b + i*step)
			}
			keys[publicKeyOf(seed)] = true
		}
		for _, end := range []int{0, ed25519.SeedSize - 1} {
			seed := make([]byte, ed25519.SeedSize)
			seed[end] = byte(b)
			keys[publicKeyOf(seed)] = true
		}
	}
	point := edwards25519.NewIdentityPoint()
	for range 256 {
		point.Add(point, edwards25519.NewGeneratorPoint())
		keys[[ed25519.PublicKeySize]byte(point.Bytes())] = true
	}
	return keys
})

func publicKeyOf(seed []byte) [ed25519.PublicKeySize]byte {
	return [ed25519.PublicKeySize]byte(ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey))
}

// isPattern reports whether b can be guessed from a small part of it: a short sequence
// over and over, one twice, steps of one size, numbers of two bytes or two digits in
// order, or a handful of different bytes. Random bytes are hardly ever like that, nor is
// text of random letters or digits. The likeliest is that 10 of 12 hexadecimal digits
// equal those at one distance: 66/16^10, once in 10^10 keys.
func isPattern(b []byte) bool {
	b = b[:min(len(b), 256)] // the rest costs time and tells no more
	for distance := 1; distance <= len(b)-12; distance++ {
		least := 3 // fifths
		if distance > len(b)/2 {
			least = 4 // of few bytes
		}
		if 5*commonSteps(b, distance) >= least*(len(b)-distance) {
			return true
		}
	}
	return hasPairsInOrder(b) || distinct(b) <= 5
}

// commonSteps counts the bytes that differ in the most frequent way from the byte that is
// at that distance before them.
func commonSteps(b []byte, distance int) (most int) {
	var steps [256]int
	for i := distance; i < len(b); i++ {
		step := b[i] - b[i-distance]
		steps[step]++
		most = max(most, steps[step])
	}
	return most
}

// hasPairsInOrder reports whether most of the first bytes of pairs have steps of one size,
// and most of the second bytes.
func hasPairsInOrder(b []byte) bool {
	var halves [2][]byte
	for i, c := range b {
		halves[i%2] = append(halves[i%2], c)
	}
	return 5*(commonSteps(halves[0], 1)+commonSteps(halves[1], 1)) >= 3*(len(b)-2)
}

func distinct(b []byte) int {
	seen := make(map[byte]bool)
	for _, c := range b {
		seen[c] = true
	}
	return len(seen)
}
