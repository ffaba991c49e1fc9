package inspector_test

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

func TestSendAnExample(t *testing.T) {
	backend := testcaddy.NewBackend(t, nil)
	for _, test := range []struct {
		name   string
		call   map[string]any
		body   string // or the beginning
		wantID string
	}{
		{"of the catalogue", map[string]any{"type": "user.created"}, `{"data":{`, ""},
		{"to a named endpoint", map[string]any{"type": "user.created", "endpoint": "default"}, `{"data":{`, ""},
		{"with a payload", map[string]any{"payload": testcaddy.UserCreated, "message_id": "msg_mine"}, testcaddy.UserCreated, "msg_mine"},
		{"with another secret", map[string]any{"type": "session.ended", "secret": "previous"}, `{"data":{`, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := openDesk(t, "secret previous "+testcaddy.OtherSecret, "reverse_proxy "+backend.Address)
			var s sent
			d.call(t, http.MethodPost, "api/send", test.call, http.StatusOK, &s)
			got := testcaddy.OnlyRequest(t, backend)
			if !strings.HasPrefix(string(got.Payload), test.body) || got.URL.Path != "/webhooks/" || got.Header.Get("Content-Type") != "application/json" {
				t.Errorf("the backend got %s at %s with %v", got.Payload, got.URL, got.Header)
			}
			if id := got.Header.Get("Svix-Id"); id != s.MessageID || test.wantID != "" && id != test.wantID {
				t.Errorf("its id is %s", id)
			}
			e := d.one(t, s.Entry)
			want := cmp.Or(fmt.Sprint(test.call["secret"]), "production")
			if test.call["secret"] == nil {
				want = "production"
			}
			if e.Origin != "example" || e.Outcome != "forwarded" || e.Secret != want {
				t.Errorf("it is recorded as %s, %s, %s", e.Origin, e.Outcome, e.Secret)
			}
		})
	}
}

func TestSendGoesWhereTheLastDeliveryCameIn(t *testing.T) {
	backend := testcaddy.NewBackend(t, nil)
	d := openDesk(t, "", "reverse_proxy "+backend.Address)
	d.deliver(t, message{body: testcaddy.UserCreated})
	testcaddy.OnlyRequest(t, backend)
	d.call(t, http.MethodPost, "api/send", map[string]any{"type": "user.created"}, http.StatusOK, nil)
	if got := testcaddy.OnlyRequest(t, backend); got.URL.Path != hookPath {
		t.Errorf("it went to %s", got.URL.Path)
	}
	d.call(t, http.MethodPost, "api/send", map[string]any{"type": "user.created", "url": "http://" + d.hooks + "/webhooks/other"}, http.StatusOK, nil)
	if got := testcaddy.OnlyRequest(t, backend); got.URL.Path != "/webhooks/other" {
		t.Errorf("it went to %s", got.URL.Path)
	}
}

func TestSendReachesAnEndpointBehindATunnelOrASocket(t *testing.T) {
	t.Run("a tunnel", func(t *testing.T) {
		d := newDesk(t)
		_, port, _ := strings.Cut(d.hooks, ":")
		testcaddy.Run(t, testcaddy.Replace(t, d.caddyfile("", "respond ok"), "http://"+d.hooks+" {", "http://:"+port+" {"))
		r := d.request(t, message{body: testcaddy.UserCreated})
		r.Host = "abc.trycloudflare.com"
		testcaddy.Send(t, d.client, r)
		d.sendsAnExample(t)
	})
	t.Run("a socket", func(t *testing.T) {
		socket := filepath.Join(testcaddy.StorageDir(t), "s")
		d := newDesk(t)
		testcaddy.Run(t, testcaddy.Replace(t, d.caddyfile("", "respond ok"), "http://"+d.hooks+" {", "http://localhost {\nbind unix/"+socket))
		d.sendsAnExample(t)
	})
}

// sendsAnExample sends one with the URL of the status, as the page does, and
// one without.
func (d *desk) sendsAnExample(t *testing.T) {
	t.Helper()
	var status struct{ Endpoints []struct{ URL string } }
	d.call(t, http.MethodGet, "api/status", nil, http.StatusOK, &status)
	for _, call := range []map[string]any{{"type": "user.created"}, {"type": "user.created", "url": status.Endpoints[0].URL}} {
		var s sent
		d.call(t, http.MethodPost, "api/send", call, http.StatusOK, &s)
		if s.Outcome != "forwarded" {
			t.Errorf("%v: %+v", call, s)
		}
	}
}

func TestSendRefuses(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	for _, test := range []struct {
		name, code string
		call       map[string]any
		status     int
	}{
		{"an unknown type without a payload", "bad_request", map[string]any{"type": "user.exploded"}, 400},
		{"an unknown endpoint", "unknown_endpoint", map[string]any{"type": "user.created", "endpoint": "other"}, 409},
		{"an unknown secret", "cannot_sign", map[string]any{"type": "user.created", "secret": "other"}, 409},
		{"an id that cannot be one", "bad_request", map[string]any{"type": "user.created", "message_id": "a b"}, 400},
		{"another host", "bad_request", map[string]any{"type": "user.created", "url": "http://192.0.2.1/"}, 400},
		{"another scheme", "bad_request", map[string]any{"type": "user.created", "url": "file:///etc/passwd"}, 400},
	} {
		t.Run(test.name, func(t *testing.T) {
			if code := d.refusal(t, http.MethodPost, "api/send", test.call, test.status); code != test.code {
				t.Errorf("code %s, want %s", code, test.code)
			}
		})
	}
}

