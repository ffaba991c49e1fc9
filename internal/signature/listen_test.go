package signature

import (
	"regexp"
	"testing"
)

func TestListenToken(t *testing.T) {
	one, other := parseKey(t, GenerateSecret()), parseKey(t, GenerateSecret())
	token := one.ListenToken()
	if !regexp.MustCompile(`^c_[a-z0-9]{32}$`).MatchString(token) {
		t.Errorf("the token %q has another form", token)
	}
	if token != one.ListenToken() || token == other.ListenToken() {
		t.Error("the token does not depend on the secret alone")
	}
	fixed := parseKey(t, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if got := fixed.ListenToken(); got != "c_awvlxqii4jrb3k6pgrfowsczuf77o5sy" {
		t.Errorf("a known secret has the token %q: listeners of other versions could not connect", got)
	}
	if got := parseKey(t, "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=").ListenToken(); got != "" {
		t.Errorf("a public key has the token %q", got)
	}
}

func parseKey(t *testing.T, secret string) *Key {
	t.Helper()
	key, err := ParseSecret(secret)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
