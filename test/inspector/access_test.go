package inspector_test

import (
	"bufio"
	"cmp"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

func TestInspectTellsNoSecrets(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	testcaddy.Log.Reset() // in which Caddy has written the config
	d.deliver(t, message{body: testcaddy.UserCreated})
	d.deliver(t, message{body: testcaddy.UserCreated, secret: testcaddy.OtherSecret})
	key := strings.TrimPrefix(testcaddy.Secret, "whsec_")
	paths := []string{"api/status", "api/entries", "api/har", "api/events"}
	for _, e := range d.list(t, "") {
		paths = append(paths, "api/entries/"+e.ID, "api/entries/"+e.ID+"/curl", "api/entries/"+e.ID+"/har", "api/messages/"+e.MessageID)
	}
	for _, path := range paths {
		if text := d.callText(t, http.MethodGet, path, nil, http.StatusOK); strings.Contains(text, key) {
			t.Errorf("%s tells the secret", path)
		}
	}
	if strings.Contains(testcaddy.Log.String(), key) {
		t.Error("the log tells the secret")
	}
}

func TestJSONHoldsNoMarkup(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	d.deliver(t, message{body: `{"type":"user.created","data":"</script><script>alert(1)</script>"}`, header: http.Header{"X-Evil": {"<img src=x onerror=alert(1)>"}}})
	id := d.last(t).ID
	for _, path := range []string{"api/entries", "api/entries/" + id, "api/entries/" + id + "/har", "api/entries?type=<script>", "api/messages/<script>"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+d.inspector+"/"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		a := testcaddy.Send(t, d.client, r)
		if strings.ContainsAny(a.Text, "<>") || a.Header.Get("Content-Type") != "application/json; charset=utf-8" {
			t.Errorf("%s: %s %s", path, a.Header.Get("Content-Type"), a.Text)
		}
	}
}

func TestInspectorAnswersThisMachineOnly(t *testing.T) {
	local, open := testcaddy.FreeAddress(t), testcaddy.FreeAddress(t)
	_, port, _ := strings.Cut(local, ":")
	_, openPort, _ := strings.Cut(open, ":")
	// Sites without a host, so that the inspector alone decides about names.
	testcaddy.Run(t, "http://:"+port+" {\nclerk_webhook_inspector\n}\nhttp://:"+openPort+" {\nclerk_webhook_inspector {\nallow_remote\n}\n}\n", "default_bind 127.0.0.1")
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	for _, test := range []struct {
		name, host string
		header     http.Header
		status     int
		remoteIs   int // the status with allow_remote
	}{
		{"by IPv4 address", "127.0.0.1:" + port, nil, 200, 200},
		{"by IPv6 address", "[::1]:" + port, nil, 200, 200},
		{"by IPv6 address without a port", "[::1]", nil, 200, 200},
		{"by name", "localhost:" + port, nil, 200, 200},
		{"by name in capitals", "LOCALHOST", nil, 200, 200},
		{"rebound name", "evil.example:" + port, nil, 403, 200},
		{"name below localhost", "evil.localhost", nil, 403, 200},
		{"name that begins with it", "localhost.evil.example", nil, 403, 200},
		{"by IPv4 address without a port", "127.0.0.1", nil, 200, 200},
		{"name with a full stop", "localhost.:" + port, nil, 403, 200},
		{"name with a full stop without a port", "LOCALHOST.", nil, 403, 200},
		{"address with a full stop", "127.0.0.1.", nil, 403, 200},
		{"address that is not closed", "[::1", nil, 403, 200},
		{"address that is not opened", "::1]:" + port, nil, 403, 200},
		{"address without brackets", "::1", nil, 403, 200},
		{"name that is closed", "localhost]", nil, 403, 200},
		{"name in brackets", "[localhost]:" + port, nil, 403, 200},
		{"IPv4 address in brackets", "[127.0.0.1]:" + port, nil, 403, 200},
		{"text behind the brackets", "[::1]evil.example", nil, 403, 200},
		{"port that is no number", "localhost:evil", nil, 403, 200},
		{"port that is empty", "localhost:", nil, 403, 200},
		{"port with a sign", "localhost:+80", nil, 403, 200},
		{"port that is too high", "localhost:99999", nil, 403, 200},
		{"two ports", "localhost:80:" + port, nil, 403, 200},
		{"name that has the address in it", "127.0.0.1.nip.example:" + port, nil, 403, 200},
		{"any address", "0.0.0.0:" + port, nil, 403, 200},
		{"mapped address", "[::ffff:127.0.0.1]:" + port, nil, 403, 200},
		{"another loopback address", "127.0.0.2", nil, 403, 200},
		{"forwarded by a proxy", "localhost", http.Header{"X-Forwarded-For": {"192.0.2.1"}}, 403, 200},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, path := range []string{"/", "/api/status", "/api/stream", "/api/nothing"} {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodHead, "http://"+local+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Host = test.host
				maps.Copy(r.Header, test.header)
				want := test.status
				if path == "/api/nothing" && want == 200 {
					want = 404
				}
				if a := testcaddy.Send(t, client, r); a.StatusCode != want {
					t.Errorf("%s: %d, want %d", path, a.StatusCode, want)
				}
			}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+open+"/api/status", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Host = test.host
			maps.Copy(r.Header, test.header)
			if a := testcaddy.Send(t, client, r); a.StatusCode != test.remoteIs {
				t.Errorf("with allow_remote: %d, want %d", a.StatusCode, test.remoteIs)
			}
		})
	}
}

