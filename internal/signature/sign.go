package signature

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	svix "github.com/svix/svix-webhooks/go"
)

// ErrCannotSign is returned for a public key, which can only verify.
var ErrCannotSign = errors.New("a public key (whpk_…) can verify but not sign")

// Sign returns the value of the signature header for one delivery, made by
// Svix's library, or ErrCannotSign.
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

// SelfTest checks that Svix's library and this package agree about the secret:
// what the one signs, the other must verify. A secret that cannot sign has
// nothing to check.
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
		return fmt.Errorf("what Svix's library signs with it does not verify here: please report this, with the versions that caddy list-modules --versions prints")
	}
	return nil
}
