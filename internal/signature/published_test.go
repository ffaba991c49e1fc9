package signature

import (
	"strings"
	"testing"
)

func TestPublished(t *testing.T) {
	const example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	for _, secret := range append([]string{strings.TrimPrefix(example, "whsec_"), " " + example + "\n"}, publishedSecrets...) {
		if !mustParseSecret(t, secret).Published() {
			t.Errorf("%q is not known as published", secret)
		}
	}
	for _, secret := range []string{GenerateSecret(), example + "Br", secretOfLength("whpk_", 32)} {
		if mustParseSecret(t, secret).Published() {
			t.Errorf("%q is taken for a published example", secret)
		}
	}
}

// The vectors come from the publications, except for those with two bytes more.
func TestSecretsOfVectorsArePublished(t *testing.T) {
	for _, v := range readVectors(t) {
		if key, err := ParseSecret(v.Secret); err == nil && !key.Published() && !strings.Contains(v.Secret, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwBr") {
			t.Errorf("%s: %q is not known as published", v.Name, v.Secret)
		}
	}
}
