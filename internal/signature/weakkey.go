package signature

import "crypto/ed25519"

// weakKeyTrials is how many texts are tried on a public key. A key of order n
// takes one forged signature in n, and n is at most 8.
const weakKeyTrials = 64

// anyoneCanSign reports whether key is one of the few points, such as all zero
// bytes, for which signatures can be made without a private key: like an empty
// HMAC key, it would accept forgeries. It tries the simplest forgery, whose R is
// the neutral point and whose S is zero; a genuine key never takes that.
func anyoneCanSign(key ed25519.PublicKey) bool {
	forged := make([]byte, ed25519.SignatureSize)
	forged[0] = 1 // the neutral point
	for i := range weakKeyTrials {
		if ed25519.Verify(key, []byte{byte(i)}, forged) {
			return true
		}
	}
	return false
}
