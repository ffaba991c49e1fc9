package guard_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// Caddy's reverse_proxy passes on the trailers of a request. Some backends take them
// for headers, or for the next request.
func TestDropTrailers(t *testing.T) {
	for name, test := range map[string]struct {
		site    string // %s is the backend
		arrives bool   // trailers reach the backend
	}{
		"without the directive":          {"reverse_proxy %s", true},
		"for the whole site":             {"reverse_proxy %s\nclerk_webhook_drop_trailers", false},
		"for a path":                     {"clerk_webhook_drop_trailers /other*\nreverse_proxy %s", false},
		"for another path":               {"clerk_webhook_drop_trailers /hooks*\nreverse_proxy %s", true},
		"in front of a handle":           {"handle {\nreverse_proxy %s\n}\nclerk_webhook_drop_trailers", false},
		"behind a copy of the request":   {"tracing\nroute {\nclerk_webhook_drop_trailers\nreverse_proxy %s\n}", false},
		"in front of a copy":             {"route {\nclerk_webhook_drop_trailers\ntracing\nreverse_proxy %s\n}", false},
		"before the body is kept":        {"route {\nclerk_webhook_drop_trailers\nvars body {http.request.body}\nreverse_proxy %s\n}", false},
		"after the body was kept":        {"route {\nvars body {http.request.body}\nclerk_webhook_drop_trailers\nreverse_proxy %s\n}", false},
		"with buffers":                   {"clerk_webhook_drop_trailers\nreverse_proxy %s {\nrequest_buffers 1MiB\n}", false},
		"to an error route":              {"clerk_webhook_drop_trailers\nerror 500\nhandle_errors {\nreverse_proxy %s\n}", false},
		"to an error route, with a copy": {"tracing\nclerk_webhook_drop_trailers\nerror 500\nhandle_errors {\nreverse_proxy %s\n}", false},
		"in an error route":              {"error 500\nhandle_errors {\nclerk_webhook_drop_trailers\nreverse_proxy %s\n}", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("OTEL_TRACES_EXPORTER", "none")
			backend := testcaddy.NewBackend(t, nil)
			site := testcaddy.RunSite(t, strings.ReplaceAll(test.site, "%s", backend.Address), "")
			for _, client := range site.Clients {
				got := sendTrailers(t, client, backend)
				if arrives := len(got.Trailer) > 0 || got.Header.Get("Trailer") != ""; arrives != test.arrives {
					t.Errorf("%s: the trailers %v and the header Trailer %q arrived", client.Name, got.Trailer, got.Header.Get("Trailer"))
				}
			}
		})
	}
}

func TestMistakesOfDropTrailers(t *testing.T) {
	for name, directive := range map[string]string{
		"an argument":               "on",
		"an argument and a matcher": "/other* on",
		"a block":                   "{\non\n}",
		"a secret":                  testcaddy.Secret,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := testcaddy.Adapt("http://localhost:1 {\nclerk_webhook_drop_trailers " + directive + "\n}\n")
			if err == nil || !strings.Contains(err.Error(), "takes nothing but a matcher") || strings.Contains(err.Error(), testcaddy.Secret) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// sendTrailers sends a body with announced trailers, and returns what the backend got.
func sendTrailers(t *testing.T, client testcaddy.Client, backend *testcaddy.Backend) testcaddy.Received {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, client.URL+"/other", io.NopCloser(strings.NewReader("body")))
	if err != nil {
		t.Fatal(err)
	}
	r.Trailer = http.Header{"X-Original-Url": {"/hooks"}}
	testcaddy.Send(t, client.Client, r)
	got := testcaddy.OnlyRequest(t, backend)
	if string(got.Payload) != "body" {
		t.Errorf("%s: the body %q arrived", client.Name, got.Payload)
	}
	return got
}
