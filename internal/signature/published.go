package signature

import (
	"crypto/sha256"
	"sync"
)

// publishedSecrets are the examples in the documentation and the tests of Svix and of
// the Standard Webhooks specification. Many tutorials and templates copy them. The
// private key of the public one is published, too. An example that is too short for a
// key is not in the list, because ParseSecret refuses it.
var publishedSecrets = []string{
	"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
	"whsec_5WbX5kEWLlfzsGNjH64I8lOOqUB6e8FH",
	"whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
	"whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=",
}

var publishedFingerprints = sync.OnceValue(func() map[[sha256.Size]byte]bool {
	fingerprints := make(map[[sha256.Size]byte]bool)
	for _, secret := range publishedSecrets {
		if key, err := ParseSecret(secret); err == nil {
			fingerprints[key.Fingerprint()] = true
		}
	}
	return fingerprints
})

// Published reports whether the key is a published example, with which anyone can sign.
func (k *Key) Published() bool { return publishedFingerprints()[k.Fingerprint()] }
