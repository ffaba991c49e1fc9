// Package ledger remembers which deliveries are under way and which are done, so
// that each is handled once. In one process that is exact. Processes that share a
// Caddy storage come as close to it as a storage without locks allows.
package ledger

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"
)

// Lease is how long a delivery may be under way. No sender waits that long for an
// answer. It is shorter than the five minutes until Svix's third attempt, so that
// the claim of a process that died never stops that attempt.
const Lease = 2 * time.Minute

// Key identifies a message of one sender. It is a hash, so a ledger does not reveal
// the messages that it has seen, and each key has the same size.
type Key [16]byte

// KeyOf returns the key of a message. The same message goes to several endpoints
// under one id. Each endpoint has its own secret, so the secret's fingerprint is
// part of the key.
func KeyOf(fingerprint [sha256.Size]byte, id string) Key {
	var message [sha256.Size + 256]byte // ids are not longer, so append allocates nothing
	sum := sha256.Sum256(append(append(message[:0], fingerprint[:]...), id...))
	return Key(sum[:len(Key{})])
}

// State is what a ledger knows of a delivery.
type State int

// The states of a delivery.
const (
	New        State = iota // not seen, or not successfully handled yet
	InProgress              // another copy is being handled
	Done                    // handled
)

// Ledger is safe for concurrent use. It belongs to the process, not to a
// config: guards of successive configs share one.
type Ledger struct {
	now func() time.Time

	mu     sync.Mutex // sets a done mark and removes its claim in one step
	claims map[Key]*Claim
	marks  marks
}

// NewLedger returns an empty ledger that keeps at most maxMarks done deliveries in
// memory.
func NewLedger(now func() time.Time, maxMarks int) *Ledger {
	return &Ledger{now: now, claims: make(map[Key]*Claim), marks: marks{limit: maxMarks}}
}

// Claim is the right to handle a delivery. Done or Release must be called once.
type Claim struct {
	ledger  *Ledger
	records *Records // nil if only this process remembers
	record  string   // the storage key of the claim, if it could be written
	token   string   // tells the claim from others in that record
	key     Key
	until   time.Time
	window  time.Duration
}

// Claim asks for the right to handle a delivery. If it is New the claim is
// granted. If it is Done, at tells when it was.
//
// records may be nil. If records fails, the state is what this process knows, and
// err says why. A genuine delivery is not refused because of bookkeeping.
func (l *Ledger) Claim(ctx context.Context, key Key, window time.Duration, records *Records) (claim *Claim, state State, at time.Time, err error) {
	claim, state, at = l.claimInProcess(key, window, records)
	if state != New || records == nil {
		return claim, state, at, nil
	}
	claim.record, claim.token, state, at, err = records.claim(ctx, key, claim.until)
	if state != New {
		// This process does not remember what another instance has handled, so that
		// forgetting it there is enough.
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
	l.marks.expire(now)
	if at, ok := l.marks.find(key); ok && now.Sub(at) < window {
		return nil, Done, at
	}
	claim := &Claim{ledger: l, records: records, key: key, until: now.Add(Lease), window: window}
	l.claims[key] = claim
	return claim, New, time.Time{}
}

// Key tells which delivery is claimed.
func (c *Claim) Key() Key { return c.key }

// Until tells when the lease ends.
func (c *Claim) Until() time.Time { return c.until }

// Done remembers that the delivery was handled. After an error only this process
// knows it.
func (c *Claim) Done(ctx context.Context) error {
	at := c.ledger.now()
	c.ledger.markDone(c, at)
	if c.records == nil {
		return nil
	}
	return c.records.markDone(ctx, c.record, c.key, at)
}

// Release lets the next copy of the delivery be handled. After an error other
// processes wait for the end of the lease.
func (c *Claim) Release(ctx context.Context) error {
	// The record goes first. Otherwise the next copy in this process could find the
	// claim in the storage.
	var err error
	if c.record != "" && c.ledger.now().Before(c.until) { // later the record may be that of the next claim
		err = c.records.release(ctx, c.record, c.token)
	}
	c.ledger.drop(c)
	return err
}

func (l *Ledger) markDone(c *Claim, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.marks.add(c.key, at, c.window)
	l.remove(c)
}

func (l *Ledger) drop(c *Claim) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remove(c)
}

// remove leaves the claim of a later copy alone. It may have been granted after the
// lease of c ended.
func (l *Ledger) remove(c *Claim) {
	if l.claims[c.key] == c {
		delete(l.claims, c.key)
	}
}

// Forget lets a delivery that is done be handled again, and reports whether it was
// known. It does not touch a delivery that is under way.
func (l *Ledger) Forget(ctx context.Context, key Key, records *Records) (known bool, err error) {
	l.mu.Lock()
	known = l.marks.remove(key)
	l.mu.Unlock()
	if records == nil {
		return known, nil
	}
	stored, err := records.forget(ctx, key)
	return known || stored, err
}
