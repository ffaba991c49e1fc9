package inspector_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// The search for a guard passes forward_auth, which asks another server and hands the
// request on. It must not pass any other proxy.
func TestSendPassesForwardAuthAndNoOtherProxy(t *testing.T) {
	for _, test := range []struct {
		name, inFront string
		asks          string // what reaches the other server, if anything does
	}{
		{"forward_auth", "forward_auth {$INTERNAL} {\nuri /check?path={uri}\ncopy_headers X-User\n}", "GET /check?path=%2Fwebhooks%2Fclerk"},
		{"forward_auth that asks for any path", "forward_auth {$INTERNAL} {\nuri {uri}\n}", ""},
		{"forward_auth with a page for those who are refused", "forward_auth {$INTERNAL} {\nuri /check\n@denied status 4xx\nhandle_response @denied {\nreverse_proxy {$INTERNAL}\n}\n}", ""},
		{"a proxy", "reverse_proxy {$INTERNAL}", ""},
		{"a proxy that uses GET", "reverse_proxy {$INTERNAL} {\nmethod GET\nrewrite /page\n}", ""},
		{"a proxy with another answer", "reverse_proxy {$INTERNAL} {\nmethod GET\nrewrite /page\n@found status 2xx\nhandle_response @found {\nrespond page\n}\n}", ""},
		{"a proxy that hands on what is not found", "reverse_proxy {$INTERNAL} {\nmethod GET\nrewrite /page\n@failed status 404\nhandle_response @failed {\nvars failed yes\n}\n}", ""},
		{"a proxy with another status", "reverse_proxy {$INTERNAL} {\nmethod GET\nrewrite /page\n@found status 2xx\nreplace_status @found 202\n}", ""},
		{"a proxy that sends the body on", "reverse_proxy {$INTERNAL} {\nrewrite /page\n@found status 2xx\nhandle_response @found {\nvars found yes\n}\n}", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			internal := testcaddy.NewBackend(t, nil)
			d := newDesk(t)
			inFront := strings.ReplaceAll(test.inFront, "{$INTERNAL}", internal.Address)
			testcaddy.Run(t, testcaddy.Replace(t, d.caddyfile("", "respond guarded"), "handle /webhooks/* {", "route /webhooks/* {\n"+inFront))
			call := map[string]any{"type": "user.created", "endpoint": "default", "url": "http://" + d.hooks + hookPath}
			if test.asks == "" {
				if code := d.refusal(t, http.MethodPost, "api/send", call, http.StatusConflict); code != "not_guarded" {
					t.Errorf("code %s", code)
				}
				testcaddy.WantNothing(t, internal)
				return
			}
			var s sent
			d.call(t, http.MethodPost, "api/send", call, http.StatusOK, &s)
			if !s.Guarded || s.Outcome != "forwarded" || s.Answer.Body.Text != "guarded" {
				t.Errorf("%+v", s)
			}
			asked := testcaddy.OnlyRequest(t, internal)
			if got := asked.Method + " " + asked.RequestURI; got != test.asks || len(asked.Payload) != 0 {
				t.Errorf("%s with %d bytes reached the other server", got, len(asked.Payload))
			}
		})
	}
}
