package signature

import (
	"errors"
	"strconv"
	"time"

	svix "github.com/svix/svix-webhooks/go"
)

// ErrCannotSign is returned for a public key, which can only verify.
var ErrCannotSign = errors.New("a public key (whpk_…) can verify but not sign")

// Sign returns the value of the signature header for a delivery. Svix's library
// makes it. A public key returns ErrCannotSign.
func (k *Key) Sign(id string, at time.Time, body []byte) (string, error) {
	if !k.Symmetric() {
		return "", ErrCannotSign
	}
	wh, err := svix.NewWebhookRaw(k.hmacKey)
	if err != nil {
		return "", err
	}
	return wh.Sign(id, at, body)
}

// SelfTest returns an error if this package does not accept what Svix's library
// signs with the key. For a public key it has nothing to check.
func (k *Key) SelfTest() error {
	if !k.Symmetric() {
		return nil
	}
	const id = "msg_selftest"
	body := []byte(`{"type":"self.test"}`)
	at := time.Unix(1614265330, 0)
	signatures, err := k.Sign(id, at, body)
	if err != nil {
		return err
	}
	h := Headers{ID: id, Timestamp: strconv.FormatInt(at.Unix(), 10), Time: at, Signatures: signatures}
	if !k.verify(&h, body) {
		return errors.New("a signature that Svix's library makes with it does not verify here: please report this with the output of caddy list-modules --versions")
	}
	return nil
}
