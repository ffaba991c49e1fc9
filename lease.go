package clerkwebhook

import (
	"context"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/ledger"
)

// leaseContext is the context of the handlers behind a guard that has claimed a
// delivery. It has the values of the request's context but goes on when the
// sender hangs up, and ends with the lease. Its timer is started by the first
// handler that asks for it.
type leaseContext struct {
	request context.Context // for its values
	claim   *ledger.Claim

	start  sync.Once
	timed  context.Context
	cancel context.CancelFunc
}

// claimKey is the context key of the *ledger.Claim that a request holds.
type claimKey struct{}

// Deadline satisfies context.Context.
func (c *leaseContext) Deadline() (time.Time, bool) { return c.claim.Until(), true }

// Done satisfies context.Context.
func (c *leaseContext) Done() <-chan struct{} { return c.started().Done() }

// Err satisfies context.Context.
func (c *leaseContext) Err() error { return c.started().Err() }

// Value satisfies context.Context.
func (c *leaseContext) Value(key any) any {
	switch key.(type) {
	case claimKey:
		return c.claim
	case caddy.CtxKey: // nearly all that is asked for, so it takes the short way
		return c.request.Value(key)
	}
	return context.WithoutCancel(c.request).Value(key)
}

// AfterFunc lets contexts that are made of this one end with it without a
// goroutine for each.
func (c *leaseContext) AfterFunc(f func()) (stop func() bool) {
	return context.AfterFunc(c.started(), f)
}

func (c *leaseContext) started() context.Context {
	c.start.Do(func() { c.timed, c.cancel = context.WithDeadline(context.WithoutCancel(c.request), c.claim.Until()) })
	return c.timed
}

// end tells what the handlers have left running to stop.
func (c *leaseContext) end() {
	c.start.Do(func() { c.timed, c.cancel = ended, func() {} })
	c.cancel()
}

// ended is a context that is over.
var ended = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// Interface guard
var _ context.Context = (*leaseContext)(nil)
