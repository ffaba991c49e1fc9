//go:build long

package relay_test

import (
	"net/http"
	"testing"

	"github.com/coder/websocket"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// TestAFloodDoesNotKeepAListenerOut opens many connections between a listener's
// handshake and its start message.
func TestAFloodDoesNotKeepAListenerOut(t *testing.T) {
	const source = "203.0.113.7"
	for name, test := range map[string]struct {
		listener string
		between  int
	}{
		"from the address of the flood": {source, 500},
		"from another address":          {"198.51.100.1", 1010}, // more than may wait
	} {
		t.Run(name, func(t *testing.T) {
			address := testcaddy.FreeAddress(t)
			testcaddy.Run(t, "http://"+address+" {\nclerk_webhook {\nsecret "+testcaddy.Secret+"\nrelay\n}\n}",
				"servers {\ntrusted_proxies static 127.0.0.1/32\n}")
			flood(t, address, source, 10)
			w := dialFrom(t, address, test.listener)
			flood(t, address, source, test.between)
			w.send(t, listenTo(t, testcaddy.Secret))
			if got := w.receive(t); got.Type != "start" {
				t.Errorf("the relay began with %+v", got)
			}
		})
	}
}

// dialFrom connects as a proxy does for a client with that address.
func dialFrom(t *testing.T, address, client string) wire {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), "ws://"+address, &websocket.DialOptions{HTTPHeader: http.Header{"X-Forwarded-For": {client}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	return wire{conn}
}

// flood opens connections that say nothing after their handshake. It returns when the
// last one has been accepted.
func flood(t *testing.T, address, client string, count int) {
	t.Helper()
	for range count {
		conn := testcaddy.Dial(t, address)
		conn.Send(t, "GET / HTTP/1.1\r\nHost: "+address+"\r\nX-Forwarded-For: "+client+
			"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
		if res, err := conn.Answer(http.MethodGet); err != nil || res.StatusCode != http.StatusSwitchingProtocols {
			t.Fatalf("the handshake was answered with %v: %v", res, err)
		}
	}
}
