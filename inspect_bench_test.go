//go:build !race

// The race detector makes sync.Pool forget at random, so allocations can only
// be counted without it.

package clerkwebhook

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// BenchmarkInspect measures what a guard takes for a delivery of 2 KB, in front
// of a handler that does next to nothing. What inspect adds is the difference.
func BenchmarkInspect(b *testing.B) {
	for _, test := range []struct {
		name    string
		inspect bool
	}{{"off", false}, {"on", true}} {
		b.Run(test.name, func(b *testing.B) {
			deliver := deliverer(b, twoKilobytes, test.inspect)
			b.ReportAllocs()
			for b.Loop() {
				deliver()
			}
		})
	}
}

// Without inspect a guard must not pay for it.
func TestWithoutInspectNothingIsAllocatedForIt(t *testing.T) {
	var off *inspection
	d := &delivery{}
	w, r := http.ResponseWriter(silentWriter{}), httptest.NewRequest(http.MethodPost, "/", nil)
	allocations := testing.AllocsPerRun(1000, func() {
		err := error(nil)
		watched, watchedWriter, next := off.watch(w, r, answerOK, d)
		defer watched.end(&err)
		watched.verified()
		if watchedWriter != w || next == nil {
			t.Error("something stands between")
		}
	})
	if allocations > 0 {
		t.Errorf("%v allocations", allocations)
	}
}

var twoKilobytes = `{"data":"` + strings.Repeat("x", 2000) + `","type":"user.created"}`

// deliverer returns a function that delivers a body to a guard.
func deliverer(t testing.TB, body string, inspect bool) func() {
	t.Helper()
	now := time.Now()
	h := provisioned(t, now)
	if inspect {
		h.inspection = newInspection(h) // which the guard's Cleanup releases
	}
	w, server := httptest.NewRecorder(), new(caddyhttp.Server)
	r := deliveryAt(t, now, body)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Svix-Webhooks/1.84.0")
	return func() {
		ctx, cancel := context.WithCancel(context.Background()) // as a server does, so that buffers come back
		defer cancel()
		r := r.WithContext(ctx)
		r.Body = readCloser{strings.NewReader(body)}
		prepared := caddyhttp.PrepareRequest(r, caddy.NewEmptyReplacer(), w, server)
		if err := h.ServeHTTP(w, prepared, answerOK); err != nil {
			t.Error(err)
		}
	}
}

// readCloser is a body that costs nothing but its reading.
type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }
