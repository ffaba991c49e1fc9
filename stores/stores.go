// Package stores is what the deduplicate option of clerk_webhook asks of a place
// that remembers deliveries. A store is a Caddy module in the namespace
// http.handlers.clerk_webhook.stores whose module satisfies Store.
package stores

import (
	"context"
	"errors"
	"time"
)

// Key identifies a message of one sender. It is a hash, so that a store does not
// tell which messages it has seen.
type Key [16]byte

// State is what a store knows about a delivery.
type State int

// The states of a delivery.
const (
	New        State = iota // not seen, or seen and not handled with success
	InProgress              // another copy has the claim
	Done                    // handled with success
)

// ErrLost says that the claim is not held any more: it has expired, and another
// instance has claimed or handled the delivery meanwhile.
var ErrLost = errors.New("another instance has taken the delivery over")

// Store has the claims and the done marks of deliveries. Each method is one atomic
// step, also between processes. A store measures time by its own clock, not by an
// instance's. All methods are safe for concurrent use and end when ctx ends.
type Store interface {
	// Claim asks for the right to handle the delivery for the time of lease. The
	// token identifies the claim. It returns New if the claim is granted. If the
	// state is Done, at is when the delivery was handled. A claim that is asked
	// for again with the same token is granted again, so that it can be repeated
	// after a lost answer.
	Claim(ctx context.Context, key Key, token string, lease time.Duration) (state State, at time.Time, err error)

	// Renew lets the claim last for lease from now. It returns ErrLost if another
	// token has the delivery.
	Renew(ctx context.Context, key Key, token string, lease time.Duration) error

	// MarkDone ends the claim and remembers for window that the delivery is
	// handled. It does so too if the claim has expired and nobody has claimed
	// the delivery since. Otherwise it returns ErrLost and changes nothing.
	MarkDone(ctx context.Context, key Key, token string, window time.Duration) error

	// Release ends the claim, so that the next copy can be handled. It does
	// nothing if the token does not have the claim.
	Release(ctx context.Context, key Key, token string) error

	// Forget removes the done mark, so that the next copy is handled again. It
	// reports whether there was one. It does not touch a claim.
	Forget(ctx context.Context, key Key) (known bool, err error)
}
