package diagnosis

import (
	"fmt"
	"strings"
	"testing"
)

func TestNoVerbPrintsASecret(t *testing.T) {
	s := NewSecret("production", testSecret)
	for name, value := range map[string]any{
		"alone":                   s,
		"by pointer":              &s,
		"in a list":               []Secret{s},
		"in a delivery":           Delivery{Secrets: []Secret{s}},
		"in an unexported field":  struct{ secret Secret }{s},
		"in a list of that field": struct{ secrets []Secret }{[]Secret{s}},
		"with its key":            Secret{Name: "production", Key: parseSecret(t, testSecret)},
	} {
		t.Run(name, func(t *testing.T) {
			for _, verb := range "vsqdxXobcUeEfFgGtT" {
				for _, flag := range []string{"", "+", "#", " "} {
					printed := fmt.Sprintf("%"+flag+string(verb), value)
					if strings.Contains(printed, testSecret[6:]) || strings.Contains(strings.ToLower(printed), fmt.Sprintf("%x", testSecret[6:])) {
						t.Errorf("%%%s%c prints %s", flag, verb, printed)
					}
				}
			}
		})
	}
}

func TestSecretParse(t *testing.T) {
	key := parseSecret(t, testSecret)
	tests := []struct {
		name   string
		secret Secret
		err    string
	}{
		{"a key", Secret{Name: "production", Key: key}, ""},
		{"a text", NewSecret("production", testSecret), ""},
		{"a text that is no secret", NewSecret("production", "sk_test_1"), `secret "production": it is one of Clerk's API keys`},
		{"nothing", Secret{Name: "production"}, `secret "production": it is empty`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.secret.Parse()
			switch {
			case tt.err == "" && (err != nil || got.Fingerprint() != key.Fingerprint()):
				t.Errorf("got %v, %v", got, err)
			case tt.err != "" && (got != nil || err == nil || !strings.HasPrefix(err.Error(), tt.err)):
				t.Errorf("got %v, %v, want %s", got, err, tt.err)
			}
		})
	}
}
