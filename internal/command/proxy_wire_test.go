package command_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// onWire sends text on a connection of its own and returns the answer.
func onWire(t *testing.T, url, text string) (net.Conn, *bufio.Reader, *http.Response) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprint(conn, text)
	reader := bufio.NewReader(conn)
	res, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return conn, reader, res
}

// An unread body must not be taken for further requests. These would reach the backend,
// past a reverse proxy in front, too.
func TestUnreadBodiesAreNeverRequests(t *testing.T) {
	t.Parallel()
	backend := newRecorder(t, ok)
	p := startProxy(t, secretVariables, "--to", backend.URL)
	conn, reader, res := onWire(t, p.url, "POST /api/webhooks HTTP/1.1\r\nHost: localhost\r\nContent-Length: 400000\r\n\r\n")
	if res.StatusCode != 400 || !res.Close {
		t.Errorf("got %d, and the end of the connection: %v", res.StatusCode, res.Close)
	}
	fmt.Fprint(conn, strings.Repeat("GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n", 3))
	if res, err := http.ReadResponse(reader, nil); err == nil {
		_ = res.Body.Close()
		t.Errorf("a part of the body was answered with %d", res.StatusCode)
	}
	if got := len(backend.all()); got != 0 {
		t.Errorf("%d requests have reached the backend", got)
	}
}

// Go reads such targets as URLs without a path, which no path matcher sees.
func TestProxyRefusesTargetsWithoutAPath(t *testing.T) {
	t.Parallel()
	backend := newRecorder(t, ok)
	p := startProxy(t, secretVariables, "--to", backend.URL)
	for _, target := range []string{"http:http://h/api/webhooks", "x:y", "http:?x", "http://h"} {
		if _, _, res := onWire(t, p.url, "POST "+target+" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx"); res.StatusCode != 400 {
			t.Errorf("%s is answered with %d", target, res.StatusCode)
		}
	}
	if got := len(backend.all()); got != 0 {
		t.Errorf("%d requests have reached the backend", got)
	}
}

// Some backends take such a path for that of the endpoint. To Caddy, it is another one.
func TestProxyRefusesPathsThatBackendsTakeForTheEndpoint(t *testing.T) {
	for path, targets := range map[string][]string{
		"/api/webhooks": {
			"/index.php/api/webhooks", "/INDEX.PHP/api/webhooks", "/app_dev.php/api/webhooks/", "//index.php/api/webhooks", "/index.php5/api/webhooks", "/index.php;x/api/webhooks", "/index.php%2fapi%2fwebhooks",
			"/api/webhook%C5%BF", "/api/webhook%c5%bf.json", "/ap%C4%B1/webhooks", "/ap%C4%B0/webhooks", "/index.php/AP%C4%B1/Webhook%C5%BF",
			"/api;x/webhooks", "/api;/webhooks", "/api;a=b;c/webhooks;d", "/;x/api/webhooks", "/api%3bx/webhooks", "/api;x%2fy/webhooks", "/api;%5cx/webhooks", "/api;%0a/webhooks",
			"//x/api/webhooks", "///x/api/webhooks", `/\x/api/webhooks`, "//user@x:80/api/webhooks", "//u:a%2fb@x/api/webhooks",
			"/api/web-hooks", "/api/web.hooks/x", "/index.php/api/Web_Hooks", "/api/~webhooks", "/api/%20webhooks", "/api/@@webhooks", "/api-/webhooks", "/api%20/webhooks",
			`/api\webhooks`, "/api%5cwebhooks", "/api%5C/webhooks", `/\api/webhooks`,
			"/x/..;/api/webhooks", "/x/..;a%2fb/api/webhooks", "/api/.;x/webhooks", `/x/..\api/webhooks`, `/x\..\api\webhooks`, "/x/%2e%2e%5capi%5cwebhooks",
		},
		"/clerk-webhook": {"/clerk_webhook", "/clerkWebhook", "/clerk.webhook", "/clerk%2bwebhook"},
		"/app/hook":      {"/app/index.php/hook", "/index.php/app/hook", "/app;x/hoo%E2%84%AA", "/app/hook%2F..;"},
		"/kapı":          {"/KAPI", "/kapi", "/index.php/kap%C4%B1"},
		"/a.b+c/`x":      {"/index.php/a.b+c/%60x", "/a.b+c;/%60x"},
	} {
		t.Run(path, func(t *testing.T) {
			backend := newRecorder(t, ok)
			p := startProxy(t, secretVariables, "--to", backend.URL, "--path", path)
			for _, target := range targets {
				_, _, res := onWire(t, p.url, "POST "+target+" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx")
				if res.StatusCode != 400 {
					t.Errorf("%s is answered with %d", target, res.StatusCode)
				}
			}
			if got := len(backend.all()); got != 0 {
				t.Errorf("%d requests have reached the backend", got)
			}
		})
	}
}

