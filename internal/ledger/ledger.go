// Package ledger remembers which deliveries are under way and which are done, so
// that each is handled once. Within a process this is exact. Between processes it
// is as exact as the store.
package ledger

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/stores"
)

const (
	// shortLease lets the claim of an instance that was killed end before Svix's
	// second attempt, which comes after five seconds.
	shortLease = 4 * time.Second

	// renewals is how often a claim is renewed within its lease, so that some may
	// fail.
	renewals = 4

	// callTimeout bounds the wait for the store in each step. A sender gives up
	// after 15 seconds, and the backend needs most of them.
	callTimeout = time.Second

	// retryPause and maxRetries are for what the store has to be told after a
	// delivery and could not be.
	retryPause = time.Second
	maxRetries = 1000
)

// KeyOf returns the key of a message. Svix sends a message to several endpoints
// under one id. Each endpoint has its own secret, so the secret's fingerprint is
// part of the key.
func KeyOf(fingerprint [sha256.Size]byte, id string) stores.Key {
	var message [sha256.Size + 256]byte // an id has at most 256 bytes, so this does not allocate
	sum := sha256.Sum256(append(append(message[:0], fingerprint[:]...), id...))
	return stores.Key(sum[:len(stores.Key{})])
}

// Step is what a store is asked to do.
type Step string

// The steps of a delivery, and that of an operator.
const (
	StepClaim   Step = "claim"
	StepRenew   Step = "renew"
	StepDone    Step = "mark_done"
	StepRelease Step = "release"
	StepForget  Step = "forget"
)

// Steps are all steps.
var Steps = []Step{StepClaim, StepRenew, StepDone, StepRelease, StepForget}

// Call is one call of a store.
type Call struct {
	Step Step
	ID   string // of the message; empty for StepForget
	Took time.Duration
	Err  error // stores.ErrLost if another instance has taken the delivery over
}

// Ledger remembers the deliveries of a guard. It is safe for concurrent use.
type Ledger struct {
	memory  *Memory
	store   stores.Store // nil if there is only the memory
	window  time.Duration
	lease   time.Duration
	told    func(Call)
	retries chan struct{}
}

// NewLedger returns a ledger that asks the memory of the process first and then
// the store, which may be nil. A delivery that was done is new again after window.
// told is called after each call of the store.
//
// If strict is true, claims last so long that a short outage of the store does not end
// them, and no other instance gets the deliveries of one that was killed meanwhile.
func NewLedger(memory *Memory, store stores.Store, window time.Duration, strict bool, told func(Call)) *Ledger {
	l := &Ledger{memory: memory, store: store, window: window, lease: shortLease, told: told, retries: make(chan struct{}, maxRetries)}
	if strict {
		l.lease = stores.LongestClaim
	}
	return l
}

// Forget removes the done mark of a delivery, so that a resend is handled again. It
// reports whether there was one. It does not change a delivery that is under way.
func (l *Ledger) Forget(ctx context.Context, key stores.Key) (known bool, err error) {
	known, err = l.memory.Forget(ctx, key)
	if l.store == nil {
		return known, err
	}
	stored := false
	err = l.call(ctx, StepForget, "", func(ctx context.Context) (err error) {
		stored, err = l.store.Forget(ctx, key)
		return err
	})
	return known || stored, err
}

// call gives a call of the store its time. It goes on if the sender hangs up.
func (l *Ledger) call(ctx context.Context, step Step, id string, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	start := time.Now()
	err := ask(ctx)
	l.told(Call{Step: step, ID: id, Took: time.Since(start), Err: err})
	return err
}

// retry repeats in the background what the store could not be told, until it
// succeeds or can matter no more. If there is too much of it, it is left out: the
// claim ends by itself then.
func (l *Ledger) retry(step Step, id string, ask func(context.Context) error) {
	select {
	case l.retries <- struct{}{}:
	default:
		return
	}
	go func() {
		defer func() { <-l.retries }()
		for end := time.Now().Add(stores.LongestClaim); time.Now().Before(end); {
			time.Sleep(retryPause)
			if err := l.call(context.Background(), step, id, ask); err == nil || errors.Is(err, stores.ErrLost) {
				return
			}
		}
	}()
}
