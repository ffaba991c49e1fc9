package signature

import (
	"encoding/base64"
	"encoding/hex"
	"testing"
)

// The Ed25519 points of order 1, 2, 4 and 8, in all the spellings that a
// verifier reads. The all-zero key, which a template may hold, is one of them.
func TestParseSecretRefusesKeysForWhichAnyoneCanSign(t *testing.T) {
	const want = "it is a public key for which anyone can sign: copy the sender's own"
	for name, encoded := range map[string]string{
		"order 1":                         "0100000000000000000000000000000000000000000000000000000000000000",
		"order 1, signed":                 "0100000000000000000000000000000000000000000000000000000000000080",
		"order 1, over the prime":         "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"order 1, over the prime, signed": "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"order 2":                         "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"order 2, signed":                 "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"order 4, all zero":               "0000000000000000000000000000000000000000000000000000000000000000",
		"order 4, all zero, signed":       "0000000000000000000000000000000000000000000000000000000000000080",
		"order 4, over the prime":         "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"order 4, over the prime, signed": "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"order 8":                         "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"order 8, signed":                 "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
		"order 8, the other":              "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"order 8, the other, signed":      "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
	} {
		t.Run(name, func(t *testing.T) {
			key, err := hex.DecodeString(encoded)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := ParseSecret("whpk_" + base64.StdEncoding.EncodeToString(key)); err == nil || err.Error() != want {
				t.Errorf("error %v, want %s", err, want)
			}
		})
	}
}
