package inspector_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// What the inspector sends must not reach the other sites of this Caddy, which may
// trust this machine.
func TestSendReachesOnlyGuardedEndpoints(t *testing.T) {
	internal := testcaddy.NewBackend(t, nil)
	site, other := testcaddy.FreeAddress(t), testcaddy.FreeAddress(t)
	guard := func(options string) string {
		return fmt.Sprintf("clerk_webhook {\nname %s\nsecret %s\ninspect\n}\n", options, testcaddy.Secret)
	}
	proxy := "reverse_proxy " + internal.Address + "\n"
	d := &desk{inspector: testcaddy.FreeAddress(t), client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	testcaddy.Run(t, fmt.Sprintf(`
&(hooks) {
	route {
		%s
		respond guarded
	}
}
&(for-ever) {
	invoke for-ever
}
http://:%s {
	@named host named.internal
	handle @named {
		%s
	}
	handle /hook* {
		%s
		respond guarded
	}
	handle /unrecorded {
		clerk_webhook {
			secret %s
		}
		%s
	}
	handle /first {
		route {
			%s
			%s
		}
	}
	handle /invoked {
		invoke hooks
	}
	handle /for-ever {
		invoke for-ever
	}
	handle /rewritten/* {
		uri strip_prefix /rewritten
		handle /hook {
			%s
			respond guarded
		}
	}
	handle /map {
		map {path} {kind} {
			/map hook
		}
		@hook vars {kind} hook
		route {
			route @hook {
				%s
			}
			respond guarded
		}
	}
	handle {
		%s
	}
}
http://%s {
	%s
}
http://%s {
	clerk_webhook_inspector
}
`, guard("invoked"), testcaddy.Port(site), proxy, guard("hook"), testcaddy.Secret, proxy, proxy, guard("late"), guard("rewritten"), guard("mapped"), proxy, other, proxy, d.inspector))
	for _, test := range []struct {
		name, url string
		guarded   bool
	}{
		{"an endpoint", "http://localhost:" + testcaddy.Port(site) + "/hook", true},
		{"an endpoint by another name", "http://anything.internal:" + testcaddy.Port(site) + "/hook/1", true},
		{"an endpoint behind a rewrite", "http://" + site + "/rewritten/hook", true},
		{"an endpoint behind a map", "http://" + site + "/map", true},
		{"an endpoint in a named route", "http://" + site + "/invoked", true},
		{"another path", "http://" + site + "/internal", false},
		{"another path behind a rewrite", "http://" + site + "/rewritten/internal", false},
		{"another host", "http://named.internal:" + testcaddy.Port(site) + "/hook", false},
		{"another site", "http://" + other + "/hook", false},
		{"the inspector", "http://" + d.inspector + "/api/send", false},
		{"an endpoint without inspect", "http://" + site + "/unrecorded", false},
		{"a proxy in front of the guard", "http://" + site + "/first", false},
		{"a named route that invokes itself", "http://" + site + "/for-ever", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			call := map[string]any{"type": "user.created", "endpoint": "hook", "url": test.url}
			if test.guarded {
				var s sent
				d.call(t, http.MethodPost, "api/send", call, http.StatusOK, &s)
				if !s.Guarded || s.Answer.Body.Text != "guarded" {
					t.Errorf("%+v", s)
				}
				internal.Take()
				return
			}
			if code := d.refusal(t, http.MethodPost, "api/send", call, http.StatusConflict); code != "not_guarded" {
				t.Errorf("code %s", code)
			}
			testcaddy.WantNothing(t, internal)
		})
	}
}

func TestReplaySaysThatSomethingInFrontHasAnswered(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	d.deliver(t, message{body: testcaddy.UserCreated})
	id := d.last(t).ID
	// The hash is that of "desk", at the lowest cost.
	d.load(t, testcaddy.Replace(t, d.caddyfile("", "respond ok"), "handle /webhooks/* {", "route /webhooks/* {\nbasic_auth {\nada $2a$04$ml06oNApvh8zKzJGw9D0KOs9rNsIHmkjOisUKE0oG/a85V2LuM6ty\n}"))
	if s := d.act(t, id, "replay", nil); s.Guarded || s.Entry != "" || s.Answer.Status != http.StatusUnauthorized || !strings.Contains(s.Note, "in front of the endpoint") {
		t.Errorf("%+v", s)
	}
}