func TestSendFindsEndpointsInTheConfiguration(t *testing.T) {
	address, inspector := testcaddy.FreeAddress(t), testcaddy.FreeAddress(t)
	guard := func(name string) string {
		return fmt.Sprintf("clerk_webhook {\nname %s\nsecret %s\ninspect\n}\nrespond ok\n", name, testcaddy.Secret)
	}
	testcaddy.Run(t, fmt.Sprintf(`
http://%s {
	handle_path /prefix/* {
		handle /deep/hook {
			%s
		}
		handle {
			%s
		}
	}
	@special path /special/one /special/two
	handle @special {
		%s
	}
	handle {
		%s
	}
}
http://%s {
	clerk_webhook_inspector
}
`, address, guard("deep"), guard("prefix"), guard("special"), guard("rest"), inspector))
	d := &desk{inspector: inspector, client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	var status struct{ Endpoints []struct{ Name, URL string } }
	d.call(t, http.MethodGet, "api/status", nil, http.StatusOK, &status)
	got := map[string]string{}
	for _, e := range status.Endpoints {
		got[e.Name] = strings.TrimPrefix(e.URL, "http://"+address)
		var s sent
		d.call(t, http.MethodPost, "api/send", map[string]any{"type": "user.created", "endpoint": e.Name}, http.StatusOK, &s)
		if !s.Guarded || d.one(t, s.Entry).Endpoint != e.Name {
			t.Errorf("%s was sent to %s, but %+v", e.Name, e.URL, s)
		}
	}
	want := map[string]string{"deep": "/prefix/deep/hook", "prefix": "/prefix/", "special": "/special/one", "rest": "/"}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestSendAsksForTheURLThatTheRoutesDoNotTell(t *testing.T) {
	d := newDesk(t)
	_, port, _ := strings.Cut(d.hooks, ":")
	guard := "{\nclerk_webhook {\nsecret " + testcaddy.Secret + "\ninspect\n}\nrespond ok\n}\n"
	for name, site := range map[string]string{
		"any host below one":      "http://*.example.localhost:" + port + " {\nhandle " + guard + "}\n",
		"a path by an expression": "http://:" + port + " {\n@hooks path_regexp ^/hooks/[0-9]+$\nhandle @hooks " + guard + "}\n",
		"any path but one":        "http://:" + port + " {\n@hooks not path /\nhandle @hooks " + guard + "}\n",
		"an expression":           "http://:" + port + " {\n@hooks `path('/hooks/x')`\nhandle @hooks " + guard + "}\n",
		"a header":                "http://:" + port + " {\n@hooks header X-Hook yes\nhandle @hooks " + guard + "}\n",
		"certain addresses":       "http://:" + port + " {\n@hooks remote_ip 192.0.2.0/24\nhandle @hooks " + guard + "}\n",
		"a header and a path":     "http://:" + port + " {\n@hooks {\nheader X-Hook yes\npath /hooks\n}\nhandle @hooks " + guard + "}\n",
		"a path below a header":   "http://:" + port + " {\n@hooks header X-Hook yes\nhandle @hooks {\nhandle /hooks " + guard + "}\n}\n",
	} {
		t.Run(name, func(t *testing.T) {
			testcaddy.Run(t, site+"http://"+d.inspector+" {\nclerk_webhook_inspector\n}\n")
			var status struct{ Endpoints []struct{ URL string } }
			d.call(t, http.MethodGet, "api/status", nil, http.StatusOK, &status)
			if e := status.Endpoints; len(e) != 1 || e[0].URL != "" {
				t.Errorf("the status says %+v", e)
			}
			if code := d.refusal(t, http.MethodPost, "api/send", map[string]any{"type": "user.created"}, http.StatusConflict); code != "unknown_endpoint" {
				t.Error(code)
			}
		})
	}
}

// A delivery of HTTP/1.0 need not name a host, and then names no URL.
func TestSendAfterADeliveryWithoutAHost(t *testing.T) {
	d := newDesk(t)
	_, port, _ := strings.Cut(d.hooks, ":")
	testcaddy.Run(t, testcaddy.Replace(t, d.caddyfile("", "respond ok"), "http://"+d.hooks+" {", "http://:"+port+" {"))
	timestamp, signature := testcaddy.Sign(t, testcaddy.Secret, "msg_1", time.Now(), testcaddy.UserCreated)
	status, _ := exchangeRaw(t, "tcp", d.hooks, fmt.Sprintf("POST %s HTTP/1.0\r\nSvix-Id: msg_1\r\nSvix-Timestamp: %s\r\nSvix-Signature: %s\r\nContent-Length: %d\r\n\r\n%s", hookPath, timestamp, signature, len(testcaddy.UserCreated), testcaddy.UserCreated))
	if status != http.StatusOK {
		t.Fatal(status)
	}
	d.sendsAnExample(t)
}

// Certificates of clients are checked in the handshake, which does not take
// place in the process.
func TestSendDoesNotPassACheckOfClientCertificates(t *testing.T) {
	d := newDesk(t)
	site := testcaddy.FreeAddress(t)
	testcaddy.Run(t, d.caddyfile("", "respond ok")+"\nhttps://"+site+" {\ntls internal {\nclient_auth {\nmode require\n}\n}\nrespond secret\n}\n")
	if code := d.refusal(t, http.MethodPost, "api/send", map[string]any{"type": "user.created", "url": "https://" + site + "/"}, http.StatusBadRequest); code != "bad_request" {
		t.Error(code)
	}
}