// A template asks as if from this machine, and with the visitor's Host.
func TestInspectorRefusesTemplates(t *testing.T) {
	address := testcaddy.FreeAddress(t)
	testcaddy.Run(t, "http://"+address+" {\nhandle_path /inspect/* {\nclerk_webhook_inspector\n}\ntemplates {\nmime text/plain\n}\nrespond `{{httpInclude \"/inspect/api/entries\"}}`\n}\n")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if a := testcaddy.Send(t, http.DefaultClient, r); a.StatusCode != http.StatusInternalServerError || strings.Contains(a.Text, "entries") {
		t.Errorf("the template shows %d %q", a.StatusCode, a.Text)
	}
}

// The names are those that proxies, tunnels, load balancers and content networks document.
func TestInspectorRefusesWhatProxiesForward(t *testing.T) {
	address := testcaddy.FreeAddress(t)
	testcaddy.Run(t, "http://"+address+" {\nclerk_webhook_inspector\n}\n")
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	for status, names := range map[int][]string{
		http.StatusForbidden: {
			"Forwarded", "X-Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded-For",
			"X-Original-For", "X-Original-Host", "X-Original-URL", "X-Original-Forwarded-For", "X-Appengine-User-IP",
			"X-Real-IP", "X-Client-IP", "Client-IP", "X-Cluster-Client-IP", "X-ProxyUser-IP", "Proxy-Client-IP", "WL-Proxy-Client-IP",
			"True-Client-IP", "Fastly-Client-IP", "Incap-Client-IP", "X-Azure-ClientIP", "X-Sucuri-ClientIP",
			"Via", "CDN-Loop", "CF-Connecting-IP", "CF-Ray", "CF-IPCountry", "Fly-Client-IP", "Fly-Region", "Fastly-FF",
			"X-Envoy-External-Address", "X-Envoy-Attempt-Count", "X-Amzn-Trace-Id", "X-Amz-Cf-Id", "X-Azure-Ref", "X-Azure-FDID",
			"X-ARR-LOG-ID", "X-Cloud-Trace-Context", "X-Vercel-Id", "Tailscale-User-Login", "X-Proxy-Id", "X-Remote-IP", "X-Remote-Addr",
			"Caddy-Templates-Include",
		},
		http.StatusOK: {"Authorization", "Cookie", "DNT", "Priority", "Sec-GPC", "Traceparent", "X-Client-Data", "X-Request-Id", "X-Requested-With"},
	} {
		for _, name := range names {
			for _, name := range []string{name, strings.ToUpper(name)} {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/api/status", nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Header[name] = []string{"1"}
				if a := testcaddy.Send(t, client, r); a.StatusCode != status {
					t.Errorf("%s: %d, want %d", name, a.StatusCode, status)
				}
			}
		}
	}
}

