package inspector_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// openNamesakes starts Caddy with two sites whose guards have no name and
// secrets of their own, testSecret and otherSecret.
func openNamesakes(t *testing.T) (first, second *desk) {
	t.Helper()
	first = newDesk(t)
	second = &desk{hooks: testcaddy.FreeAddress(t), inspector: first.inspector, client: first.client}
	site := func(hooks, secret, answer string) string {
		return fmt.Sprintf("http://%s {\nclerk_webhook %s {\nsecret %s\ninspect\n}\nrespond %s\n}\n", hooks, hookPath, secret, answer)
	}
	testcaddy.Run(t, site(first.hooks, testcaddy.Secret, "first")+site(second.hooks, testcaddy.OtherSecret, "second")+"http://"+first.inspector+" {\nclerk_webhook_inspector\n}\n")
	return first, second
}

func TestInspectTellsEndpointsOfOneNameApart(t *testing.T) {
	first, second := openNamesakes(t)

	var status struct{ Endpoints []struct{ Name, URL string } }
	first.call(t, http.MethodGet, "api/status", nil, http.StatusOK, &status)
	if e := status.Endpoints; len(e) != 2 || e[0].Name != e[1].Name || e[0].URL == e[1].URL {
		t.Errorf("the status lists %+v", e)
	}
	for _, test := range []struct {
		*desk
		own, foreign string
	}{{first, testcaddy.Secret, testcaddy.OtherSecret}, {second, testcaddy.OtherSecret, testcaddy.Secret}} {
		test.deliver(t, message{body: testcaddy.UserCreated, secret: test.own})
		test.deliver(t, message{body: testcaddy.UserCreated, secret: test.foreign})
		forged := test.last(t)
		if found := forged.Diagnosis; found == nil || len(found.Findings) != 1 || found.Findings[0].Code != "secret_other" {
			t.Errorf("the diagnosis is %+v", found)
		}
		if s := test.act(t, forged.ID, "sign-and-replay", nil); s.Outcome != "forwarded" {
			t.Errorf("signed and replayed: %+v", s)
		}
	}
	for _, d := range []*desk{first, second} {
		for _, query := range []string{"", "?x=1"} {
			var s sent
			d.call(t, http.MethodPost, "api/send", map[string]any{"type": "user.created", "endpoint": "default", "url": "http://" + d.hooks + hookPath + query}, http.StatusOK, &s)
			if s.Outcome != "forwarded" {
				t.Errorf("an example to %s%s: %+v", d.hooks, query, s)
			}
		}
	}
	for name, call := range map[string]map[string]any{
		"without a URL":     {"type": "user.created", "endpoint": "default"},
		"to a URL of other": {"type": "user.created", "endpoint": "default", "url": "http://" + first.inspector + "/"},
	} {
		if code := first.refusal(t, http.MethodPost, "api/send", call, http.StatusConflict); code != "unknown_endpoint" {
			t.Errorf("an example %s: %s", name, code)
		}
	}
}
