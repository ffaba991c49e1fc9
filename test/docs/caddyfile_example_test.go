package docs_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

const exampleFile = "Caddyfile.example"

// exampleOn returns Caddyfile.example with free addresses in place of its own,
// and the address of its first site.
func exampleOn(t testing.TB) (example, address string) {
	t.Helper()
	example = testcaddy.ReadFile(t, exampleFile)
	for _, port := range []string{"8080", "8081", "8082"} {
		free := testcaddy.FreeAddress(t)
		_, freePort, _ := strings.Cut(free, ":")
		example = testcaddy.Replace(t, example, ":"+port, ":"+freePort)
		if port == "8080" {
			address = free
		}
	}
	return example, address
}

func TestCaddyfileExampleIsFormatted(t *testing.T) {
	example := testcaddy.ReadFile(t, exampleFile)
	if formatted := string(caddyfile.Format([]byte(example))); formatted != example {
		t.Errorf("caddy fmt would write\n%s", formatted)
	}
}

func TestCaddyfileExample(t *testing.T) {
	t.Setenv("CLERK_WEBHOOK_SIGNING_SECRET", testcaddy.Secret)
	example, address := exampleOn(t)
	_, example, hasOptions := strings.Cut(example, "\n{\n")
	options, sites, hasSites := strings.Cut(example, "\n}\n")
	if !hasOptions || !hasSites {
		t.Fatal("Caddyfile.example does not begin with global options")
	}
	testcaddy.Run(t, sites, options)

	delivery := func(secret, body string) *http.Request {
		return testcaddy.SignedRequest(t, "http://"+address+"/api/webhooks", secret, body)
	}
	get := func(path string) *http.Request {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for _, tt := range []struct {
		name   string
		r      *http.Request
		status int
		text   string
	}{
		{"a user event goes to the first backend", delivery(testcaddy.Secret, testcaddy.UserCreated), 200, "users: msg_1"},
		{"an organization event goes to the second backend", delivery(testcaddy.Secret, `{"type":"organization.created"}`), 200, "organizations: msg_1"},
		{"a membership event goes to the second backend", delivery(testcaddy.Secret, `{"type":"organizationMembership.deleted"}`), 200, "organizations: msg_1"},
		{"any other event is acknowledged", delivery(testcaddy.Secret, `{"type":"session.created"}`), 204, ""},
		{"a forged delivery is refused", delivery(testcaddy.OtherSecret, testcaddy.UserCreated), 403, "403 Forbidden"},
		{"a GET is refused", get("/api/webhooks"), 405, "405 Method Not Allowed"},
		{"a path that begins so is guarded", get("/api/webhooks/"), 405, "405 Method Not Allowed"},
		{"another path leads nowhere", get("/api"), 404, "The webhook endpoint is /api/webhooks."},
		{"Prometheus can scrape", get("/metrics"), 200, `caddy_clerk_webhook_deliveries_total{endpoint="default",outcome="filtered",reason="",type="session.created"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := testcaddy.Send(t, http.DefaultClient, tt.r)
			if a.StatusCode != tt.status {
				t.Errorf("got status %d, want %d", a.StatusCode, tt.status)
			}
			if !strings.Contains(a.Text, tt.text) {
				t.Errorf("got %q, want %q in it", a.Text, tt.text)
			}
		})
	}
}
