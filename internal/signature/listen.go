package signature

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"strings"
)

// listenPurpose keeps a listen token apart from every signature: no signed content
// of a delivery begins like this.
const listenPurpose = "clerk_webhook listen token, version 1"

// listenTokenBytes is the length of a listen token before it is encoded: 160 bits.
const listenTokenBytes = 20

// ListenToken returns the token that lets its holder listen at a relay of this
// secret. It is "c_" and letters and digits, as relays of Svix want it. The secret
// cannot be found out from it. It is "" for a public key, which is no secret.
func (k *Key) ListenToken() string {
	if !k.Symmetric() {
		return ""
	}
	mac := hmac.New(sha256.New, k.hmacKey)
	mac.Write([]byte(listenPurpose))
	sum := mac.Sum(nil)[:listenTokenBytes]
	return "c_" + strings.ToLower(base32.StdEncoding.EncodeToString(sum))
}