func TestProxyLeavesOtherPathsAlone(t *testing.T) {
	backend := newRecorder(t, ok)
	p := startProxy(t, secretVariables, "--to", backend.URL)
	for _, target := range []string{
		"/", "/index.php", "/index.php/", "/index.php/api", "/index.php/other", "/forum/index.php/api/webhooks", "/info.php/api/webhook", "/docs/api/webhooks", "/v1/api/webhooks", "/v1.0/api/webhooks", "/example.com/api/webhooks", "/php/api/webhooks",
		"/api", "/api/", "/api/webhook", "/api/webhook/s", "/api/x/webhooks", "/apis/webhooks", "/api-webhooks", "/api/webhook-settings", "/api/webhook_s1", "/api.webhooks", "/webhooks", "/x-" + strings.Repeat("a", 3<<10), "//", "//x", "//x/y", "/a;b/c", "/api;x", "/api;x/other",
		"/.well-known/x", "/...", "/a..b", "/a/..b/c", "/a/b..", "/_next/static/x.js", "/100%25", "/100%25%20x", "/%25C5%25BF", "/caf%C3%A9", "/%ff", "/x%5cy", "/?x=/index.php/api/webhooks",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			seen := len(backend.all())
			_, _, res := onWire(t, p.url, method+" "+target+" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx")
			if got := backend.all()[seen:]; res.StatusCode != 200 || len(got) != 1 {
				t.Errorf("%s %s is answered with %d, and %d requests have reached the backend", method, target, res.StatusCode, len(got))
			}
		}
	}
}

// Some backends take the path of such a header for that of the request.
func TestProxyRemovesHeadersThatReplaceThePath(t *testing.T) {
	t.Parallel()
	backend := newRecorder(t, ok)
	p := startProxy(t, secretVariables, "--to", backend.URL)
	for _, name := range []string{"X-Original-URL", "x-original-url", "X-Original-URI", "X-Rewrite-URL", "X-Rewrite-URI", "X_Original_URL", "X_Rewrite-URL", "Script_Name"} {
		seen := len(backend.all())
		onWire(t, p.url, "POST /x HTTP/1.1\r\nHost: localhost\r\nX-Original-Host: kept\r\n"+name+": /api/webhooks\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx")
		got := backend.all()[seen:]
		if len(got) != 1 || got[0].header.Get("X-Original-Host") != "kept" {
			t.Fatalf("%s: the backend got %v", name, got)
		}
		for _, values := range got[0].header {
			if slices.Contains(values, "/api/webhooks") {
				t.Errorf("%s: the backend got %v", name, got[0].header)
			}
		}
	}
}

// A backend that takes a connection over reads requests from it that no guard has seen.
// A WebSocket is not HTTP.
func TestProxyLetsBackendsSwitchToWebSocketsOnly(t *testing.T) {
	t.Parallel()
	backend := newRecorder(t, ok)
	p := startProxy(t, secretVariables, "--to", backend.URL)
	for upgrade, passes := range map[string]bool{
		"Upgrade: websocket":                 true,
		"Upgrade: WebSocket":                 true,
		"Upgrade: h2c":                       false,
		"Upgrade: H2C":                       false,
		"Upgrade: TLS/1.0, HTTP/1.1":         false,
		"Upgrade: websocket, h2c":            false,
		"Upgrade: h2c\r\nUpgrade: websocket": false,
		"Upgrade: websocket\r\nUpgrade: h2c": false,
	} {
		seen := len(backend.all())
		onWire(t, p.url, "GET /other HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"+upgrade+"\r\n\r\n")
		got := backend.all()[seen:]
		if len(got) != 1 || (got[0].header.Get("Upgrade") != "") != passes {
			t.Errorf("%q: the backend got %v", upgrade, got)
		}
	}
}

// Some backends take trailers for headers, or for the next request.
func TestProxyDropsTrailers(t *testing.T) {
	t.Parallel()
	backend := testcaddy.NewBackend(t, nil)
	p := startProxy(t, secretVariables, "--to", backend.Address)
	for _, path := range []string{"/", "/other", "/other/"} {
		onWire(t, p.url, "POST "+path+" HTTP/1.1\r\nHost: localhost\r\nTrailer: A\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nA: /api/webhooks HTTP/1.1\r\nX-Original-URL: /api/webhooks\r\n\r\n")
		if got := testcaddy.OnlyRequest(t, backend); string(got.Payload) != "x" || len(got.Trailer) > 0 || got.Header.Get("Trailer") != "" {
			t.Errorf("%s: the backend got the body %q and the trailers %v", path, got.Payload, got.Trailer)
		}
	}
}

