package testcaddy

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// Backend is an upstream that keeps what reaches it.
type Backend struct {
	Address string // "127.0.0.1:port"

	mu       sync.Mutex
	received []Received
}

// Received is a request that reached a backend, with its body.
type Received struct {
	*http.Request
	Payload []byte
	Err     error // of reading the payload
}

// NewBackend starts a backend that answers as told, or with an empty 200 if
// answer is nil, after it has read the whole request.
func NewBackend(t testing.TB, answer http.HandlerFunc) *Backend {
	t.Helper()
	b := &Backend{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		payload, err := io.ReadAll(r.Body)
		b.mu.Lock()
		b.received = append(b.received, Received{Request: r, Payload: payload, Err: err})
		b.mu.Unlock()
		if answer != nil {
			answer(w, r)
		}
	}))
	t.Cleanup(server.Close)
	b.Address = server.Listener.Addr().String()
	return b
}

// Take returns what has arrived since the last call.
func (b *Backend) Take() []Received {
	b.mu.Lock()
	defer b.mu.Unlock()
	received := b.received
	b.received = nil
	return received
}

// OnlyRequest returns what the backend got, which must be one request.
func OnlyRequest(t testing.TB, b *Backend) Received {
	t.Helper()
	received := b.Take()
	if len(received) != 1 {
		t.Fatalf("%d requests reached the backend, want 1", len(received))
	}
	if err := received[0].Err; err != nil {
		t.Fatalf("the backend could not read the body: %v", err)
	}
	return received[0]
}

// WantNothing fails the test if anything has reached the backend.
func WantNothing(t testing.TB, b *Backend) {
	t.Helper()
	if received := b.Take(); len(received) > 0 {
		t.Errorf("%d requests reached the backend, the first %s %s", len(received), received[0].Method, received[0].RequestURI)
	}
}
