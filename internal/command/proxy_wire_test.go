package command_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
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

// A backend that takes a connection over reads requests from it that no guard has seen.
// A WebSocket carries none.
func TestProxyLetsBackendsSwitchToWebSocketsOnly(t *testing.T) {
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