// A backend that takes a part of a request for the next one, such as a body that it did
// not read, must not answer that on a connection that Caddy uses again.
func TestProxyUsesNoConnectionTwiceForUnguardedRequests(t *testing.T) {
	t.Parallel()
	backend := testcaddy.NewBackend(t, nil)
	p := startProxy(t, secretVariables, "--to", backend.Address)
	for _, upgrade := range []string{"", "", "Connection: Upgrade\r\nUpgrade: websocket\r\n"} {
		_, _, res := onWire(t, p.url, "POST /other HTTP/1.1\r\nHost: localhost\r\n"+upgrade+"Content-Length: 2\r\n\r\n{}")
		if res.StatusCode != http.StatusOK {
			t.Errorf("it answers %d", res.StatusCode)
		}
	}
	connections := make(map[string]bool)
	for _, r := range backend.Take() {
		connections[r.RemoteAddr] = true
		if !r.Close {
			t.Errorf("%s %s does not ask the backend to close the connection", r.Method, r.RequestURI)
		}
	}
	if len(connections) != 3 {
		t.Errorf("%d connections for 3 requests", len(connections))
	}
}

// Caddy sends the body of a CONNECT to the backend as it is. A backend for which a CONNECT
// has no body reads it as the next request.
func TestProxyRefusesConnect(t *testing.T) {
	backend := testcaddy.NewBackend(t, nil)
	printed := run(t, caddy(t, "clerk-webhook", "proxy", "--config-only=caddyfile", "--inspect=off", "--to", backend.Address), "")
	_, sites, _ := strings.Cut(printed.stdout, "\n}\n") // the global options
	_, directives, _ := strings.Cut(sites, "{\n")
	directives, _, _ = strings.Cut(directives, "\n}\n")
	t.Setenv("CLERK_WEBHOOK_SIGNING_SECRET", sendSecret)
	site := testcaddy.RunSite(t, directives, "")
	for _, client := range site.Clients {
		for _, path := range []string{"", "/", "/other", "/api/webhooks"} {
			for _, protocol := range []string{"", "foo", "h2c", "WebSocket", "websockets"} {
				if status := testcaddy.SendConnect(t, client, path, protocol); status != 0 && (status < 400 || status >= 500) {
					t.Errorf("%s, CONNECT %s with %q: the answer is %d", client.Name, path, protocol, status)
				}
				for _, r := range backend.Take() {
					t.Errorf("%s, CONNECT %s with %q: the backend got %s %s", client.Name, path, protocol, r.Method, r.RequestURI)
				}
			}
		}
	}
	http3 := site.Clients[len(site.Clients)-1]
	testcaddy.SendConnect(t, http3, "/other", "websocket")
	if r := testcaddy.OnlyRequest(t, backend); r.Method != http.MethodGet || r.Header.Get("Upgrade") != "websocket" {
		t.Errorf("a WebSocket reached the backend as %s with the headers %v", r.Method, r.Header)
	}
}

func TestProxyReachesBackendsOfEveryKind(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "socket")
	for name, to := range map[string]string{"HTTP": "tcp", "HTTP/2": "h2c", "a Unix socket": "unix"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			protocols := new(http.Protocols)
			protocols.SetHTTP1(to != "h2c")
			protocols.SetUnencryptedHTTP2(to == "h2c")
			server := &http.Server{Protocols: protocols, Handler: http.HandlerFunc(switchProtocols), ReadHeaderTimeout: time.Minute}
			network, address := "tcp", "127.0.0.1:0"
			if to == "unix" {
				network, address = "unix", socket
			}
			listener, err := net.Listen(network, address)
			if err != nil {
				t.Fatal(err)
			}
			go func() { _ = server.Serve(listener) }()
			t.Cleanup(func() { _ = server.Close() })
			upstream := map[string]string{"tcp": "", "h2c": "h2c://", "unix": "unix/"}[to] + listener.Addr().String()
			p := startProxy(t, secretVariables, "--to", upstream)
			for range 2 {
				if _, _, res := onWire(t, p.url, "GET /other HTTP/1.1\r\nHost: localhost\r\n\r\n"); res.StatusCode != http.StatusOK {
					t.Errorf("a page: the answer is %d", res.StatusCode)
				}
			}
			if r := send(t, "user.created", "--to", p.url+"/api/webhooks"); r.code != 0 {
				t.Errorf("a delivery: %s%s", r.stdout, r.stderr)
			}
			if to == "h2c" { // Caddy forwards no Upgrade over HTTP/2
				return
			}
			conn, reader, res := onWire(t, p.url, "GET /socket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			if res.StatusCode != http.StatusSwitchingProtocols {
				t.Fatalf("a WebSocket: the answer is %d", res.StatusCode)
			}
			fmt.Fprint(conn, "hello\n")
			if line, err := reader.ReadString('\n'); line != "hello\n" {
				t.Errorf("the WebSocket says %q, %v", line, err)
			}
		})
	}
}

// switchProtocols answers 200, or says over the new protocol what it hears.
func switchProtocols(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") == "" {
		return
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	line, _ := buffered.ReadString('\n')
	fmt.Fprint(conn, line)
}