// A reverse proxy that hides itself gets in only with a name of this machine. The
// documentation warns about it.
func TestRelaysThatCannotBeToldFromYou(t *testing.T) {
	address := testcaddy.FreeAddress(t)
	_, port, _ := strings.Cut(address, ":")
	testcaddy.Run(t, "http://:"+port+" {\nclerk_webhook_inspector\n}\n")
	for host, status := range map[string]int{"localhost:" + port: 200, "": 403} { // as nginx sets it, and what the caller sent
		relay := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: address})
			r.Out.Host = cmp.Or(host, r.In.Host)
		}})
		t.Cleanup(relay.Close)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, relay.URL+"/api/status", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "public.example"
		if a := testcaddy.Send(t, relay.Client(), r); a.StatusCode != status {
			t.Errorf("with the host %q: %d, want %d", host, a.StatusCode, status)
		}
	}
}

func TestInspectorRefusesOtherSites(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	d.deliver(t, message{body: testcaddy.UserCreated})
	id := d.last(t).ID
	for _, test := range []struct {
		name   string
		header http.Header
		status int
	}{
		{"no browser", nil, 200},
		{"the page itself", http.Header{"Sec-Fetch-Site": {"same-origin"}}, 200},
		{"another site", http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403},
		{"a site of the same domain", http.Header{"Sec-Fetch-Site": {"same-site"}}, 403},
		{"another site in an old browser", http.Header{"Origin": {"https://evil.example"}}, 403},
		{"no origin", http.Header{"Origin": {"null"}}, 403},
		{"another port", http.Header{"Origin": {"http://127.0.0.1:1"}}, 403},
		{"the page in an old browser", http.Header{"Origin": {"http://" + d.inspector}}, 200},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, call := range []struct{ method, path, body string }{
				{"POST", "api/entries/" + id + "/replay", "{}"},
				{"POST", "api/entries/" + id + "/sign-and-replay", "{}"},
				{"POST", "api/send", `{"type":"user.created"}`},
				{"DELETE", "api/entries", ""},
			} {
				if call.method == "DELETE" && test.status == 200 {
					continue // the entry is needed
				}
				r, err := http.NewRequestWithContext(t.Context(), call.method, "http://"+d.inspector+"/"+call.path, strings.NewReader(call.body))
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Content-Type", "application/json")
				maps.Copy(r.Header, test.header)
				if a := testcaddy.Send(t, d.client, r); a.StatusCode != test.status {
					t.Errorf("%s %s: %d, want %d: %s", call.method, call.path, a.StatusCode, test.status, a.Text)
				}
			}
		})
	}
	t.Run("reading", func(t *testing.T) {
		for _, test := range []struct {
			name        string
			header      http.Header
			call, visit int
		}{
			{"no browser", nil, 200, 200},
			{"the page itself", http.Header{"Sec-Fetch-Site": {"same-origin"}}, 200, 200},
			{"by typing the address", http.Header{"Sec-Fetch-Site": {"none"}}, 200, 200},
			{"another site", http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403, 200},
			{"another port", http.Header{"Sec-Fetch-Site": {"same-site"}, "Origin": {"http://localhost:3000"}}, 403, 200},
			{"another site in an old browser", http.Header{"Origin": {"https://evil.example"}}, 403, 200},
			{"no origin", http.Header{"Origin": {"null"}}, 403, 200},
		} {
			for path, status := range map[string]int{
				"":                               test.visit,
				"style.css":                      test.visit,
				"api/status":                     test.call,
				"api/entries?text=secret":        test.call,
				"api/entries/" + id:              test.call,
				"api/entries/" + id + "/curl":    test.call,
				"api/har":                        test.call,
				"api/stream":                     test.call,
				"api/events/user.created":        test.call,
				"api/messages/msg_1":             test.call,
				"api/entries/" + id + "/har?a=b": test.call,
			} {
				for _, method := range []string{http.MethodGet, http.MethodHead} {
					if path == "api/stream" && method == http.MethodGet && status == 200 {
						continue // it would not end
					}
					r, err := http.NewRequestWithContext(t.Context(), method, "http://"+d.inspector+"/"+path, nil)
					if err != nil {
						t.Fatal(err)
					}
					maps.Copy(r.Header, test.header)
					if a := testcaddy.Send(t, d.client, r); a.StatusCode != status {
						t.Errorf("%s: %s /%s: %d, want %d", test.name, method, path, a.StatusCode, status)
					}
				}
			}
		}
	})
	t.Run("asking before", func(t *testing.T) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, "http://"+d.inspector+"/api/send", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Origin", "https://evil.example")
		r.Header.Set("Access-Control-Request-Method", "POST")
		if a := testcaddy.Send(t, d.client, r); a.StatusCode < 400 || a.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%d %v", a.StatusCode, a.Header)
		}
	})
	t.Run("a form", func(t *testing.T) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+d.inspector+"/api/send", strings.NewReader(`{"type":"user.created"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "text/plain")
		if a := testcaddy.Send(t, d.client, r); a.StatusCode != http.StatusUnsupportedMediaType {
			t.Errorf("%d", a.StatusCode)
		}
	})
	t.Run("a call that is too large", func(t *testing.T) {
		if code := d.refusal(t, http.MethodPost, "api/send", map[string]string{"payload": strings.Repeat("x", 4<<20)}, http.StatusRequestEntityTooLarge); code != "too_large" {
			t.Errorf("code %s", code)
		}
	})
}

func TestEveryAnswerOfTheInspectorIsProtected(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	for _, path := range []string{"/", "/api/status", "/api/entries/none", "/nothing"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+d.inspector+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		a := testcaddy.Send(t, d.client, r)
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
			"X-Content-Type-Options":  "nosniff",
			"Cache-Control":           "no-store",
			"X-Frame-Options":         "DENY",
			"Referrer-Policy":         "no-referrer",
		} {
			if got := a.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		if a.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s can be read by other sites", path)
		}
	}
}

func TestInspectorBelowAPath(t *testing.T) {
	for _, mount := range []string{"handle_path /tools/inspect*", "handle_path /tools/inspect/*"} {
		t.Run(mount, func(t *testing.T) {
			address := testcaddy.FreeAddress(t)
			testcaddy.Run(t, "http://"+address+" {\n"+mount+" {\nclerk_webhook_inspector\n}\n}\n")
			d := &desk{inspector: address + "/tools/inspect", client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
			d.call(t, http.MethodGet, "api/status", nil, http.StatusOK, nil)
			if page := d.callText(t, http.MethodGet, "", nil, http.StatusOK); !strings.Contains(page, "<title>") {
				t.Errorf("the page is %s", page)
			}
			if mount != "handle_path /tools/inspect*" {
				return
			}
			res, err := d.client.Get("http://" + address + "/tools/inspect?type=user.*")
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if got := res.Request.URL.String(); got != "http://"+address+"/tools/inspect/?type=user.*" {
				t.Errorf("without the slash one ends at %s", got)
			}
		})
	}
}

func TestInspectorBehindBasicAuth(t *testing.T) {
	address := testcaddy.FreeAddress(t)
	// The hash is that of "desk", at the lowest cost.
	testcaddy.Run(t, "http://"+address+" {\nbasic_auth {\nada $2a$04$ml06oNApvh8zKzJGw9D0KOs9rNsIHmkjOisUKE0oG/a85V2LuM6ty\n}\nclerk_webhook_inspector {\nallow_remote\n}\n}\n")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for password, status := range map[string]int{"": 401, "wrong": 401, "desk": 200} {
		for _, path := range []string{"/", "/api/status", "/api/stream"} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodHead, "http://"+address+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if password != "" {
				r.SetBasicAuth("ada", password)
			}
			if a := testcaddy.Send(t, client, r); a.StatusCode != status {
				t.Errorf("%s with the password %q: %d, want %d", path, password, a.StatusCode, status)
			}
		}
	}
}

// exchangeRaw sends a request as it is written and returns the answer's status line and
// the rest.
func exchangeRaw(t testing.TB, network, address, request string) (status int, text string) {
	t.Helper()
	conn, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func TestInspectorAndOddRequests(t *testing.T) {
	address := testcaddy.FreeAddress(t)
	_, port, _ := strings.Cut(address, ":")
	testcaddy.Run(t, "http://:"+port+" {\nclerk_webhook_inspector\n}\n")
	for _, test := range []struct {
		name, request string
		status        int
	}{
		{"as usual", "GET /api/status HTTP/1.1\r\nHost: localhost\r\n", 200},
		{"a target with a foreign host", "GET http://evil.example/api/status HTTP/1.1\r\nHost: localhost\r\n", 403},
		{"no host", "GET /api/status HTTP/1.0\r\n", 403},
		{"a user in the host", "GET /api/status HTTP/1.1\r\nHost: me@localhost\r\n", 400},
		{"a port before a host", "GET /api/status HTTP/1.1\r\nHost: localhost:80@evil.example\r\n", 400},
		{"a zone in the host", "GET /api/status HTTP/1.1\r\nHost: [::1%25lo]\r\n", 403},
		{"a space in the host", "GET /api/status HTTP/1.1\r\nHost: localhost evil.example\r\n", 400},
		{"a path in the host", "GET /api/status HTTP/1.1\r\nHost: localhost/evil.example\r\n", 400},
		{"an empty host", "GET /api/status HTTP/1.1\r\nHost:\r\n", 400},
		{"two hosts", "GET /api/status HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n", 400},
		{"a tunnel", "CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n", 404},
		{"a WebSocket", "GET /api/status HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nOrigin: http://evil.example\r\n", 403},
		{"a folder above", "GET /../inspector/api.go HTTP/1.1\r\nHost: localhost\r\n", 404},
		{"a folder above in disguise", "GET /%2e%2e/inspector/api.go HTTP/1.1\r\nHost: localhost\r\n", 404},
		{"another host in the path", "GET //evil.example/api/status HTTP/1.1\r\nHost: localhost\r\n", 404},
		{"another host in the path of Windows", "GET /\\evil.example/ HTTP/1.1\r\nHost: localhost\r\n", 404},
		{"a double slash", "GET /api//status HTTP/1.1\r\nHost: localhost\r\n", 404},
		{"the API's folder", "GET /api HTTP/1.1\r\nHost: localhost\r\n", 404},
		{"a file with a slash", "GET /style.css/ HTTP/1.1\r\nHost: localhost\r\n", 404},
		{"GET for what acts", "GET /api/send HTTP/1.1\r\nHost: localhost\r\n", 404},
		{"a method in disguise", "POST /api/entries HTTP/1.1\r\nHost: localhost\r\nX-HTTP-Method-Override: DELETE\r\nContent-Length: 0\r\n", 404},
		{"writing the page", "PUT /index.html HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n", 404},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, text := exchangeRaw(t, "tcp", address, test.request+"Connection: close\r\n\r\n")
			if status != test.status || strings.Contains(text, "package inspector") {
				t.Errorf("%d, want %d: %s", status, test.status, text)
			}
		})
	}
}

// Proxies that add no header, such as nginx by default, forward with HTTP/1.0.
func TestInspectorAndOldHTTP(t *testing.T) {
	local, open := testcaddy.FreeAddress(t), testcaddy.FreeAddress(t)
	testcaddy.Run(t, "http://:"+testcaddy.Port(local)+" {\nclerk_webhook_inspector\n}\nhttp://:"+testcaddy.Port(open)+" {\nclerk_webhook_inspector {\nallow_remote\n}\n}\n", "default_bind 127.0.0.1")
	for _, test := range []struct {
		name, address, version string
		status                 int
		text                   string
	}{
		{"HTTP/1.1", local, "1.1", 200, `"run"`},
		{"HTTP/1.0", local, "1.0", 403, "a proxy in front such as nginx"},
		{"HTTP/1.0 with allow_remote", open, "1.0", 200, `"run"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, text := exchangeRaw(t, "tcp", test.address, "GET /api/status HTTP/"+test.version+"\r\nHost: localhost\r\nConnection: close\r\n\r\n")
			if status != test.status || !strings.Contains(text, test.text) {
				t.Errorf("%d, want %d and %q: %s", status, test.status, test.text, text)
			}
		})
	}
}

