package command

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/diagnosis"
)

func TestNoVerbPrintsASecret(t *testing.T) {
	const text = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	given, err := nameSecrets([]string{"production=" + text}, "")
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]any{
		"given":                       given[0],
		"given, by pointer":           &given[0],
		"given, in a list":            given,
		"given, in unexported fields": struct{ secrets []diagnosis.Secret }{given},
		"given, in a delivery":        diagnosis.Delivery{Secrets: given},
	} {
		t.Run(name, func(t *testing.T) {
			for _, verb := range "vsqdxXobcUeEfFgGtT" {
				for _, flag := range []string{"", "+", "#", " "} {
					printed := fmt.Sprintf("%"+flag+string(verb), value)
					if strings.Contains(printed, text[6:]) || strings.Contains(strings.ToLower(printed), fmt.Sprintf("%x", text[6:])) {
						t.Errorf("%%%s%c prints %s", flag, verb, printed)
					}
				}
			}
		})
	}
}
