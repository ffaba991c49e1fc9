package clerkwebhook

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/ledger"
	"github.com/caddyclerk/caddy-clerk-webhook/stores"
)

// A handler that takes longer than the lease is told to stop, and then the next
// copy passes.
func TestHandlersAreBoundedByTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := deduplicating(t)
		var handled int
		slow := caddyhttp.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
			handled++
			<-r.Context().Done()
			return r.Context().Err()
		})
		start := time.Now()
		ctx, hangUp := context.WithCancel(t.Context())
		time.AfterFunc(15*time.Second, hangUp)
		ended := make(chan error, 1)
		go func() {
			ended <- h.ServeHTTP(httptest.NewRecorder(), deliveryAt(t, time.Now(), "{}").WithContext(ctx), slow)
		}()
		time.Sleep(stores.LongestClaim - time.Second)
		synctest.Wait()
		if status := answerTo(t, h, slow); status != http.StatusConflict {
			t.Errorf("just before the end of the lease a copy gets %d, want 409", status)
		}
		if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the handler ended with %v", err)
		}
		if took := time.Since(start); took != stores.LongestClaim {
			t.Errorf("it ended after %s, want %s", took, stores.LongestClaim)
		}
		quick := caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
			handled++
			w.WriteHeader(http.StatusNoContent)
			return nil
		})
		if status := answerTo(t, h, quick); status != http.StatusNoContent {
			t.Errorf("after the lease a copy gets %d, want 204", status)
		}
		if status := answerTo(t, h, quick); status != http.StatusOK || handled != 2 {
			t.Errorf("then a copy gets %d and %d were handled, want 200 and 2", status, handled)
		}
	})
}

// A handler that does not stop when told to may see its delivery handled once
// more; if it succeeds after all, that counts.
func TestHandlerThatOverrunsTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := deduplicating(t)
		stubborn := caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
			time.Sleep(stores.LongestClaim + time.Minute)
			w.WriteHeader(http.StatusNoContent)
			return nil
		})
		failing := caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
			w.WriteHeader(http.StatusInternalServerError)
			return nil
		})
		ended := make(chan int, 1)
		go func() { ended <- answerTo(t, h, stubborn) }()
		time.Sleep(stores.LongestClaim + time.Second)
		if status := answerTo(t, h, failing); status != http.StatusInternalServerError {
			t.Errorf("a copy after the lease gets %d, want the handler's 500", status)
		}
		if status := <-ended; status != http.StatusNoContent {
			t.Errorf("the first got %d, want 204", status)
		}
		if status := answerTo(t, h, failing); status != http.StatusOK {
			t.Errorf("then a copy gets %d, want 200", status)
		}
	})
}

// deduplicating returns a guard that remembers in memory, by the clock of the
// test.
func deduplicating(t *testing.T) *Handler {
	t.Helper()
	h := provisioned(t, time.Now())
	h.now = time.Now
	h.Deduplicate = new(Deduplicate)
	h.Deduplicate.setDefaults()
	h.once = &deduplication{
		Ledger: ledger.NewLedger(ledger.NewMemory(1000), nil, time.Duration(h.Deduplicate.Window), false, nil),
		scopes: h.ring.scopes(),
	}
	t.Cleanup(func() { h.once = nil }) // it was not taken from those that guards share
	return h
}

// answerTo returns the answer to a copy that is signed now.
func answerTo(t *testing.T, h *Handler, next caddyhttp.Handler) int {
	t.Helper()
	w := httptest.NewRecorder()
	if err := h.ServeHTTP(w, deliveryAt(t, time.Now(), "{}"), next); err != nil {
		t.Errorf("got the error %v", err)
	}
	return w.Code
}

type otherKey struct{}

// claimed returns the context of a claim that has just been granted. It is below a
// request's context with one value of Caddy's and one of somebody else's.
func claimed(t *testing.T) (ctx context.Context, claim *ledger.Claim, end, hangUp context.CancelFunc) {
	t.Helper()
	request, hangUp := context.WithCancel(t.Context())
	request = context.WithValue(request, caddy.CtxKey("key"), "Caddy's")
	request = context.WithValue(request, otherKey{}, "another's")
	granted, _, _, err := ledger.NewLedger(ledger.NewMemory(1), nil, time.Hour, false, nil).Claim(request, stores.Key{}, "msg_1")
	if err != nil {
		t.Fatal(err)
	}
	ctx, end = claimContext(request, ledger.Claims{granted})
	return ctx, granted, end, hangUp
}

func TestClaimContextOutlivesTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lease, claim, end, hangUp := claimed(t)
		defer end()
		start := time.Now()
		below, cancel := context.WithCancel(lease)
		defer cancel()
		hangUp()
		for name, ctx := range map[string]context.Context{"itself": lease, "a context made of it": below} {
			if ctx.Err() != nil || context.Cause(ctx) != nil {
				t.Errorf("%s is over with the request: %v, %v", name, ctx.Err(), context.Cause(ctx))
			}
			if ctx.Value(caddy.CtxKey("key")) != "Caddy's" || ctx.Value(otherKey{}) != "another's" || ctx.Value(claimKey{}).(ledger.Claims)[0] != claim {
				t.Errorf("%s lacks values", name)
			}
			if at, ok := ctx.Deadline(); !ok || !at.Equal(start.Add(stores.LongestClaim)) {
				t.Errorf("%s ends at %s, %t", name, at, ok)
			}
		}
		<-below.Done()
		if took := time.Since(start); took != stores.LongestClaim {
			t.Errorf("it ended after %s, want %s", took, stores.LongestClaim)
		}
		for name, ctx := range map[string]context.Context{"itself": lease, "a context made of it": below} {
			if !errors.Is(ctx.Err(), context.DeadlineExceeded) || !errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
				t.Errorf("%s ended with %v, %v", name, ctx.Err(), context.Cause(ctx))
			}
		}
	})
}

// What handlers leave running is told to stop when they have returned.
func TestClaimContextEndsWithTheHandlers(t *testing.T) {
	for name, use := range map[string]func(context.Context) context.Context{
		"first asked for before": func(ctx context.Context) context.Context { _ = ctx.Done(); return ctx },
		"first asked for after":  func(ctx context.Context) context.Context { return ctx },
		"through another": func(ctx context.Context) context.Context {
			ctx, cancel := context.WithCancel(ctx)
			t.Cleanup(cancel)
			return ctx
		},
	} {
		t.Run(name, func(t *testing.T) {
			lease, _, end, hangUp := claimed(t)
			defer hangUp()
			ctx := use(lease)
			if ctx.Err() != nil {
				t.Errorf("it is over too early: %v", ctx.Err())
			}
			end()
			<-ctx.Done()
			if !errors.Is(ctx.Err(), context.Canceled) {
				t.Errorf("it ended with %v", ctx.Err())
			}
		})
	}
}
