package guard_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// silences are beginnings of bodies. Then the sender says nothing more, and keeps the
// connection open.
var silences = map[string]struct {
	header, body string
	signed       int // the status if the headers are those of a delivery
}{
	"announced":                       {"Content-Length: 307200", "", 408},
	"a part":                          {"Content-Length: 307200", strings.Repeat("x", 10<<10), 408},
	"a part of a small one":           {"Content-Length: 2000", "x", 408},
	"as much as net/http drains":      {"Content-Length: 524288", strings.Repeat("x", 256<<10), 408},
	"more than is drained":            {"Content-Length: 4000000", strings.Repeat("x", 3<<20), 413},
	"an endless one":                  {"Content-Length: 9223372036854775807", "x", 413},
	"announced chunks":                {"Transfer-Encoding: chunked", "", 408},
	"a part of a chunk's size":        {"Transfer-Encoding: chunked", "5", 408},
	"a part of a chunk":               {"Transfer-Encoding: chunked", "4b000\r\n" + strings.Repeat("x", 10<<10), 408},
	"a chunk":                         {"Transfer-Encoding: chunked", "1\r\nx\r\n", 408},
	"a chunk of more than is drained": {"Transfer-Encoding: chunked", "300000\r\n" + strings.Repeat("x", 3<<20) + "\r\n", 413},
	"the last chunk":                  {"Transfer-Encoding: chunked", "1\r\nx\r\n0\r\n", 400},
	"a part of a trailer":             {"Transfer-Encoding: chunked", "1\r\nx\r\n0\r\nA: b\r\n", 400},
	"a broken trailer":                {"Transfer-Encoding: chunked", "1\r\nx\r\n0\r\nbroken\r\n\r\n", 400},
	"a broken chunk":                  {"Transfer-Encoding: chunked", "xyz\r\nabc\r\n", 400},
	"an expectation":                  {"Content-Length: 2000\r\nExpect: 100-continue", "", 408},
	"an expectation of chunks":        {"Transfer-Encoding: chunked\r\nExpect: 100-continue", "", 408},
}

// A sender that stops in the middle of a rejected request gets its answer, whatever
// else a site has, and keeps neither the connection nor what serves it.
func TestSilentSendersAreLetGo(t *testing.T) {
	t.Setenv("OTEL_TRACES_EXPORTER", "none")
	const ofUpstream = "handle_errors {\nreverse_proxy %s {\nhandle_response {\nrespond {err.status_code}\n}\n}\n}"
	for i, site := range []struct{ name, options, directives, server string }{
		{name: "the guard alone"},
		{name: "without Caddy's limit of pauses", server: noIdleTimeout("")},
		{name: "with limits of pauses", directives: "timeouts {\nread_timeout 20s\n}"},
		{name: "with the limit of a directive alone", directives: "timeouts {\nread_timeout 20s\n}", server: noIdleTimeout("")},
		{name: "with an access log", directives: "log"},
		{name: "with a copy of the request", directives: "tracing {\nspan webhook\n}"},
		{name: "with an inspector", options: "inspect"},
		{name: "with an error route", directives: "handle_errors {\nrespond {err.status_code}\n}"},
		{name: "with an error route of an upstream", directives: ofUpstream},
		{name: "in full duplex", server: "enable_full_duplex"},
	} {
		if !testcaddy.Long && i%2 > 0 {
			continue
		}
		t.Run(site.name, func(t *testing.T) {
			backend := testcaddy.NewBackend(t, nil)
			site := testcaddy.RunSite(t, "clerk_webhook {\nsecret "+testcaddy.Secret+"\nmax_body 512KiB\nbody_timeout 500ms\n"+site.options+"\n}\n"+
				"respond 204\n"+strings.ReplaceAll(site.directives, "%s", backend.Address), site.server)
			var running sync.WaitGroup
			for name, silence := range silences {
				for kind, status := range map[string]int{"signed": silence.signed, "unsigned": 400} {
					r := rawDelivery(t, "/", "msg_1", "")
					r.set("Content-Length")
					if kind == "unsigned" {
						r.set("Svix-Signature")
					}
					r.header = append(r.header, silence.header)
					conn := dial(t, site.Plain)
					running.Go(func() {
						if err := letGo(conn, r.head()+silence.body, status); err != nil {
							t.Errorf("%s, %s: %v", name, kind, err)
						}
					})
				}
			}
			running.Wait()
		})
	}
}

func letGo(conn rawConn, text string, status int) error {
	go func() { _, _ = io.WriteString(conn, text) }() // of a large body, Caddy takes a part only
	answer, err := conn.Answer(http.MethodPost)
	for err == nil && answer.StatusCode == http.StatusContinue {
		answer, err = conn.Answer(http.MethodPost)
	}
	switch {
	case err != nil:
		return fmt.Errorf("there is no answer: %w", err)
	case answer.StatusCode != status:
		return fmt.Errorf("the answer is %d, want %d", answer.StatusCode, status)
	}
	_ = conn.SetReadDeadline(time.Now().Add(testcaddy.AtOnce))
	if _, err := conn.Read(make([]byte, 1)); err == nil || testcaddy.IsTimeout(err) {
		return fmt.Errorf("the connection is still open: %w", err)
	}
	return nil
}

// With HTTP/2, the stream ends. Other requests can use its connection.
func TestSilentStreamsAreLetGo(t *testing.T) {
	site := testcaddy.RunSite(t, "clerk_webhook {\nsecret "+testcaddy.Secret+"\nbody_timeout 300ms\n}\nrespond 204", "")
	for kind, want := range map[string]string{"signed": "408", "unsigned": "400"} {
		for _, length := range []string{"", "307200"} {
			t.Run(fmt.Sprintf("%s, length %q", kind, length), func(t *testing.T) {
				r := h2Delivery(t)
				r.open, r.data = true, strings.Repeat("x", 10<<10)
				r.set("content-length")
				if length != "" {
					r.set("content-length", length)
				}
				if kind == "unsigned" {
					r.set("svix-signature")
				}
				conn := dial(t, site.Plain)
				if err := r.send(conn); err != nil {
					t.Fatal(err)
				}
				if got := http2Answer(t, conn); got != want {
					t.Errorf("the answer is %s, want %s", got, want)
				}
				_ = conn.SetReadDeadline(time.Now().Add(testcaddy.AtOnce))
				for framer := http2.NewFramer(io.Discard, conn); ; {
					frame, err := framer.ReadFrame()
					if err != nil {
						t.Fatalf("the stream has not ended: %v", err)
					}
					if _, hasEnded := frame.(*http2.RSTStreamFrame); hasEnded {
						break
					}
				}
			})
		}
	}
}
