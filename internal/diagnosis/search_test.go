package diagnosis

import (
	"crypto/ed25519"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

func TestEachTrialCostsWhatItHashes(t *testing.T) {
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	asymmetric := parseSecret(t, "whpk_"+base64.StdEncoding.EncodeToString(public))
	const bodySize = 10_000
	for _, test := range []struct {
		name       string
		key        *signature.Key
		signatures int
		hashed     int // times that the body is hashed
	}{
		{"HMAC hashes once for all signatures", parseSecret(t, testSecret), 20, 1},
		{"Ed25519 without a signature hashes nothing", asymmetric, 0, 0},
		{"Ed25519 hashes once for one signature", asymmetric, 1, 1},
		{"Ed25519 hashes once for each signature", asymmetric, 5, 5},
		{"Ed25519 tries eleven signatures", asymmetric, 40, 11},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := signature.Headers{ID: testID, Signatures: strings.Repeat("v1a,AAAA ", test.signatures)}
			cost := func(size int) int {
				left := fullBudget.signatures
				spend(&left, key{secret: test.key}, h, make([]byte, size))
				return fullBudget.signatures - left
			}
			if got := cost(bodySize) - cost(0); got != test.hashed*bodySize {
				t.Errorf("a body of %d bytes costs %d, want %d", bodySize, got, test.hashed*bodySize)
			}
			if cost(0) <= 0 {
				t.Error("an empty body costs nothing")
			}
		})
	}
}
