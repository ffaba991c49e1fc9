package guard_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/strict"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// Caddy's reverse_proxy passes on the trailers of a request. Some backends take them
// for headers, or for the next request.
func TestStrictDropsTrailers(t *testing.T) {
	for name, test := range map[string]struct {
		site    string // %s is the backend
		arrives bool   // trailers reach the backend
	}{
		"without the directive":          {"reverse_proxy %s", true},
		"for the whole site":             {"reverse_proxy %s\nclerk_webhook_strict", false},
		"for a path":                     {"clerk_webhook_strict /other*\nreverse_proxy %s", false},
		"for another path":               {"clerk_webhook_strict /hooks*\nreverse_proxy %s", true},
		"in front of a handle":           {"handle {\nreverse_proxy %s\n}\nclerk_webhook_strict", false},
		"behind a copy of the request":   {"tracing\nroute {\nclerk_webhook_strict\nreverse_proxy %s\n}", false},
		"in front of a copy":             {"route {\nclerk_webhook_strict\ntracing\nreverse_proxy %s\n}", false},
		"before the body is kept":        {"route {\nclerk_webhook_strict\nvars body {http.request.body}\nreverse_proxy %s\n}", false},
		"after the body was kept":        {"route {\nvars body {http.request.body}\nclerk_webhook_strict\nreverse_proxy %s\n}", false},
		"with buffers":                   {"clerk_webhook_strict\nreverse_proxy %s {\nrequest_buffers 1MiB\n}", false},
		"to an error route":              {"clerk_webhook_strict\nerror 500\nhandle_errors {\nreverse_proxy %s\n}", false},
		"to an error route, with a copy": {"tracing\nclerk_webhook_strict\nerror 500\nhandle_errors {\nreverse_proxy %s\n}", false},
		"in an error route":              {"error 500\nhandle_errors {\nclerk_webhook_strict\nreverse_proxy %s\n}", false},
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

// A handler in front of the guard can copy the request. The error route gets the first
// one, which shares its trailers with the copy.
func TestStrictLeavesNoTrailersOfARejectedRequest(t *testing.T) {
	t.Setenv("OTEL_TRACES_EXPORTER", "none")
	backend := testcaddy.NewBackend(t, nil)
	site := testcaddy.RunSite(t, "tracing\nhandle {\nclerk_webhook_strict\nclerk_webhook {\nsecret "+testcaddy.Secret+"\n}\nrespond 204\n}\nhandle_errors {\nreverse_proxy "+backend.Address+"\n}", "")
	for _, client := range site.Clients {
		for name, secret := range map[string]string{"forged": testcaddy.OtherSecret, "unsigned": ""} {
			r := testcaddy.SignedRequest(t, client.URL+"/hooks", testcaddy.OtherSecret, testcaddy.UserCreated)
			if secret == "" {
				r.Header.Del("Svix-Signature")
			}
			testcaddy.Chunk(r)
			res, err := client.Do(r)
			if err == nil { // else the sender gave up on a body that was refused
				res.Body.Close()
			}
			for _, got := range backend.Take() {
				if len(got.Trailer) > 0 {
					t.Errorf("%s, %s: the error route passed on the trailers %v", client.Name, name, got.Trailer)
				}
			}
		}
	}
}

// A connection that has become HTTP/2 carries requests that no guard sees. With an
// Upgrade, Caddy does not ask the backend to close the connection, so a backend that
// does not read the body takes it for the next request.
func TestStrictLetsOnlyWebSocketsUpgrade(t *testing.T) {
	backend := testcaddy.NewBackend(t, nil)
	site := testcaddy.RunSite(t, "clerk_webhook_strict\nreverse_proxy "+backend.Address, "")
	for _, test := range []struct {
		method, upgrade, body string // body has its header
		want                  string
	}{
		{"GET", "websocket", "\r\n", "websocket"},
		{"GET", "WebSocket", "\r\n", "websocket"},
		{"GET", "websocket", "Content-Length: 0\r\n\r\n", "websocket"},
		{"GET", "websocket", "Content-Length: 2\r\n\r\n{}", ""},
		{"GET", "websocket", "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ""},
		{"POST", "websocket", "Content-Length: 2\r\n\r\n{}", ""},
		{"POST", "websocket", "\r\n", ""},
		{"GET", "h2c", "\r\n", ""},
		{"GET", "TLS/1.0, HTTP/1.1", "\r\n", ""},
		{"GET", "websocket, h2c", "\r\n", ""},
		{"GET", "h2c\r\nUpgrade: websocket", "\r\n", ""},
		{"GET", "websocket\r\nUpgrade: h2c", "\r\n", ""},
		{"GET", "h2c\r\nConnection: HTTP2-More", "\r\n", ""},
	} {
		conn := testcaddy.Dial(t, site.Plain)
		conn.Send(t, test.method+" /other HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: "+test.upgrade+"\r\n"+test.body)
		if _, err := conn.Answer(test.method); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(testcaddy.OnlyRequest(t, backend).Header["Upgrade"], ","); got != test.want {
			t.Errorf("%+v: the backend got %q", test, got)
		}
	}
}

// Some backends take the path of such a header for that of the request.
func TestStrictRemovesHeadersThatReplaceThePath(t *testing.T) {
	backend := testcaddy.NewBackend(t, nil)
	site := testcaddy.RunSite(t, "clerk_webhook_strict\nreverse_proxy "+backend.Address, "expected_underscore_headers x_original_uri")
	for _, name := range []string{"X-Original-URL", "x-original-url", "X-Original-URI", "X-Rewrite-URL", "X-Rewrite-URI", "X_Original_URL", "x_original_uri", "X_Rewrite-URL", "X-Vhm-Root", "x-invoke-path", "X-Matched-Path", "X-MS-Original-URL", "MF-Original-URL", "Daphne-Root-Path"} {
		conn := testcaddy.Dial(t, site.Plain)
		conn.Send(t, "POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Original-Host: kept\r\n"+name+": /api/webhooks\r\nContent-Length: 0\r\n\r\n")
		if _, err := conn.Answer("POST"); err != nil {
			t.Fatal(err)
		}
		got := testcaddy.OnlyRequest(t, backend).Header
		if got.Get("X-Original-Host") != "kept" || strings.Contains(fmt.Sprint(got), "/api/webhooks") {
			t.Errorf("%s: the backend got %v", name, got)
		}
	}
}

// Spring's ForwardedHeaderTransformer makes a URL of what it reads, and lighttpd reads
// each character of a name other than a letter or a digit as _.
func TestStrictRemovesHeadersThatBackendsReadInAnotherWay(t *testing.T) {
	backend := testcaddy.NewBackend(t, nil)
	site := testcaddy.RunSite(t, "clerk_webhook_strict\nreverse_proxy "+backend.Address, "trusted_proxies static private_ranges\nexpected_underscore_headers x_other\nexpected_dot_headers x.other")
	for line, isKept := range map[string]bool{
		`Forwarded: host="localhost/api/webhooks?"`: false,
		`Forwarded: for=192.0.2.43;host=x/api`:      false,
		`Forwarded: host=x, host="localhost/api?"`:  false,
		`Forwarded: host=x#`:                        false,
		`Forwarded: host="x\\api"`:                  false,
		`Forwarded: host=x%2fapi`:                   false,
		`Forwarded: proto="http://h/api?"`:          false,
		`Forwarded: host=user@x`:                    false,
		"X-Forwarded-Host: localhost/api/webhooks?": false,
		"X-Forwarded-Port: 80/api/webhooks?":        false,
		"X-Forwarded-Scheme: http://h/api?":         false,
		"X-Forwarded-Proto: http://h/api/webhooks?": false,
		"Webhook~Verified: true":                    false,
		"X~Original~URL: /api":                      false,
		"X|Other: 1":                                false,
		`Forwarded: for=192.0.2.43;host="h.example:80";proto=https, for="[2001:db8::1]:80";by=_a-b`: true,
		"X-Forwarded-Host: h.example:80, h-2.example":                                               true,
		"X-Forwarded-Port: 8443":    true,
		"X-Forwarded-Prefix: /app":  true,
		"X-Forwarded-Proto: https":  true,
		"X_Other: 1":                true,
		"X.Other: 1":                true,
		"X-Other-2: /api/webhooks?": true,
	} {
		conn := testcaddy.Dial(t, site.Plain)
		conn.Send(t, "POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\n"+line+"\r\nContent-Length: 0\r\n\r\n")
		if answer, err := conn.Answer("POST"); err != nil || answer.StatusCode != http.StatusOK {
			t.Fatalf("%s: %v, %v", line, answer.Response, err)
		}
		name, value, _ := strings.Cut(line, ": ")
		got := testcaddy.OnlyRequest(t, backend).Header
		if slices.Contains(got[http.CanonicalHeaderKey(name)], value) != isKept {
			t.Errorf("%s: the backend got %v", line, got)
		}
	}
}

// A stranger sends no paths of proxies. Quarkus adds the slash to a prefix itself.
func TestStrictRemovesThePathsOfProxiesThatAreNotTrusted(t *testing.T) {
	backend := testcaddy.NewBackend(t, nil)
	site := testcaddy.RunSite(t, "clerk_webhook_strict\nreverse_proxy "+backend.Address, "trusted_proxies static 192.0.2.1\nexpected_underscore_headers x_forwarded_prefix\nexpected_dot_headers x.forwarded.prefix")
	conn := testcaddy.Dial(t, site.Plain)
	for _, line := range []string{"X-Forwarded-Prefix: /api", "X-Forwarded-Prefix: api", "X_Forwarded_Prefix: api", "X.Forwarded.Prefix: api", "X-Forwarded-Path: /api", "X-Forwarded-Uri: api/webhooks"} {
		conn.Send(t, "POST /webhooks HTTP/1.1\r\nHost: 127.0.0.1\r\n"+line+"\r\nX-Forwarded-Port: 8443\r\nContent-Length: 0\r\n\r\n")
		if _, err := conn.Answer("POST"); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(testcaddy.OnlyRequest(t, backend).Header); strings.Contains(got, "api") || !strings.Contains(got, "8443") {
			t.Errorf("%s: the backend got %v", line, got)
		}
	}
}

// A WebSocket is the only CONNECT that passes. With HTTP/1.1, Caddy itself reads its body
// as the next request, which meets the guard.
func TestStrictRefusesConnect(t *testing.T) {
	backend := testcaddy.NewBackend(t, nil)
	site := testcaddy.RunSite(t, "clerk_webhook_strict\nclerk_webhook /api/webhooks* {\nsecret "+testcaddy.Secret+"\n}\nreverse_proxy "+backend.Address, "")
	for _, client := range site.Clients {
		for _, path := range []string{"", "/", "/other", "/api/webhooks"} {
			for _, protocol := range []string{"", "foo", "h2c", "WebSocket", "websockets"} {
				if status := testcaddy.SendConnect(t, client, path, protocol); status != 0 && (status < 400 || status >= 500) {
					t.Errorf("%s, CONNECT %s with %q: the answer is %d", client.Name, path, protocol, status)
				}
				testcaddy.WantNothing(t, backend)
			}
		}
	}
	http3 := site.Clients[len(site.Clients)-1]
	testcaddy.SendConnect(t, http3, "/other", "websocket")
	if r := testcaddy.OnlyRequest(t, backend); r.Method != http.MethodGet || r.Header.Get("Upgrade") != "websocket" {
		t.Errorf("a WebSocket reached the backend as %s with the headers %v", r.Method, r.Header)
	}
}

// The backend reads the body after it has answered the CONNECT.
func TestConnectForgesADeliveryWithoutStrict(t *testing.T) {
	backend := testcaddy.NewBackend(t, nil)
	site := testcaddy.RunSite(t, "clerk_webhook /api/webhooks* {\nsecret "+testcaddy.Secret+"\n}\nreverse_proxy "+backend.Address, "")
	testcaddy.SendConnect(t, site.Clients[len(site.Clients)-1], "/other", "")
	testcaddy.Await(t, "the delivery in the body of a CONNECT", func() bool {
		return slices.ContainsFunc(backend.Take(), func(r testcaddy.Received) bool {
			return r.Method == http.MethodPost && r.RequestURI == "/api/webhooks"
		})
	})
}

// What is refused does not reach an error route either.
func TestStrictRefusesTargets(t *testing.T) {
	backend := testcaddy.NewBackend(t, nil)
	site := testcaddy.RunSite(t, "clerk_webhook_strict {\npaths /api/webhooks /kapı /a%23b%20c /api/clerk-hook_2 /clerk /~\n}\nreverse_proxy "+backend.Address+"\nhandle_errors {\nreverse_proxy "+backend.Address+"\n}", "")
	for line, want := range map[string]int{
		"POST http:http://h/api/webhooks": 400, "POST http://127.0.0.1": 400, "POST http:?x": 400, "POST x:y": 400, "OPTIONS http:*": 400,
		"CONNECT 127.0.0.1:80": 405, "CONNECT /api/webhooks": 405,

		"POST /api//../webhooks": 400, "POST /api//%2E%2e/webhooks": 400, "POST /api/webhooks/x//../..": 400, "POST /api/webhooks/../x": 400,
		"POST /x/..": 400, "GET /./x": 400, "POST /x/..;/api/webhooks": 400, "POST /x/..;y": 400, `POST /x\..\api/webhooks`: 400,

		"POST /index.php/api/webhooks": 400, "POST /INDEX.PHP/api/webhooks": 400, "POST /index.phpapi/webhooks": 400, "POST /app.php5api%2fwebhooks": 400, "GET /index.phpapi": 200,
		"POST /api;x/webhooks": 400, "POST //x/api/webhooks": 400,
		"POST /api%5cwebhooks": 400, "POST /api/webhook%C5%BF": 400, "POST /KAPI": 400, "GET /index.php/kap%C4%B1": 400, "POST /x.php/a%23b%20c": 400,

		"POST /api/web-hooks": 400, "POST /api/web_hooks/x": 400, "POST /API/~web%20hook.s": 400, "POST /index.php/api/web-hooks": 400, "POST /api;x/web-hooks": 400,
		"POST /api/web%80hooks": 400, "POST /%ffapi%C3%A9/webhooks": 400, "POST /api/web%00hooks": 400, "POST /x%80/api/webhooks": 200,
		"POST /_next/data/x-1/api/webhooks.json": 400, "POST /_next/data/x-1/en-US/api/webhooks.json": 400, "POST /_next/data/x-1/index/api/webhooks.json": 400, "POST /api/_next/data/x/webhooks.json": 400,
		"POST /_next/data/a/_next/data/b/fr/api/webhooks.json.json": 400, "POST /_next/data/x/api/web-hooks": 400, "POST /%5Fnext//data/x/api;y/webhooks": 400,
		"GET /_next/data/x-1/docs/api/webhooks.json": 200, "GET /_next/data/x-1/other.json": 200, "GET /_next/data/api/webhooks": 200, "GET /_next/static/api/webhooks.js": 200,
		"POST /@clerk": 400, "POST /c-lerk": 400, "GET /__clerk/v1/client": 200, "GET /_clerk": 200,
		"POST /api/clerk_hook_2": 400, "POST /api/clerk.hook~2": 400, "POST /api/clerkHook2.json": 400, "GET /api//clerk--hook2": 400,
		"POST /api/clerk_hook_2s": 400, "POST /api/clerkhook.23": 400, "POST /api/clerk-hook-": 200, "POST /api-webhooks": 200, "POST /a-pi/web/hooks": 200, "POST /x/api/web-hooks": 200, "POST /-": 200, "POST /~": 200,
		"POST /api/web-hooks?" + strings.Repeat("a", 9<<10): 400, "POST /api/web-hooks/" + strings.Repeat("a", 9<<10): 400,

		// What the guard covers is not the concern of this handler.
		"POST /api/webhooks": 200, "POST /API//webhooks/": 200, "POST /api/webhooks;x": 200, "POST /api%2fwebhooks.json": 200, "POST /kap%C4%B1": 200, "POST /a%23b%20c": 200,

		"GET /x;" + strings.Repeat("a", 2<<10-3): 200, "GET /x;" + strings.Repeat("a", 2<<10-2): 400, "GET /x?;" + strings.Repeat("a", 10<<10): 200,

		"GET /": 200, "GET /index.php/api": 200, "POST /v1/api/webhooks": 200, "GET /a.b/..c": 200, "GET /.well-known/x": 200, "GET //": 200, "GET /a;b/c": 200,
	} {
		conn := testcaddy.Dial(t, site.Plain)
		conn.Send(t, line+" HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n")
		answer, err := conn.Answer("POST")
		if err != nil || answer.StatusCode != want {
			t.Errorf("%.100s: %v, %v, want %d", line, answer.Response, err, want)
		}
		if n := len(backend.Take()); (n == 1) != (want == 200) {
			t.Errorf("%.100s: %d requests reached the backend", line, n)
		}
	}
}

// A sender that goes silent gets its answer, and its connection ends. With full duplex,
// net/http panics if the next request comes while it still reads an unread body.
func TestStrictAnswersSilentSenders(t *testing.T) {
	backend := testcaddy.NewBackend(t, nil)
	for _, option := range []string{"", "enable_full_duplex"} {
		site := testcaddy.RunSite(t, "clerk_webhook_strict\nreverse_proxy "+backend.Address, option)
		for name, rest := range map[string]string{
			"a silent sender":           "Content-Length: 1000\r\n\r\n{}",
			"a silent sender of chunks": "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
			"a pipeline":                "Content-Length: 2\r\n\r\n{}POST /other HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{}",
		} {
			for range 3 {
				conn := testcaddy.Dial(t, site.Plain)
				conn.Send(t, "POST /a/../b HTTP/1.1\r\nHost: 127.0.0.1\r\n"+rest)
				if answer, err := conn.Answer("POST"); err != nil || answer.StatusCode != http.StatusBadRequest {
					t.Fatalf("%s, %q: %v, %v", name, option, answer.Response, err)
				}
			}
		}
	}
}

func TestMistakesOfStrict(t *testing.T) {
	for name, test := range map[string]struct{ directive, want string }{
		"an argument":               {"on", "takes a matcher and a block"},
		"an argument and a matcher": {"/other* on", "takes a matcher and a block"},
		"a secret":                  {testcaddy.Secret, "not a secret"},
		"a secret as a matcher":     {"@" + testcaddy.Secret, "unrecognized matcher name"},
		"a secret in a matcher":     {"/" + testcaddy.Secret, "a secret does not belong here"},
		"a query in the matcher":    {"/other?x", "a path has no query"},
		"an unknown option":         {"{\npath /x\n}", "unrecognized clerk_webhook_strict option 'path': the only option is paths"},
		"no path":                   {"{\npaths\n}", "write paths <path...>"},
		"a path without a slash":    {"{\npaths api\n}", "Caddyfile:3"},
		"the whole site":            {"{\npaths /\n}", "such as /api/webhooks"},
		"a slash at the end":        {"{\npaths /x /api/webhooks/\n}", "write /api/webhooks without the slash at its end"},
		"a name of a route":         {"{\npaths /api/:tenant/webhooks\n}", "has ':', but a path matcher knows no routes"},
		"an encoded name":           {"{\npaths /api/%5Btenant%5D/webhooks\n}", "has '[', but a path matcher knows no routes"},
		"a doubled slash":           {"{\npaths /api//webhooks\n}", "has a doubled slash or dots"},
		"dots":                      {"{\npaths /x/../api/webhooks\n}", "has a doubled slash or dots"},
		"an asterisk":               {"{\npaths /x /api/webhooks*\n}", "write only the part before it"},
		"a query":                   {"{\npaths /x?y\n}", "write only the part before it"},
		"a path parameter":          {"{\npaths /x;y\n}", "write only the part before it"},
		"a placeholder":             {"{\npaths /{http.request.host}\n}", "write only the part before it"},
		"an encoded asterisk":       {"{\npaths /x%2a\n}", "only a character other than"},
		"a broken code":             {"{\npaths /x%2\n}", "only a character other than"},
		"a secret as a path":        {"{\npaths /" + testcaddy.Secret + "\n}", "a secret does not belong here"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := testcaddy.Adapt("http://localhost:1 {\nclerk_webhook_strict " + test.directive + "\n}\n")
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), testcaddy.Secret) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// FuzzStrictRefusesLookalikes looks for targets that some backend takes for its webhook,
// and that neither the guard nor the handler stops.
func FuzzStrictRefusesLookalikes(f *testing.F) {
	for _, target := range []string{"/api/webhooks", "/api;x/webhooks", "//x/api/webhooks", "/index.php/api/webhooks", "/index.phpapi/webhooks", "/x/..;/api/webhooks", "/api//../webhooks", `/api\webhooks`, "/api/webhook%C5%BF", "/api%5cwebhooks", "/api/web-hooks", "/_next/data/b/api/webhooks.json", "/api/webhooks/../x", "http:http://h/api/webhooks"} {
		f.Add(target)
	}
	handler := &strict.Handler{Paths: []string{webhookPath}}
	guarded := caddyhttp.MatchPath{webhookPath + "*"}
	ctx, cancel := caddy.NewContext(caddy.Context{Context: f.Context()})
	defer cancel()
	if err := errors.Join(handler.Provision(ctx), guarded.Provision(ctx)); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, target string) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("POST " + target + " HTTP/1.1\r\nHost: h\r\n\r\n")))
		if err != nil || r.RequestURI != target || strings.Contains(target, "?") || strings.Contains(target, "%25") {
			return // docs/security.md says that paths from the query and paths that are encoded twice pass
		}
		r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), nil, nil)
		isGuarded, err := guarded.MatchWithError(r)
		if isGuarded || err != nil {
			return
		}
		next := caddyhttp.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
			for name, takes := range routers {
				if takes(r.RequestURI) {
					t.Errorf("%s: %q passes", name, r.RequestURI)
				}
			}
			return nil
		})
		if err := handler.ServeHTTP(httptest.NewRecorder(), r, next); err != nil {
			t.Error(err)
		}
	})
}