// deskBesideAnUnguardedSite returns a desk whose site guards only requests for which the
// expression is true. An internal backend gets the others, and those that fail.
func deskBesideAnUnguardedSite(t *testing.T, expression string) (d *desk, internal *testcaddy.Backend) {
	t.Helper()
	internal, d = testcaddy.NewBackend(t, nil), newDesk(t)
	testcaddy.Run(t, fmt.Sprintf(`
http://:%s {
	@guarded expression %s
	handle @guarded {
		clerk_webhook {
			secret production %s
			inspect
		}
		respond guarded
	}
	handle {
		reverse_proxy %s
	}
	handle_errors {
		reverse_proxy %s
	}
}
http://%s {
	clerk_webhook_inspector
}`, testcaddy.Port(d.hooks), expression, testcaddy.Secret, internal.Address, internal.Address, d.inspector))
	return d, internal
}

// Before any route, Caddy refuses some hosts and drops some headers. What it leads
// elsewhere by that is not sent.
func TestSendAndReplayForeseeWhatCaddyDoesBeforeTheRoutes(t *testing.T) {
	d, internal := deskBesideAnUnguardedSite(t, `{http.request.header.X-Lane} != "canary" || {http.request.header.X_Beta} == "1"`)
	port := testcaddy.Port(d.hooks)
	for _, host := range []string{"...", ".", `a"b`} {
		call := map[string]any{"url": "http://" + host + ":" + port + "/hook", "type": "user.created"}
		if code := d.refusal(t, http.MethodPost, "api/send", call, http.StatusConflict); code != "not_guarded" {
			t.Errorf("host %s: code %s", host, code)
		}
	}
	d.deliver(t, message{body: testcaddy.UserCreated})
	edits := map[string]any{"headers": map[string]any{"X-Lane": "canary", "X_Beta": "1"}}
	if code := d.refusal(t, http.MethodPost, "api/entries/"+d.last(t).ID+"/replay", edits, http.StatusConflict); code != "not_guarded" {
		t.Errorf("replay: code %s", code)
	}
	testcaddy.WantNothing(t, internal)
}

// What the routes do can depend on what is known only when they handle the request. The
// body is for guards only, so nothing else gets a signed delivery.
func TestNothingButAGuardGetsTheBodyOfAReplay(t *testing.T) {
	// Caddy sets this header of the answer before the routes.
	d, internal := deskBesideAnUnguardedSite(t, `{http.response.header.Server} != "Caddy"`)
	var s sent
	d.call(t, http.MethodPost, "api/send", map[string]any{"url": "http://" + d.hooks + "/hook", "type": "user.created"}, http.StatusOK, &s)
	if s.Guarded || s.Answer.Status != http.StatusBadGateway {
		t.Errorf("%+v", s)
	}
	for _, got := range internal.Take() {
		if len(got.Payload) != 0 || got.Err == nil {
			t.Errorf("the backend got %d bytes, error %v", len(got.Payload), got.Err)
		}
	}
}

func TestReplayPassesHandlersThatReadTheBodyBeforeTheGuard(t *testing.T) {
	backend := testcaddy.NewBackend(t, nil)
	d := newDesk(t)
	for name, inFront := range map[string]string{
		"a placeholder":                "vars copy {http.request.body}",
		"a placeholder and its limit":  "request_body {\nmax_size 1MB\n}\nvars copy {http.request.body}",
		"a limit, which reads nothing": "request_body {\nmax_size 1MB\n}",
	} {
		t.Run(name, func(t *testing.T) {
			testcaddy.Run(t, fmt.Sprintf(`
http://%s {
	route {
		%s
		clerk_webhook {
			secret production %s
			inspect
		}
		reverse_proxy %s
	}
}
http://%s {
	clerk_webhook_inspector
}`, d.hooks, inFront, testcaddy.Secret, backend.Address, d.inspector))
			d.deliver(t, message{body: testcaddy.UserCreated})
			first := backend.Take()
			s := d.act(t, d.last(t).ID, "replay", nil)
			if !s.Guarded || s.Outcome != "forwarded" {
				t.Fatalf("%+v", s)
			}
			if second := backend.Take(); len(first) != 1 || len(second) != 1 || !bytes.Equal(first[0].Payload, second[0].Payload) {
				t.Errorf("the backend got %d and %d deliveries, or another body", len(first), len(second))
			}
		})
	}
}
