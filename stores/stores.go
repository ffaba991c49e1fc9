// Package stores is what the option deduplicate of clerk_webhook asks of a place
// that remembers deliveries. A store is a Caddy module in the namespace
// http.handlers.clerk_webhook.stores that satisfies Store.
//
// A store that a Caddyfile can name is also a caddyfile.Unmarshaler. It gets its
// own name, its arguments and the lines of its block. The line on_failure belongs
// to deduplicate, so the store does not see it.
//
// Provision does not wait for a database. If it cannot be reached, each step returns an
// error, and on_failure decides. The errors reach the log, so they have no password.
//
// The example is a complete store. The package storetest checks whether a store keeps
// what it promises here.
package stores

import (
	"context"
	"errors"
	"time"
)

// Namespace is where the modules of stores are.
const Namespace = "http.handlers.clerk_webhook.stores"

// LongestClaim is how long a guard handles a delivery at most. It is longer than
// any sender waits for an answer. It is shorter than the five minutes until Svix's
// third attempt, so that no claim holds up that attempt.
//
// During a reload, a guard uses the store of the old config for as long after
// Cleanup. A store with connections keeps them until then.
const LongestClaim = 2 * time.Minute

// Key identifies a message of one sender. It is a hash, so that a store does not
// tell which messages it has seen.
type Key [16]byte

// State is what a store knows about a delivery.
type State int

// The states of a delivery.
const (
	New        State = iota // not seen, or seen and not handled with success
	InProgress              // another token has the claim
	Done                    // handled with success
)

// ErrLost says that the token has no claim any more: the claim has expired, and
// another token has claimed or handled the delivery meanwhile.
var ErrLost = errors.New("another instance has taken the delivery over")

// Store has the claims and the done marks of deliveries. Each method is one atomic
// step, also between processes if the store says so. A store measures time by its
// own clock, not by an instance's, if it has one.
//
// All methods are safe for concurrent use. They return when ctx ends, and they may
// have been carried out then or not. A guard gives each call a second.
type Store interface {
	// Claim asks for the right to handle the delivery for the time of lease. The
	// token identifies the claim. It returns New if the claim is granted. If the
	// state is Done, at is when the delivery was handled. A claim that is asked
	// for again with the same token is granted again, so that it can be repeated
	// after a lost answer.
	Claim(ctx context.Context, key Key, token string, lease time.Duration) (state State, at time.Time, err error)

	// Renew lets the claim last for lease from now. It does so too if the claim
	// has expired and nobody has claimed or handled the delivery since. Otherwise
	// it returns ErrLost and changes nothing.
	Renew(ctx context.Context, key Key, token string, lease time.Duration) error

	// MarkDone ends the claim and remembers for window that the delivery is
	// handled. It does so too if the claim has expired and nobody has claimed
	// the delivery since. If another token has the claim, it returns ErrLost and
	// changes nothing. It is no error if the delivery is done already, whoever did
	// it, so that MarkDone can be repeated after a lost answer.
	MarkDone(ctx context.Context, key Key, token string, window time.Duration) error

	// Release ends the claim, so that the next copy can be handled. It does
	// nothing if the token does not have the claim.
	Release(ctx context.Context, key Key, token string) error

	// Forget removes the done mark, so that the next copy is handled again. It
	// reports whether there was one. It does not touch a claim.
	Forget(ctx context.Context, key Key) (known bool, err error)
}

// Windowed is a store that has to know before the first claim how long done marks
// last. The guard calls SetWindow once, after Provision. MarkDone gets the same
// window.
type Windowed interface {
	SetWindow(window time.Duration)
}
