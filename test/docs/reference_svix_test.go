package docs_test

import (
	"net/http"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// docs/reference.md says which headers of an answer Svix obeys.
func TestHeadersThatSvixObeysReachIt(t *testing.T) {
	want := map[string]string{"Retry-After": "120", "Webhook-Delivery": "abort-message"}
	backend := testcaddy.NewBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		for name, value := range want {
			w.Header().Set(name, value)
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	for _, option := range []string{"", "deduplicate", "report_only", "inspect"} {
		t.Run(option, func(t *testing.T) {
			address := testcaddy.FreeAddress(t)
			testcaddy.Run(t, "http://"+address+" {\nclerk_webhook {\nsecret "+testcaddy.Secret+"\n"+option+"\n}\nreverse_proxy "+backend.Address+"\n}\n")
			a := testcaddy.Send(t, testcaddy.NewConnections, testcaddy.SignedRequest(t, "http://"+address, testcaddy.Secret, testcaddy.UserCreated))
			if a.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("got %s", a.Status)
			}
			for name, value := range want {
				if got := a.Header.Get(name); got != value {
					t.Errorf("%s is %q, want %q", name, got, value)
				}
			}
		})
	}
}
