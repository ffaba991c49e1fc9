package clerkwebhook

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/ledger"
)

type otherKey struct{}

// leaseOf returns the context of a claim that has just been granted, below a
// request's context with one value of Caddy and one of somebody else.
func leaseOf(t *testing.T) (lease *leaseContext, hangUp context.CancelFunc) {
	t.Helper()
	request, hangUp := context.WithCancel(t.Context())
	request = context.WithValue(request, caddy.CtxKey("key"), "Caddy's")
	request = context.WithValue(request, otherKey{}, "another's")
	claim, _, _, err := ledger.NewLedger(time.Now, 1).Claim(request, ledger.Key{}, time.Hour, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &leaseContext{request: request, claim: claim}, hangUp
}

func TestLeaseOutlivesTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lease, hangUp := leaseOf(t)
		start := time.Now()
		below, cancel := context.WithCancel(lease)
		defer cancel()
		hangUp()
		for name, ctx := range map[string]context.Context{"itself": lease, "a context made of it": below} {
			if ctx.Err() != nil || context.Cause(ctx) != nil {
				t.Errorf("%s is over with the request: %v, %v", name, ctx.Err(), context.Cause(ctx))
			}
			if ctx.Value(caddy.CtxKey("key")) != "Caddy's" || ctx.Value(otherKey{}) != "another's" || ctx.Value(claimKey{}) != lease.claim {
				t.Errorf("%s lacks values", name)
			}
			if at, ok := ctx.Deadline(); !ok || !at.Equal(start.Add(ledger.Lease)) {
				t.Errorf("%s ends at %s, %t", name, at, ok)
			}
		}
		<-below.Done()
		if took := time.Since(start); took != ledger.Lease {
			t.Errorf("it ended after %s, want %s", took, ledger.Lease)
		}
		for name, ctx := range map[string]context.Context{"itself": lease, "a context made of it": below} {
			if !errors.Is(ctx.Err(), context.DeadlineExceeded) || !errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
				t.Errorf("%s ended with %v, %v", name, ctx.Err(), context.Cause(ctx))
			}
		}
	})
}

// What handlers leave running is told to stop when they have returned.
func TestLeaseEndsWithTheHandlers(t *testing.T) {
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
			lease, hangUp := leaseOf(t)
			defer hangUp()
			ctx := use(lease)
			if lease.timed != nil && ctx.Err() != nil {
				t.Errorf("it is over too early: %v", ctx.Err())
			}
			lease.end()
			<-ctx.Done()
			if !errors.Is(ctx.Err(), context.Canceled) {
				t.Errorf("it ended with %v", ctx.Err())
			}
		})
	}
}
