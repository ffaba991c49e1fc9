package signature

import (
	"bytes"
	"crypto/sha256"
	"sync"
)

// publishedSecrets are the examples in the documentation and the tests of Svix and of
// the Standard Webhooks specification, and of RFC 8032. Many tutorials and templates copy
// them. The private keys of the public ones are published, too. An example that is too
// short for a key is not in the list, because ParseSecret refuses it.
var publishedSecrets = []string{
	"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
	"whsec_5WbX5kEWLlfzsGNjH64I8lOOqUB6e8FH",
	"whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
	"whsec_51TKyHBy5KFY1Ab98GQ8V60BkWnejkWy",
	"whsec_V09IYXZUaFJoSnFobnpJQkpPMXdpdGFNWnJsRzAxdXZCeTVndVpwRmxSSXFsc0oyYzBTRWRUekJhYnlaZ0JSRGNPQ3BGZG1xYjFVVmRGQ3UK",
	"whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=",
	"whpk_4rQZjjkCnn4m/ciYBaRPSZTA+Y/UwqgD6hgxOllF28g=",
	"whpk_ZlN4eg7dSSqi0moX9hQUk3orrOouK3QVQSlJa248c/g=",

	// The tests in sections 7.1 and 7.2 of RFC 8032.
	"whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
	"whpk_PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=",
	"whpk_/FHNjmIYoaONpH7QAjDwWAgW7RO6MwOsXeuRFUiQgCU=",
	"whpk_J4EX/BRMcjQPZ9DyMW6Dhs7/vyskKMnFH+98WX8dQm4=",
	"whpk_7Bcrk61eVjv0kyxw4SRQNMNUZ+8u/U1k6/gZaDRn4r8=",
	"whpk_38lCXk+Wj38MKfAlnPX5rtaFHCu0rYv7hgz+4KskgpI=",
	"whpk_Dx0SdJQ7kUFYiRUuiT2A6TJ1ofwLZf1xtLDdoQrX13I=",
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
// Zero bytes around it make no difference: HMAC itself adds some behind a key.
func (k *Key) Published() bool {
	if trimmed := bytes.Trim(k.hmacKey, "\x00"); len(trimmed) > 0 {
		k = &Key{keyMaterial: &keyMaterial{hmacKey: trimmed}}
	}
	return publishedFingerprints()[k.Fingerprint()]
}
