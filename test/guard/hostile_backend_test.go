package guard_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	svix "github.com/svix/svix-webhooks/go"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// wireBackend is a backend that takes nothing for granted: it keeps every byte
// that it is sent, and understands only the simplest form of HTTP.
type wireBackend struct {
	address string

	mu       sync.Mutex
	received []wireRequest
	strange  []error
}

// wireRequest is a request as it came over the wire.
type wireRequest struct {
	line  string
	lines []string // of its header, with their ends
	body  string
}

func newWireBackend(t *testing.T) *wireBackend {
	b := &wireBackend{}
	b.address = upstreamOf(t, func(conn net.Conn) {
		reader := bufio.NewReader(conn)
		for {
			r, err := readWire(reader)
			b.mu.Lock()
			switch {
			case err == nil:
				b.received = append(b.received, r)
			case !errors.Is(err, io.EOF):
				b.strange = append(b.strange, err)
			}
			b.mu.Unlock()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	})
	return b
}

// readWire returns io.EOF if the connection ends before a request begins.
func readWire(reader *bufio.Reader) (r wireRequest, err error) {
	if r.line, err = reader.ReadString('\n'); err != nil {
		if r.line == "" || errors.Is(err, net.ErrClosed) {
			return r, io.EOF
		}
		return r, fmt.Errorf("a request line that ends early: %q", r.line)
	}
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			return r, fmt.Errorf("a header that ends early: %q, %q", r.lines, line)
		}
		if line == "\r\n" {
			break
		}
		r.lines = append(r.lines, line)
	}
	length := 0
	for _, line := range r.lines {
		if value, ok := strings.CutPrefix(strings.ToLower(line), "content-length: "); ok {
			if length, err = strconv.Atoi(strings.TrimSuffix(value, "\r\n")); err != nil {
				return r, err
			}
		}
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(reader, body); err != nil {
		return r, fmt.Errorf("a body that ends early: %q", body)
	}
	r.body = string(body)
	return r, nil
}

// take returns what has arrived since the last call. Whatever it is, it must be
// genuine.
func (b *wireBackend) take(t *testing.T) []wireRequest {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, err := range b.strange {
		t.Errorf("the backend got %v", err)
	}
	for _, r := range b.received {
		r.checkGenuine(t)
	}
	received := b.received
	b.received, b.strange = nil, nil
	return received
}

var (
	wireLine   = regexp.MustCompile(`^POST [!-~]+ HTTP/1\.1\r\n$`)
	wireHeader = regexp.MustCompile("^([A-Za-z0-9-]+): ([^\\x00-\\x08\\x0a-\\x1f\\x7f]*)\r\n$")
)

// checkGenuine checks that every backend understands the request in the same
// way and that Svix's own library verifies it.
func (r wireRequest) checkGenuine(t *testing.T) {
	t.Helper()
	if !wireLine.MatchString(r.line) {
		t.Errorf("the request line is %q", r.line)
	}
	header := make(http.Header)
	for _, line := range r.lines {
		parts := wireHeader.FindStringSubmatch(line)
		if parts == nil {
			t.Errorf("a header line is %q", line)
			continue
		}
		header.Add(parts[1], parts[2])
	}
	for _, name := range []string{"Host", "Content-Length", "Svix-Id", "Svix-Timestamp", "Svix-Signature"} {
		if len(header[name]) != 1 && (name != "Content-Length" || r.body != "") {
			t.Errorf("%s is there %d times", name, len(header[name]))
		}
	}
	for _, name := range []string{"Transfer-Encoding", "Trailer", "Expect", "Upgrade", "Connection", "Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"} {
		if value, ok := header[name]; ok {
			t.Errorf("%s is %q", name, value)
		}
	}
	wh, err := svix.NewWebhook(testcaddy.Secret)
	if err != nil {
		t.Fatal(err)
	}
	if err := wh.Verify([]byte(r.body), header); err != nil {
		t.Errorf("%q with %q reached the backend, and Svix's library says: %v", r.line, r.body, err)
	}
}

// net/http repeats a request with one of these headers by itself if the backend closes
// a connection without an answer, and if it can read the body again.
func TestAttemptReachesTheBackendOnce(t *testing.T) {
	for name, headers := range map[string][]string{
		"no such header":                 {"X-Other"},
		"Idempotency-Key":                {"Idempotency-Key"},
		"X-Idempotency-Key":              {"X-Idempotency-Key"},
		"both":                           {"Idempotency-Key", "X-Idempotency-Key"},
		"one in another spelling":        {"idempotency-key"},
		"a header that only looks alike": {"Idempotency-Keys"},
	} {
		t.Run(name, func(t *testing.T) {
			var requests atomic.Int32
			backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				if requests.Add(1) == 1 {
					return // so that Caddy keeps the connection
				}
				if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
					conn.Close()
				}
			}))
			t.Cleanup(backend.Close)
			site := testcaddy.RunSite(t, "clerk_webhook {\nsecret "+testcaddy.Secret+"\n}\nreverse_proxy "+backend.Listener.Addr().String(), "")
			for _, want := range []int{http.StatusOK, http.StatusBadGateway} {
				r := testcaddy.SignedRequest(t, site.Clients[0].URL, testcaddy.Secret, testcaddy.UserCreated)
				for _, header := range headers {
					r.Header[header] = []string{"1"}
				}
				if got := testcaddy.Send(t, site.Clients[0].Client, r); got.StatusCode != want {
					t.Errorf("got %d, want %d", got.StatusCode, want)
				}
			}
			if got := requests.Load(); got != 2 {
				t.Errorf("the backend got %d requests, want 2", got)
			}
		})
	}
}
