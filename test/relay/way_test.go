package relay_test

import (
	"net/http"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

func TestListenersComeByManyWays(t *testing.T) {
	guard := "clerk_webhook /hooks* {\nsecret " + testcaddy.Secret + "\nrelay\n}\n"
	site := testcaddy.RunSite(t, guard, "")
	site.Reload(t, guard+"handle /proxied/* {\nuri strip_prefix /proxied\nreverse_proxy https://"+site.Secure+
		" {\ntransport http {\ntls_insecure_skip_verify\nversions 1.1\n}\n}\n}")
	for name, url := range map[string]string{
		"without TLS":             "http://" + site.Plain + "/hooks",
		"with TLS":                "https://" + site.Secure + "/hooks",
		"through a reverse proxy": "http://" + site.Plain + "/proxied/hooks",
		"TLS and a reverse proxy": "https://" + site.Secure + "/proxied/hooks",
	} {
		t.Run(name, func(t *testing.T) {
			var client http.Client
			for _, c := range site.Clients {
				if c.Name == "HTTP/1.1" {
					client = *c.Client
				}
			}
			w := listenBy(t, &client, url, testcaddy.Secret, "")
			answers := deliver(t, "http://"+site.Plain+"/hooks", testcaddy.UserCreated)
			w.answer(t, w.receive(t), http.StatusAccepted, "")
			if got := <-answers; got.StatusCode != http.StatusAccepted {
				t.Errorf("the sender got %d", got.StatusCode)
			}
			_ = w.CloseNow()
		})
	}
}
