//go:build long

package signature

import (
	"crypto/rand"
	"testing"
)

func TestAMillionRandomKeysAreNotGuessable(t *testing.T) {
	random := make([]byte, 64)
	for range 1_000_000 {
		for _, length := range []int{24, 32, 64} {
			_, _ = rand.Read(random[:length])
			if key := (&Key{keyMaterial: &keyMaterial{hmacKey: random[:length]}}); key.Guessable() {
				t.Fatalf("%x", random[:length])
			}
		}
	}
}
