package clerkwebhook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/summary"
)

const guardSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// provisioned returns a guard of its own name, outside a server, whose clock
// stands at now.
func provisioned(t testing.TB, now time.Time) *Handler {
	t.Helper()
	h := &Handler{Name: t.Name(), Secret: []Secret{{Value: guardSecret}}}
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	t.Cleanup(cancel)
	if err := h.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Cleanup(); err != nil {
			t.Error(err)
		}
	})
	if err := h.summaries.Release(h.logger); err != nil {
		t.Fatal(err)
	}
	h.logger = zap.NewNop()
	h.summaries = summary.Acquire(h.Name, h.logger)
	h.now = func() time.Time { return now }
	return h
}

// deliveryAt returns a delivery that was signed at a time.
func deliveryAt(t testing.TB, at time.Time, body string) *http.Request {
	t.Helper()
	secret, err := signature.ParseSecret(guardSecret)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := secret.Sign("msg_1", at, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Svix-Id", "msg_1")
	r.Header.Set("Svix-Timestamp", strconv.FormatInt(at.Unix(), 10))
	r.Header.Set("Svix-Signature", signed)
	return r
}

var answerOK = caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
	w.WriteHeader(http.StatusOK)
	return nil
})

func TestEdgesOfTheTolerance(t *testing.T) {
	now := time.Unix(1614265330, 0)
	const tolerance = 5 * time.Minute
	tests := map[string]struct {
		clock  time.Time
		signed time.Time
		status int
	}{
		"at the old edge":                    {now, now.Add(-tolerance), 200},
		"a second beyond the old edge":       {now, now.Add(-tolerance - time.Second), 403},
		"a nanosecond beyond the old edge":   {now.Add(1), now.Add(-tolerance), 403},
		"at the new edge":                    {now, now.Add(tolerance), 200},
		"a second beyond the new edge":       {now, now.Add(tolerance + time.Second), 403},
		"a nanosecond beyond the new edge":   {now.Add(-1), now.Add(tolerance), 403},
		"a nanosecond within the new edge":   {now.Add(1), now.Add(tolerance), 200},
		"the clock stands before the signed": {now.Add(-time.Minute), now, 200},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h := provisioned(t, test.clock)
			w := httptest.NewRecorder()
			err := h.ServeHTTP(w, deliveryAt(t, test.signed, "{}"), answerOK)
			if got := statusOf(w, err); got != test.status {
				t.Errorf("got %d, %v, want %d", got, err, test.status)
			}
		})
	}
}

func statusOf(w *httptest.ResponseRecorder, err error) int {
	var e caddyhttp.HandlerError
	if errors.As(err, &e) {
		return e.StatusCode
	}
	return w.Code
}

// unreadable is the body of a request that must be judged by its headers. A rejected
// request has no signature any more, and then the rest of its body is dropped.
type unreadable struct {
	t      testing.TB
	header http.Header
}

func (u unreadable) Read([]byte) (int, error) {
	if len(u.header["Svix-Signature"]) > 0 {
		u.t.Error("the body was read before the request was rejected")
	}
	return 0, io.EOF
}

func (unreadable) Close() error { return nil }

// headerRejections are requests that are rejected before their body is read.
func headerRejections(t testing.TB, now time.Time) map[string]*http.Request {
	rejections := make(map[string]*http.Request)
	for name, change := range map[string]func(*http.Request){
		"method":       func(r *http.Request) { r.Method = http.MethodGet },
		"no headers":   func(r *http.Request) { clear(r.Header) },
		"malformed id": func(r *http.Request) { r.Header.Set("Svix-Id", "a.b") },
		"stale":        func(r *http.Request) { r.Header.Set("Svix-Timestamp", fmt.Sprint(now.Unix()-301)) },
		"future":       func(r *http.Request) { r.Header.Set("Svix-Timestamp", fmt.Sprint(now.Unix()+301)) },
		"too large":    func(r *http.Request) { r.ContentLength = defaultMaxBody + 1 },
	} {
		r := deliveryAt(t, now, "{}")
		r.Body = unreadable{t, r.Header}
		change(r)
		rejections[name] = r
	}
	return rejections
}

// A rejection writes nothing itself, and its error is what handle_errors needs.
func TestRejectionsAreErrorsAndNothingElse(t *testing.T) {
	now := time.Unix(1614265330, 0)
	h := provisioned(t, now)
	for name, r := range headerRejections(t, now) {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			err := h.ServeHTTP(w, r, answerOK)
			if _, ok := err.(caddyhttp.HandlerError); !ok { //nolint:errorlint // it must be one itself
				t.Errorf("the error is a %T", err)
			}
			if w.Flushed || w.Body.Len() > 0 || w.Result().StatusCode != 200 { // the recorder's default
				t.Errorf("something was written: %d %q", w.Code, w.Body)
			}
		})
	}
}

// The flood of a stranger must not become work for the garbage collector: beside
// the error, which Caddy's own error directive makes too, there are the delivery
// and its placeholders.
func TestHeaderRejectionsAllocateLittle(t *testing.T) {
	const most = 13 // 11, and what the race detector adds
	now := time.Unix(1614265330, 0)
	h := provisioned(t, now)
	w := httptest.NewRecorder()
	for name, r := range headerRejections(t, now) {
		t.Run(name, func(t *testing.T) {
			prepare := func() *http.Request { return caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, nil) }
			errorDirective := testing.AllocsPerRun(500, func() {
				prepare()
				_ = caddyhttp.Error(http.StatusBadRequest, errNotPost)
			})
			guard := testing.AllocsPerRun(500, func() { _ = h.ServeHTTP(w, prepare(), answerOK) })
			t.Logf("%.0f allocations more than the error directive", guard-errorDirective)
			if guard-errorDirective > most {
				t.Errorf("%.0f allocations more than the error directive, want at most %d", guard-errorDirective, most)
			}
		})
	}
}

// announced is a body of which nothing comes before it ends.
type announced struct{ awaited, ended chan struct{} }

func (a announced) Read([]byte) (int, error) {
	close(a.awaited)
	<-a.ended
	return 0, io.ErrUnexpectedEOF
}

func TestRequestIsRejectedAfterItsConfigHasEnded(t *testing.T) {
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	defer cancel()
	h := &Handler{Name: "ended", Secret: []Secret{{Value: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}}}
	if err := h.Provision(ctx); err != nil {
		t.Fatal(err)
	}

	body := announced{make(chan struct{}), make(chan struct{})}
	r := httptest.NewRequest(http.MethodPost, "/", body)
	r = r.WithContext(context.WithValue(r.Context(), caddyhttp.VarsCtxKey, make(map[string]any)))
	r.Header.Set("Svix-Id", "msg_1")
	r.Header.Set("Svix-Timestamp", strconv.FormatInt(h.now().Unix(), 10))
	r.Header.Set("Svix-Signature", "v1,AAAA")
	result := make(chan error)
	go func() {
		result <- h.ServeHTTP(httptest.NewRecorder(), r, caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil }))
	}()
	<-body.awaited
	if err := h.Cleanup(); err != nil {
		t.Fatal(err)
	}
	close(body.ended)
	var refused caddyhttp.HandlerError
	if err := <-result; !errors.As(err, &refused) || refused.StatusCode != http.StatusBadRequest {
		t.Errorf("got %v, want a 400", err)
	}
}