func TestAllowRemoteWarnsAtEveryLoad(t *testing.T) {
	const warning = "allow_remote lets every machine that reaches the inspector read payloads and send signed deliveries: put authentication in front of it, such as basic_auth in the same route. This warning stays, because it does not know whether you have done so"
	for _, test := range []struct {
		name, directive string
		warnings        int
	}{
		{"this machine only", "clerk_webhook_inspector", 0},
		{"allow_remote", "clerk_webhook_inspector {\nallow_remote\n}", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			testcaddy.Log.Reset()
			testcaddy.Run(t, "http://"+testcaddy.FreeAddress(t)+" {\n"+test.directive+"\n}\n")
			entries := testcaddy.Log.Entries(t, warning)
			if len(entries) != test.warnings {
				t.Fatalf("%d warnings, want %d", len(entries), test.warnings)
			}
			for _, e := range entries {
				if e["level"] != "warn" {
					t.Errorf("the warning is %v", e)
				}
			}
		})
	}
}

func TestInspectorRefusesPeersOfASocket(t *testing.T) {
	socket := filepath.Join(testcaddy.StorageDir(t), "s") // a short path, as sockets need
	testcaddy.Run(t, "http://localhost {\nbind unix/"+socket+"\nclerk_webhook_inspector\n}\n")
	if status, text := exchangeRaw(t, "unix", socket, "GET /api/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); status != http.StatusForbidden {
		t.Errorf("%d: %s", status, text)
	}
}

