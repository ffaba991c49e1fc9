package docs_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// namedMatcher is the advice for sites with basic_auth, in the middle of a sentence.
var namedMatcher = regexp.MustCompile("such as `(@pages [^`]+)`")

func TestTheMatcherForBasicAuthWorksAsItIsWritten(t *testing.T) {
	var advice []string
	for line := range strings.Lines(testcaddy.ReadFile(t, "docs/guide.md")) {
		if strings.Contains(line, "basic_auth") {
			advice = append(advice, namedMatcher.FindStringSubmatch(line)...)
		}
	}
	if len(advice) != 2 { // the text and the matcher in it
		t.Fatalf("docs/guide.md has no matcher for basic_auth in one line with it, or several: %q", advice)
	}
	address := testcaddy.FreeAddress(t)
	testcaddy.Run(t, "http://"+address+" {\n"+advice[1]+`
	basic_auth @pages {
		ada $2a$04$ml06oNApvh8zKzJGw9D0KOs9rNsIHmkjOisUKE0oG/a85V2LuM6ty
	}
	clerk_webhook /api/webhooks* {
		secret `+testcaddy.Secret+`
	}
	respond ok
}`)
	for _, test := range []struct {
		name, path, secret string
		status             int
	}{
		{"a page asks for the password", "/", testcaddy.Secret, http.StatusUnauthorized},
		{"a genuine delivery needs none", "/api/webhooks", testcaddy.Secret, http.StatusOK},
		{"a genuine delivery below the path needs none", "/api/webhooks/clerk", testcaddy.Secret, http.StatusOK},
		{"a forged delivery is refused", "/api/webhooks", testcaddy.OtherSecret, http.StatusForbidden},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := testcaddy.SignedRequest(t, "http://"+address+test.path, test.secret, testcaddy.UserCreated)
			if a := testcaddy.Send(t, testcaddy.NewConnections, r); a.StatusCode != test.status {
				t.Errorf("%d, want %d", a.StatusCode, test.status)
			}
		})
	}
}
