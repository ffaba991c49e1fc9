package docs_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// TestEveryTestThatSecurityNamesExists keeps docs/security.md from promising
// what no test checks any more.
func TestEveryTestThatSecurityNamesExists(t *testing.T) {
	text := testcaddy.ReadFile(t, "docs/security.md")
	for _, match := range regexp.MustCompile("`(Test[A-Za-z0-9]+)`(?: \\(([a-z0-9/.]+)\\))?").FindAllStringSubmatch(text, -1) {
		name, folder := match[1], match[2]
		t.Run(name, func(t *testing.T) {
			if !hasTest(t, folder, name) {
				t.Errorf("there is no %s in %q", name, "./"+folder)
			}
		})
	}
	for _, match := range regexp.MustCompile("`(e2e/[a-z/]+)").FindAllStringSubmatch(text, -1) {
		if _, err := os.Stat(match[1]); err != nil {
			t.Error(err)
		}
	}
	_, table, _ := strings.Cut(text, "| Guarantee | Tests |\n|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	for row := range strings.Lines(table) {
		if !strings.Contains(row, "`Test") {
			t.Errorf("no test checks %s", row)
		}
	}
}

func hasTest(t *testing.T, folder, name string) bool {
	t.Helper()
	pattern := filepath.Join(folder, "*_test.go")
	if folder == "" {
		pattern = "test/*/*_test.go"
	}
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.Contains(testcaddy.ReadFile(t, file), "\nfunc "+name+"(t *testing.T) {") {
			return true
		}
	}
	return false
}

// TestDocumentedWaysAroundPathMatchers checks what docs/security.md advises for
// targets that no matcher covers.
func TestDocumentedWaysAroundPathMatchers(t *testing.T) {
	targets := []string{"/api/webhooks", "/api/webhooks/", "/api/webhooks;x", "/api;x/webhooks", "//x/api/webhooks", "/api/%2577ebhooks", "/x/..;/api/webhooks", "/api%5cwebhooks", `/api\webhooks`}
	for heading, isTrusted := range map[string]func(upstream string, r testcaddy.Received) bool{
		"A backend for webhooks only": func(upstream string, _ testcaddy.Received) bool { return upstream == "localhost:4000" },
		"A header that only Caddy sets": func(_ string, r testcaddy.Received) bool {
			return strings.Join(r.Header["Webhook-Verified"], ",") == "true"
		},
	} {
		t.Run(heading, func(t *testing.T) {
			s := newSite(t, blockUnder(t, heading).text)
			testcaddy.Run(t, s.caddyfile)
			trusted := func() (n int) {
				for upstream, b := range s.backends {
					for _, r := range b.Take() {
						if isTrusted(upstream, r) {
							n++
						}
					}
				}
				return n
			}
			for _, target := range targets {
				conn := testcaddy.Dial(t, strings.TrimPrefix(s.url, "http://"))
				conn.Send(t, "POST "+target+" HTTP/1.1\r\nHost: 127.0.0.1\r\nWebhook-Verified: true\r\nContent-Length: 0\r\n\r\n")
				if _, err := conn.Answer("POST"); err != nil {
					t.Fatal(err)
				}
				if trusted() > 0 {
					t.Errorf("the backend trusts an unsigned request to %s", target)
				}
			}
			testcaddy.Send(t, http.DefaultClient, s.request(t, promise{}))
			if n := trusted(); n != 1 {
				t.Errorf("the backend trusts %d of 1 genuine delivery", n)
			}
		})
	}
}

// Without the documented lines, most of these targets reach the backend.
func TestTargetsWithoutAPathAreRefused(t *testing.T) {
	s := newSite(t, blockUnder(t, "Without targets that have no path").text)
	testcaddy.Run(t, s.caddyfile)
	backend := s.backends["localhost:3000"]
	for line, status := range map[string]int{
		"POST http:http://h/api/webhooks": 400,
		"POST http://127.0.0.1":           400,
		"POST http:?x":                    400,
		"POST x:y":                        400,
		"OPTIONS http:*":                  400,
		"CONNECT 127.0.0.1:80":            400,
		"CONNECT /api/webhooks":           405,
		"OPTIONS *":                       200,
	} {
		conn := testcaddy.Dial(t, strings.TrimPrefix(s.url, "http://"))
		conn.Send(t, line+" HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n")
		answer, err := conn.Answer("POST")
		if err != nil || answer.StatusCode != status {
			t.Errorf("%s: %v, %v, want %d", line, answer.Response, err, status)
		}
		testcaddy.WantNothing(t, backend)
	}
	testcaddy.Send(t, http.DefaultClient, s.request(t, promise{}))
	testcaddy.OnlyRequest(t, backend)
}

func TestPathsWithDotsAreRefused(t *testing.T) {
	s := newSite(t, blockUnder(t, "Without dots in paths").text)
	testcaddy.Run(t, s.caddyfile)
	for _, target := range []string{"/api//../webhooks", "/api//%2E%2e/webhooks", "/api/webhooks/x//../..", "/api/webhooks/../x", "/x/..", "/./x", "/x/..;/api/webhooks", "/x/..;y", `/x\..\api/webhooks`} {
		conn := testcaddy.Dial(t, strings.TrimPrefix(s.url, "http://"))
		conn.Send(t, "POST "+target+" HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n")
		if answer, err := conn.Answer("POST"); err != nil || answer.StatusCode != 400 {
			t.Errorf("%s: %v, %v", target, answer.Response, err)
		}
		testcaddy.WantNothing(t, s.backends["localhost:3000"])
	}
}

