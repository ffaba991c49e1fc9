package signature

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"testing"
	"time"

	svix "github.com/svix/svix-webhooks/go"
)

const (
	testID        = "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W"
	testTimestamp = "1614265330"
	testSecret    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
)

var (
	testTime = time.Unix(1614265330, 0)
	testBody = []byte(`{"data":{"id":"user_29w83sxmDNGwOuEthce5gg56FcC"},"type":"user.created"}`)
)

// wrongHMAC has the form of a v1 signature that no key of these tests makes.
const wrongHMAC = "Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="

func mustParseSecret(t testing.TB, s string) *Key {
	t.Helper()
	secret, err := ParseSecret(s)
	if err != nil {
		t.Fatalf("ParseSecret: %v", err)
	}
	return secret
}

// hmacSecret returns the secret of a key of 32 bytes, which differs from seed
// to seed.
func hmacSecret(t testing.TB, seed string) *Key {
	t.Helper()
	key := sha256.Sum256([]byte(seed))
	return mustParseSecret(t, "whsec_"+base64.StdEncoding.EncodeToString(key[:]))
}

// keyPair returns a public key as a receiver has it, and what its sender signs
// with.
func keyPair(t testing.TB, seed string) (*Key, ed25519.PrivateKey) {
	t.Helper()
	sum := sha256.Sum256([]byte(seed))
	private := ed25519.NewKeyFromSeed(sum[:])
	public := private.Public().(ed25519.PublicKey)
	return mustParseSecret(t, "whpk_"+base64.StdEncoding.EncodeToString(public)), private
}

// signEd25519 returns a signature without its version.
func signEd25519(key ed25519.PrivateKey, id, timestamp string, body []byte) string {
	text := id + "." + timestamp + "." + string(body)
	return base64.StdEncoding.EncodeToString(ed25519.Sign(key, []byte(text)))
}

// signBySvix returns the signature header that Svix's library makes with an
// HMAC key.
func signBySvix(t testing.TB, key []byte, id string, at time.Time, body []byte) string {
	t.Helper()
	webhook, err := svix.NewWebhookRaw(key)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := webhook.Sign(id, at, body)
	if err != nil {
		t.Fatal(err)
	}
	return signature
}

// headersOf returns the headers of the test's delivery with the given list of
// signatures.
func headersOf(signatures string) *Headers {
	return &Headers{ID: testID, Timestamp: testTimestamp, Time: testTime, Signatures: signatures, Set: SvixHeaders}
}

func headerOf(set *HeaderSet, id, timestamp, signatures string) http.Header {
	return http.Header{set.ID: {id}, set.Timestamp: {timestamp}, set.Signature: {signatures}}
}

// reasonOf returns the reason that err carries, "" if there is no error.
func reasonOf(t testing.TB, err error) Reason {
	t.Helper()
	if err == nil {
		return ""
	}
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error %q is a %T and carries no reason", err, err)
	}
	return e.Reason
}