func TestInspectorOverEveryVersionOfHTTP(t *testing.T) {
	site := testcaddy.RunSite(t, "clerk_webhook_inspector", "")
	for _, client := range site.Clients {
		t.Run(client.Name, func(t *testing.T) {
			for forwardedHost, status := range map[string]int{"": 200, "evil.example": 403} {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, client.URL+"/api/status", nil)
				if err != nil {
					t.Fatal(err)
				}
				if forwardedHost != "" {
					r.Header.Set("X-Forwarded-Host", forwardedHost)
				}
				if a := testcaddy.Send(t, client.Client, r); a.StatusCode != status {
					t.Errorf("%q: %d, want %d", forwardedHost, a.StatusCode, status)
				}
			}
		})
	}
}

func TestInspectorSendsNobodyElsewhere(t *testing.T) {
	address := testcaddy.FreeAddress(t)
	testcaddy.Run(t, "http://"+address+" {\nhandle_path /tools/inspect* {\nclerk_webhook_inspector\n}\nhandle {\nrewrite * /\nclerk_webhook_inspector\n}\n}\n")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, path := range []string{
		"/tools/inspect", "/tools/inspect?a=//evil.example", "//evil.example", "/%2f%2fevil.example", "/\\evil.example", "/https:evil.example",
		"/tools/inspect/api", "/tools/inspect//api/status", "/tools/inspect/api/..", "/tools/inspect/index.html", "/tools/inspect/api/entries/", "/tools/inspect//evil.example", "/.%2e/x",
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.URL.Opaque = path
		if strings.HasPrefix(path, "//") {
			r.URL.Opaque = "http://" + address + path
		}
		a := testcaddy.Send(t, client, r)
		location := a.Header.Get("Location")
		if location == "" {
			continue
		}
		from, err := url.Parse("http://" + address + path)
		if err != nil {
			t.Fatal(err)
		}
		to, err := from.Parse(location)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(location, "./") || to.Host != address || strings.HasPrefix(path, "/tools/") && !strings.HasPrefix(to.Path, "/tools/inspect/") {
			t.Errorf("%s leads to %s", path, location)
		}
	}
}