// A connection that has become HTTP/2 carries requests that no guard sees.
func TestOnlyWebSocketsChangeTheProtocol(t *testing.T) {
	s := newSite(t, blockUnder(t, "Without changes of the protocol").text)
	testcaddy.Run(t, s.caddyfile)
	for upgrade, want := range map[string]string{
		"WebSocket":                     "websocket",
		"h2c":                           "",
		"h2c\r\nUpgrade: websocket":     "",
		"websocket, h2c":                "",
		"h2c\r\nConnection: HTTP2-More": "",
	} {
		conn := testcaddy.Dial(t, strings.TrimPrefix(s.url, "http://"))
		conn.Send(t, "GET /other HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: "+upgrade+"\r\n\r\n")
		if _, err := conn.Answer("GET"); err != nil {
			t.Fatal(err)
		}
		if got := testcaddy.OnlyRequest(t, s.backends["localhost:3000"]).Header.Get("Upgrade"); got != want {
			t.Errorf("%q: the backend got %q", upgrade, got)
		}
	}
}

func TestConnectIsRefused(t *testing.T) {
	clients, backend := documentedSite(t, "Without CONNECT")
	checkConnect(t, clients, backend)
}

// A WebSocket is the only CONNECT that reaches the backend.
func checkConnect(t *testing.T, clients []testcaddy.Client, backend *testcaddy.Backend) {
	t.Helper()
	for _, client := range clients {
		for _, path := range []string{"", "/other", "/api/webhooks"} {
			for _, protocol := range []string{"", "foo"} {
				testcaddy.SendConnect(t, client, path, protocol)
				for _, r := range backend.Take() {
					t.Errorf("%s, CONNECT %s with %q: the backend got %s %s", client.Name, path, protocol, r.Method, r.RequestURI)
				}
			}
		}
	}
	testcaddy.SendConnect(t, clients[len(clients)-1], "/other", "websocket")
	if r := testcaddy.OnlyRequest(t, backend); r.Method != http.MethodGet || r.Header.Get("Upgrade") != "websocket" {
		t.Errorf("a WebSocket reached the backend as %s with the headers %v", r.Method, r.Header)
	}
}

// The backend reads the body after it has answered the CONNECT.
func TestConnectForgesADeliveryWithoutTheLines(t *testing.T) {
	clients, backend := documentedSite(t, "Without changes of the protocol")
	testcaddy.SendConnect(t, clients[len(clients)-1], "/other", "")
	testcaddy.Await(t, "the delivery in the body of a CONNECT", func() bool {
		return slices.ContainsFunc(backend.Take(), func(r testcaddy.Received) bool {
			return r.Method == http.MethodPost && r.RequestURI == "/api/webhooks"
		})
	})
}

// documentedSite runs the block under a heading for every version of HTTP.
func documentedSite(t *testing.T, heading string) ([]testcaddy.Client, *testcaddy.Backend) {
	t.Helper()
	s := newSite(t, blockUnder(t, heading).text)
	_, directives, _ := strings.Cut(s.caddyfile, "{\n")
	return testcaddy.RunSite(t, strings.TrimSuffix(directives, "}\n"), "").Clients, s.backends["localhost:3000"]
}

func TestNobodyCanForgeTheHeaderThatOnlyCaddySets(t *testing.T) {
	clients, backend := documentedSite(t, "A header that only Caddy sets")
	checkConnect(t, clients, backend)
	for _, client := range clients {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, client.URL+"/other", io.NopCloser(strings.NewReader("{}")))
		if err != nil {
			t.Fatal(err)
		}
		r.Trailer = http.Header{"Webhook-Verified": {"true"}, "Webhook_verified": {"true"}}
		testcaddy.Send(t, client.Client, r)
		if got := testcaddy.OnlyRequest(t, backend); len(got.Trailer) > 0 || !got.Close {
			t.Errorf("%s: the trailers %v arrived on a connection that ends: %v", client.Name, got.Trailer, got.Close)
		}
	}
}

func TestHeadersThatReplaceThePathAreRemoved(t *testing.T) {
	s := newSite(t, blockUnder(t, "Without headers that replace the path").text)
	testcaddy.Run(t, s.caddyfile)
	r := testcaddy.SignedRequest(t, s.url+"/other", testcaddy.Secret, testcaddy.UserCreated)
	replacing := []string{"X-Original-Url", "X-Original-Uri", "X-Rewrite-Url", "X-Http-Method-Override", "X-Http-Method", "X-Method-Override"}
	for _, name := range replacing {
		r.Header.Set(name, "/api/webhooks")
	}
	testcaddy.Send(t, http.DefaultClient, r)
	received := testcaddy.OnlyRequest(t, s.backends["localhost:3000"])
	for _, name := range replacing {
		if got := received.Header.Get(name); got != "" {
			t.Errorf("the backend got %s: %s", name, got)
		}
	}
}
