package ledger

import (
	"context"
	"errors"

	"github.com/caddyclerk/caddy-clerk-webhook/stores"
)

// Done remembers that the delivery was handled with success. If the store fails,
// this process knows at once, and the store is told later.
func (c *Claim) Done(ctx context.Context) {
	c.end()
	l := c.ledger
	if l.store == nil {
		_ = l.memory.MarkDone(ctx, c.key, c.token, l.window)
		return
	}
	mark := func(ctx context.Context) error { return l.store.MarkDone(ctx, c.key, c.token, l.window) }
	if err := l.call(ctx, StepDone, c.id, mark); err == nil || errors.Is(err, stores.ErrLost) {
		l.memory.noteElsewhere(c.key, c.token, l.window)
		return
	}
	_ = l.memory.MarkDone(ctx, c.key, c.token, l.window)
	l.retry(StepDone, c.id, func(ctx context.Context) error {
		err := mark(ctx)
		if err == nil {
			l.memory.moveElsewhere(c.key, l.window)
		}
		return err
	})
}

// Release gives up the claim, so that the next copy of the delivery can be handled.
func (c *Claim) Release(ctx context.Context) {
	c.end()
	l := c.ledger
	// The memory comes last. Otherwise the next copy could pass this process and
	// then find the claim in the store.
	defer func() { _ = l.memory.Release(ctx, c.key, c.token) }()
	if l.store == nil {
		return
	}
	release := func(ctx context.Context) error { return l.store.Release(ctx, c.key, c.token) }
	if err := l.call(ctx, StepRelease, c.id, release); err != nil {
		l.retry(StepRelease, c.id, release)
	}
}

// Done remembers that the delivery was handled with success.
func (cs Claims) Done(ctx context.Context) {
	for _, c := range cs {
		c.Done(ctx)
	}
}

// Release gives up the claims, so that the next copy of the delivery can be handled.
func (cs Claims) Release(ctx context.Context) {
	for _, c := range cs {
		c.Release(ctx)
	}
}
