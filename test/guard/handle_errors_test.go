package guard_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// An error route can pass a rejected request on. It must have nothing left of the
// forged delivery, whatever the route does and however the request was sent.
func TestErrorRoutesGetNothingOfARejectedRequest(t *testing.T) {
	const secretText = "forged payload"
	forged := `{"data":{"id":"` + secretText + `"},"type":"user.created"}`
	large := strings.Repeat(secretText, 200)
	routes := map[string]string{
		"reverse_proxy":               "handle_errors {\nreverse_proxy %s\n}",
		"rewrite and reverse_proxy":   "handle_errors {\nrewrite * /errors/{err.status_code}\nreverse_proxy %s\n}",
		"after a copy of the request": "tracing {\nspan webhook\n}\nhandle_errors {\nreverse_proxy %s\n}",
	}
	requests := map[string]func(t *testing.T, r *http.Request){
		"unsigned": func(_ *testing.T, r *http.Request) {
			for _, name := range []string{"Svix-Id", "Svix-Timestamp", "Svix-Signature"} {
				r.Header.Del(name)
			}
		},
		"signed with another secret": func(*testing.T, *http.Request) {},
		"stale":                      func(_ *testing.T, r *http.Request) { r.Header.Set("Svix-Timestamp", "1614265330") },
		"malformed":                  func(_ *testing.T, r *http.Request) { r.Header.Set("Svix-Id", "a.b") },
		"by another method":          func(_ *testing.T, r *http.Request) { r.Method = http.MethodPut },
		"too large": func(_ *testing.T, r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(large)), int64(len(large))
			r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(large)), nil }
		},
		"too large, without a length": func(_ *testing.T, r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader(large))
			r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(large)), nil }
			testcaddy.Chunk(r)
		},
		"with trailers": func(_ *testing.T, r *http.Request) {
			testcaddy.Chunk(r)
			r.Trailer.Set("Svix-Signature", r.Header.Get("Svix-Signature"))
		},
		"stale, with trailers": func(_ *testing.T, r *http.Request) {
			r.Header.Set("Svix-Timestamp", "1614265330")
			testcaddy.Chunk(r)
		},
		"waiting for an invitation": func(_ *testing.T, r *http.Request) {
			r.Header.Set("Svix-Timestamp", "1614265330")
			r.Header.Set("Expect", "100-continue")
		},
		"for a change of the protocol": func(_ *testing.T, r *http.Request) {
			r.Method = http.MethodGet
			r.Header.Set("Connection", "Upgrade")
			r.Header.Set("Upgrade", "h2c")
		},
		"with the headers of both dialects": func(_ *testing.T, r *http.Request) {
			for _, name := range []string{"Id", "Timestamp", "Signature"} {
				r.Header.Set("Webhook-"+name, r.Header.Get("Svix-"+name))
			}
		},
	}
	t.Setenv("OTEL_TRACES_EXPORTER", "none")
	for name, route := range routes {
		t.Run(name, func(t *testing.T) {
			backend := testcaddy.NewBackend(t, nil)
			site := testcaddy.RunSite(t, "clerk_webhook {\nsecret "+testcaddy.Secret+"\nmax_body 1KiB\n}\n"+
				"respond 204\n"+strings.ReplaceAll(route, "%s", backend.Address), "")
			for _, client := range site.Clients {
				for name, change := range requests {
					t.Run(client.Name+"/"+name, func(t *testing.T) {
						r := testcaddy.SignedRequest(t, client.URL+"/hooks", testcaddy.OtherSecret, forged)
						change(t, r)
						res, err := client.Do(r)
						if err == nil { // else the sender gave up on a body that was refused
							res.Body.Close()
						}
						for _, got := range backend.Take() {
							checkNothingOfADelivery(t, got)
						}
					})
				}
			}
		})
	}
}

func checkNothingOfADelivery(t *testing.T, got testcaddy.Received) {
	t.Helper()
	// A copy of the request can still announce a body, but it has none to send.
	if len(got.Payload) > 0 || got.ContentLength > 0 && got.Err == nil {
		t.Errorf("the error route passed on %d bytes (Content-Length %d, Transfer-Encoding %q)", len(got.Payload), got.ContentLength, got.TransferEncoding)
	}
	if len(got.Trailer) > 0 {
		t.Errorf("the error route passed on the trailers %v", got.Trailer)
	}
	for name := range got.Header {
		if strings.HasPrefix(name, "Svix-") || strings.HasPrefix(name, "Webhook-") || name == "Trailer" || name == "Upgrade" {
			t.Errorf("the error route passed on %s", name)
		}
	}
}

// With HTTP/3, a request for a WebSocket is a CONNECT that names a protocol.
func TestRejectedConnectOpensNoWebSocket(t *testing.T) {
	backend := testcaddy.NewBackend(t, nil)
	site := testcaddy.RunSite(t, "clerk_webhook {\nsecret "+testcaddy.Secret+"\n}\nrespond 204\nhandle_errors {\nreverse_proxy "+backend.Address+"\n}", "")
	for _, client := range site.Clients {
		if client.Name != "HTTP/3" { // the server takes none over HTTP/2
			continue
		}
		r, err := http.NewRequest(http.MethodConnect, client.URL+"/hooks", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Proto = "websocket"
		testcaddy.Send(t, client.Client, r)
		checkNothingOfADelivery(t, testcaddy.OnlyRequest(t, backend))
	}
}

// report_only refuses nothing, so it takes nothing away.
func TestReportOnlyKeepsWhatItWouldReject(t *testing.T) {
	backend := testcaddy.NewBackend(t, nil)
	site := testcaddy.RunSite(t, "clerk_webhook {\nsecret "+testcaddy.Secret+"\nreport_only\n}\nreverse_proxy "+backend.Address, "")
	r := testcaddy.SignedRequest(t, site.Clients[0].URL, testcaddy.OtherSecret, testcaddy.UserCreated)
	testcaddy.Send(t, site.Clients[0].Client, r)
	if got := testcaddy.OnlyRequest(t, backend); string(got.Payload) != testcaddy.UserCreated || got.Header.Get("Svix-Id") == "" {
		t.Errorf("the backend got %q with the headers %q", got.Payload, got.Header)
	}
}
