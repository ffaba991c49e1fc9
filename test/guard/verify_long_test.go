//go:build long

package guard_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// pausesOf20s is the directive that limits pauses on one site only.
const pausesOf20s = "timeouts {\nread_timeout 20s\n}\n"

func TestDrippingSenderIsCutOff(t *testing.T) {
	const timeout = 200 * time.Millisecond
	limits := map[string]struct{ body, server, directive string }{
		"by body_timeout":                        {"200ms", "", ""},
		"by body_timeout before read_body":       {"200ms", "timeouts {\nread_body 20s\n}", ""},
		"by body_timeout before an idle timeout": {"200ms", "timeouts {\nread_body_idle 20s\n}", ""},
		"by read_body before body_timeout":       {"20s", "timeouts {\nread_body 200ms\n}", ""},
		"by body_timeout alone":                  {"200ms", noIdleTimeout(""), ""},
		"by read_body alone":                     {"20s", noIdleTimeout("read_body 200ms"), ""},
		"by body_timeout before a directive":     {"200ms", "", pausesOf20s},
		"by body_timeout before it alone":        {"200ms", noIdleTimeout(""), pausesOf20s},
	}
	for name, limit := range limits {
		backend := testcaddy.NewBackend(t, nil)
		site := testcaddy.RunSite(t, limit.directive+`
			clerk_webhook {
				secret `+testcaddy.Secret+`
				body_timeout `+limit.body+`
			}
			reverse_proxy `+backend.Address+testcaddy.Labelled, limit.server)
		for _, client := range site.Clients {
			for framing, length := range map[string]int64{"with Content-Length": int64(len(testcaddy.UserCreated)), "without Content-Length": -1} {
				t.Run(name+"/"+client.Name+"/"+framing, func(t *testing.T) {
					r := testcaddy.SignedRequest(t, client.URL, testcaddy.Secret, testcaddy.UserCreated)
					r.GetBody, r.ContentLength = nil, length
					r.Body = drip(testcaddy.UserCreated, 30*time.Millisecond)
					start := time.Now()
					testcaddy.Send(t, client.Client, r).Check(t, 408, "rejected body_timeout")
					if took := time.Since(start); took < timeout || took > timeout+testcaddy.AtOnce {
						t.Errorf("it was cut off after %s, not about %s", took, timeout)
					}
					testcaddy.WantNothing(t, backend)

					testcaddy.Send(t, client.Client, testcaddy.SignedRequest(t, client.URL, testcaddy.Secret, testcaddy.UserCreated)).Check(t, 200, "forwarded")
					testcaddy.OnlyRequest(t, backend)
				})
			}
		}
	}
}

// The deadline of the body bounds neither an upstream that takes longer, nor
// the time that the connection is idle, nor the next body on it.
func TestBodyDeadlineEndsWithTheBody(t *testing.T) {
	const timeout = 200 * time.Millisecond
	backend := testcaddy.NewBackend(t, func(http.ResponseWriter, *http.Request) { <-time.After(2 * timeout) })
	for name, limit := range map[string]struct{ server, directive string }{
		"with Caddy's idle timeout":    {},
		"without Caddy's idle timeout": {server: noIdleTimeout("")},
		"with that of a directive":     {noIdleTimeout(""), pausesOf20s},
	} {
		site := testcaddy.RunSite(t, limit.directive+`
			header X-Connection {remote} {
				defer
			}
			clerk_webhook {
				secret `+testcaddy.Secret+`
				body_timeout `+timeout.String()+`
			}
			reverse_proxy `+backend.Address+testcaddy.Labelled, limit.server)
		for _, client := range site.Clients {
			t.Run(client.Name+"/"+name, func(t *testing.T) {
				var connections []string
				for _, frame := range []func(*http.Request){testcaddy.Chunk, func(*http.Request) {}} {
					r := testcaddy.SignedRequest(t, client.URL, testcaddy.Secret, testcaddy.UserCreated)
					frame(r)
					got := testcaddy.Send(t, client.Client, r)
					got.Check(t, 200, "forwarded")
					testcaddy.OnlyRequest(t, backend)
					connections = append(connections, got.Header.Get("X-Connection"))
					<-time.After(2 * timeout) // idle
				}
				if connections[0] == "" || connections[0] != connections[1] {
					t.Errorf("the deliveries came over different connections: %q", connections)
				}
			})
		}
	}
}
