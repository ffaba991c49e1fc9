package testcaddy

import (
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	svix "github.com/svix/svix-webhooks/go"
)

// What most tests deliver, and the secrets that sign it.
const (
	Secret      = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	OtherSecret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

	UserCreated = `{"data":{"id":"user_1"},"type":"user.created"}`
)

// Labelled is a guarded site whose every answer tells what the guard found.
const Labelled = `
	header X-Guard "{http.clerk_webhook.outcome} {http.clerk_webhook.reason}" {
		defer
	}
	handle_errors {
		header X-Guard "{http.clerk_webhook.outcome} {http.clerk_webhook.reason}"
		respond "error page for {err.status_code}"
	}
`

// Sign returns the three headers of a delivery, signed by Svix's library.
func Sign(t testing.TB, secret, id string, at time.Time, body string) (timestamp, signature string) {
	t.Helper()
	wh, err := svix.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	if signature, err = wh.Sign(id, at, []byte(body)); err != nil {
		t.Fatal(err)
	}
	return strconv.FormatInt(at.Unix(), 10), signature
}

// SignedRequest returns a delivery of body signed now by Svix's library.
func SignedRequest(t testing.TB, url, secret, body string) *http.Request {
	t.Helper()
	timestamp, signature := Sign(t, secret, "msg_1", time.Now(), body)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Svix-Id", "msg_1")
	r.Header.Set("Svix-Timestamp", timestamp)
	r.Header.Set("Svix-Signature", signature)
	return r
}

// Chunk makes r one whose length is not announced, with a trailer. It keeps
// GetBody, so that a client can send it again that learns too late of the end of
// a connection, as HTTP/2's may be after a body over the limit.
func Chunk(r *http.Request) {
	r.Body = struct{ io.ReadCloser }{r.Body}
	r.ContentLength = -1
	r.Trailer = http.Header{"X-Trailer": {"dropped"}}
}

// RandomBody is the same for every call with the same size.
func RandomBody(size int) string {
	source := rand.NewChaCha8([32]byte{byte(size), byte(size >> 8), byte(size >> 16)})
	body := make([]byte, size)
	_, _ = source.Read(body)
	return string(body)
}

// EveryPlaceholder is what a site tells of the guard's placeholders.
const EveryPlaceholder = "outcome={http.clerk_webhook.outcome} reason={http.clerk_webhook.reason} verified={http.clerk_webhook.verified} " +
	"id={http.clerk_webhook.id} timestamp={http.clerk_webhook.timestamp} type={http.clerk_webhook.type} secret={http.clerk_webhook.secret} " +
	"payload={http.clerk_webhook.event.data.id}"
