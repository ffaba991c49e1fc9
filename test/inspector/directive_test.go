package inspector_test

import (
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

func TestInspectorDirective(t *testing.T) {
	for _, test := range []struct{ name, directive, want string }{
		{"an argument", "clerk_webhook_inspector on", "takes a matcher and a block"},
		{"an unknown option", "clerk_webhook_inspector {\nalow_remote\n}", "unrecognized clerk_webhook_inspector option 'alow_remote': the only option is allow_remote"},
		{"an option twice", "clerk_webhook_inspector {\nallow_remote\nallow_remote\n}", "given twice"},
		{"an option with an argument", "clerk_webhook_inspector {\nallow_remote yes\n}", "takes no arguments"},
		{"a secret", "clerk_webhook_inspector " + testcaddy.Secret, "a secret"},
		{"a secret as a matcher", "clerk_webhook_inspector @" + testcaddy.Secret, "unrecognized matcher name"},
		{"a secret in a matcher", "clerk_webhook_inspector /" + testcaddy.Secret, "a secret does not belong here"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := testcaddy.Adapt("http://localhost:1 {\n" + test.directive + "\n}\n")
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), testcaddy.Secret) {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("comes before respond", func(t *testing.T) {
		config, err := testcaddy.Adapt("http://localhost:1 {\nrespond no\nclerk_webhook_inspector {\nallow_remote\n}\n}\n")
		if err != nil {
			t.Fatal(err)
		}
		own := strings.Index(string(config), `"allow_remote":true,"handler":"clerk_webhook_inspector"`)
		if respond := strings.Index(string(config), "static_response"); own < 0 || respond < own {
			t.Errorf("%s", config)
		}
	})
}
