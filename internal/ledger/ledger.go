// Package ledger remembers which deliveries are under way and which are done, so
// that each is handled once. Within a process this is exact. Processes that share
// a Caddy storage can still both handle a delivery that reaches them at the same
// time, because the storage has no atomic operations.
package ledger

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"
)

// Lease is how long a claim lasts at most. It is longer than any sender waits for
// an answer. It is shorter than the five minutes until Svix's third attempt, so
// that the claim of a process that died never holds up that attempt.
const Lease = 2 * time.Minute

// Key identifies a message of one sender. It is a hash, so that a ledger does not
// tell which messages it has seen and needs the same memory for each.
type Key [16]byte

// KeyOf returns the key of a message. Svix sends a message to several endpoints
// under one id. Each endpoint has its own secret, so the secret's fingerprint is
// part of the key.
func KeyOf(fingerprint [sha256.Size]byte, id string) Key {
	var message [sha256.Size + 256]byte // an id has at most 256 bytes, so this does not allocate
	sum := sha256.Sum256(append(append(message[:0], fingerprint[:]...), id...))
	return Key(sum[:len(Key{})])
}

// State is what a ledger knows about a delivery.
type State int

// The states of a delivery.
const (
	New        State = iota // not seen, or seen and not handled with success
	InProgress              // another copy has the claim
	Done                    // handled with success
)

// Ledger has the claims and the done marks of a process. It is safe for concurrent
// use and outlives a config.
type Ledger struct {
	now func() time.Time

	mu     sync.Mutex
	claims map[Key]*Claim
	done   doneMarks
}

// NewLedger returns an empty ledger that remembers at most maxDone done deliveries.
// Beyond that it forgets the oldest.
func NewLedger(now func() time.Time, maxDone int) *Ledger {
	return &Ledger{now: now, claims: make(map[Key]*Claim), done: doneMarks{limit: maxDone}}
}

// Claim is the right to handle a delivery. Its holder must call Done or Release
// once.
type Claim struct {
	ledger  *Ledger
	records *Records // nil where only this process remembers
	record  string   // the storage key of the claim's record, if there may be one
	token   string   // tells this claim from others in that record
	key     Key
	until   time.Time
	window  time.Duration
}

// Claim asks for the right to handle a delivery. It grants the claim if the state is
// New. If the state is Done, at is the time when the delivery was handled, which
// is less than window ago.
//
// records may be nil. If the storage fails, Claim decides by what this process
// knows and also returns an error. A genuine delivery is not refused because the
// storage is down.
func (l *Ledger) Claim(ctx context.Context, key Key, window time.Duration, records *Records) (claim *Claim, state State, at time.Time, err error) {
	claim, state, at = l.claimInProcess(key, window, records)
	if state != New || records == nil {
		return claim, state, at, nil
	}
	state, at, err = records.claim(ctx, claim)
	if state != New {
		// A done mark of another instance is not copied, so that forgetting it
		// there is enough.
		l.drop(claim)
		return nil, state, at, nil
	}
	return claim, New, time.Time{}, err
}

func (l *Ledger) claimInProcess(key Key, window time.Duration, records *Records) (*Claim, State, time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if earlier, ok := l.claims[key]; ok && now.Before(earlier.until) {
		return nil, InProgress, time.Time{}
	}
	l.done.expire(now)
	if at, ok := l.done.find(key); ok && now.Sub(at) < window {
		return nil, Done, at
	}
	claim := &Claim{ledger: l, records: records, key: key, until: now.Add(Lease), window: window}
	l.claims[key] = claim
	return claim, New, time.Time{}
}

// Key returns the key of the claimed delivery.
func (c *Claim) Key() Key { return c.key }

// Until returns the time when the lease ends.
func (c *Claim) Until() time.Time { return c.until }

// Done remembers that the delivery was handled with success. If it returns an error,
// only this process knows.
func (c *Claim) Done(ctx context.Context) error {
	at := c.ledger.now()
	c.ledger.markDone(c, at)
	if c.records == nil {
		return nil
	}
	return c.records.markDone(ctx, c.record, c.key, at)
}

// Release gives up the claim, so that the next copy of the delivery can be handled.
// If it returns an error, other processes refuse that copy until the lease ends.
func (c *Claim) Release(ctx context.Context) error {
	// The record goes first. Otherwise the next copy could pass this process and
	// then find the claim in the storage.
	var err error
	if c.record != "" && c.ledger.now().Before(c.until) { // later the record may be a successor's
		err = c.records.release(ctx, c.record, c.token)
	}
	c.ledger.drop(c)
	return err
}

func (l *Ledger) markDone(c *Claim, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done.add(c.key, at, c.window)
	l.remove(c)
}

func (l *Ledger) drop(c *Claim) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remove(c)
}

// remove removes c, and not the claim of a later copy that was granted after the
// lease of c ended.
func (l *Ledger) remove(c *Claim) {
	if l.claims[c.key] == c {
		delete(l.claims, c.key)
	}
}

// Forget removes the done mark of a delivery, so that a resend is handled again. It
// reports whether there was one. It does not change a delivery that is under way.
func (l *Ledger) Forget(ctx context.Context, key Key, records *Records) (known bool, err error) {
	l.mu.Lock()
	known = l.done.remove(key)
	l.mu.Unlock()
	if records == nil {
		return known, nil
	}
	stored, err := records.forget(ctx, key)
	return known || stored, err
}
