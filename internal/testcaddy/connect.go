package testcaddy

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
)

// SendConnect sends a CONNECT with a path and a protocol, if this version of HTTP and its
// client have them. Its body is an unsigned delivery for /api/webhooks in HTTP/1.1. The
// answer's status is 0 if there is none.
func SendConnect(t testing.TB, client Client, path, protocol string) (status int) {
	t.Helper()
	body := "POST /api/webhooks HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{}"
	ctx, cancel := context.WithTimeout(t.Context(), AtOnce)
	defer cancel()
	// NopCloser hides the length of the body.
	r, err := http.NewRequestWithContext(ctx, http.MethodConnect, client.URL+path, io.NopCloser(strings.NewReader(body)))
	if err != nil {
		t.Fatal(err)
	}
	if protocol != "" {
		r.Proto = protocol // the client for HTTP/3 sends it
	}
	res, err := client.Do(r)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}
