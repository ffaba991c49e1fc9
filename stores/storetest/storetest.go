// Package storetest checks whether a store keeps what stores.Store promises.
package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/stores"
)

const (
	long   = time.Minute            // does not end during a test
	short  = 300 * time.Millisecond // ends during a test
	window = 2 * time.Second        // ends during a test, too

	// patience bounds the wait for what a store does after some time.
	patience = 20 * time.Second
)

// Run checks a store. open is called several times. It returns a provisioned store
// each time, and all of them have the same deliveries, as those of several
// instances do. Several may be in use at a time. Keys are random, so what is there
// already does not matter.
func Run(t *testing.T, open func(t *testing.T) stores.Store) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, a, b instance)
	}{
		{"a claim keeps others off", claimKeepsOthersOff},
		{"a claim is granted again to its token", claimIsGrantedAgain},
		{"a claim ends with its lease", claimEnds},
		{"a renewed claim goes on", renewedClaimGoesOn},
		{"a claim that has expired is renewed if nobody has it", expiredClaimIsRenewed},
		{"a claim that is lost is not renewed", lostClaimIsNotRenewed},
		{"a claim that is done or lost to a done mark is not renewed", doneClaimIsNotRenewed},
		{"a done delivery stays done", doneStaysDone},
		{"a claim that has expired can be done if nobody has it", expiredClaimIsDone},
		{"a claim that is lost cannot be done", lostClaimIsNotDone},
		{"a done mark ends with its window", doneMarkEnds},
		{"a released claim is free at once", releasedClaimIsFree},
		{"only its token releases a claim", onlyTheTokenReleases},
		{"a done delivery can be forgotten", doneIsForgotten},
		{"a claim is not forgotten", claimIsNotForgotten},
		{"other deliveries are not affected", othersAreNotAffected},
		{"of many claims at once one is granted", oneOfMany},
		{"of many claims at once on an expired one, one is granted", oneOfManyTakesOver},
		{"a call ends with its context", callEndsWithItsContext},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel() // most of them wait for something to expire
			test.run(t, newInstance(t, open), newInstance(t, open))
		})
	}
}

// instance is a store as one of a fleet has it.
type instance struct {
	stores.Store
	t *testing.T
}

func newInstance(t *testing.T, open func(t *testing.T) stores.Store) instance {
	t.Helper()
	store := open(t)
	if windowed, ok := store.(stores.Windowed); ok {
		windowed.SetWindow(window)
	}
	return instance{store, t}
}

func newKey() (key stores.Key) {
	_, _ = rand.Read(key[:]) // it never fails
	return key
}

// claim fails the test unless the state is as wanted.
func (i instance) claim(key stores.Key, token string, lease time.Duration, want stores.State) (at time.Time) {
	i.t.Helper()
	state, at, err := i.Claim(i.t.Context(), key, token, lease)
	if err != nil || state != want {
		i.t.Fatalf("claiming for %s: state %d, error %v; want state %d", token, state, err, want)
	}
	return at
}

// awaitClaim claims with the token "b" until the state is New.
func (i instance) awaitClaim(key stores.Key) {
	i.t.Helper()
	const token = "b"
	for start := time.Now(); ; {
		state, _, err := i.Claim(i.t.Context(), key, token, long)
		switch {
		case err != nil:
			i.t.Fatalf("claiming for %s: %v", token, err)
		case state == stores.New:
			return
		case time.Since(start) > patience:
			i.t.Fatalf("claiming for %s: still state %d after %s", token, state, patience)
		}
		time.Sleep(short / 10)
	}
}

// renew, done and release fail the test unless the error is as wanted.
func (i instance) renew(key stores.Key, token string, lease time.Duration, want error) {
	i.t.Helper()
	if err := i.Renew(i.t.Context(), key, token, lease); !errors.Is(err, want) {
		i.t.Fatalf("renewing for %s: error %v, want %v", token, err, want)
	}
}

func (i instance) done(key stores.Key, token string, want error) {
	i.t.Helper()
	if err := i.MarkDone(i.t.Context(), key, token, window); !errors.Is(err, want) {
		i.t.Fatalf("marking as done for %s: error %v, want %v", token, err, want)
	}
}

func (i instance) release(key stores.Key, token string) {
	i.t.Helper()
	if err := i.Release(i.t.Context(), key, token); err != nil {
		i.t.Fatalf("releasing for %s: %v", token, err)
	}
}

func (i instance) forget(key stores.Key, want bool) {
	i.t.Helper()
	if known, err := i.Forget(i.t.Context(), key); err != nil || known != want {
		i.t.Fatalf("forgetting: known %t, error %v; want known %t", known, err, want)
	}
}

func claimKeepsOthersOff(_ *testing.T, a, b instance) {
	key := newKey()
	a.claim(key, "a", long, stores.New)
	b.claim(key, "b", long, stores.InProgress)
	a.claim(key, "another of a", long, stores.InProgress)
}

func claimIsGrantedAgain(_ *testing.T, a, b instance) {
	key := newKey()
	a.claim(key, "a", long, stores.New)
	a.claim(key, "a", long, stores.New)
	b.claim(key, "a", long, stores.New)
	b.claim(key, "b", long, stores.InProgress)
}

func claimEnds(_ *testing.T, a, b instance) {
	key := newKey()
	a.claim(key, "a", short, stores.New)
	b.awaitClaim(key)
	a.claim(key, "a", long, stores.InProgress)
}

func renewedClaimGoesOn(_ *testing.T, a, b instance) {
	key := newKey()
	start := time.Now()
	a.claim(key, "a", short, stores.New)
	a.renew(key, "a", long, nil)
	for time.Since(start) < 2*short {
		b.claim(key, "b", long, stores.InProgress)
		time.Sleep(short / 10)
	}
	// A renewal can also make a claim end sooner.
	a.renew(key, "a", short, nil)
	b.awaitClaim(key)
}

func expiredClaimIsRenewed(_ *testing.T, a, b instance) {
	key := newKey()
	a.claim(key, "a", short, stores.New)
	time.Sleep(2 * short)
	a.renew(key, "a", long, nil)
	b.claim(key, "b", long, stores.InProgress)
}

func lostClaimIsNotRenewed(_ *testing.T, a, b instance) {
	key := newKey()
	a.claim(key, "a", short, stores.New)
	b.awaitClaim(key)
	a.renew(key, "a", long, stores.ErrLost)
	a.claim(key, "a", long, stores.InProgress)
	b.renew(key, "b", long, nil)
}

func doneClaimIsNotRenewed(_ *testing.T, a, b instance) {
	key := newKey()
	a.claim(key, "a", short, stores.New)
	b.awaitClaim(key)
	b.done(key, "b", nil)
	a.renew(key, "a", long, stores.ErrLost)
	b.renew(key, "b", long, stores.ErrLost)
	a.claim(key, "a", long, stores.Done)
}

func doneStaysDone(t *testing.T, a, b instance) {
	key, before := newKey(), time.Now()
	a.claim(key, "a", long, stores.New)
	a.done(key, "a", nil)
	at := b.claim(key, "b", long, stores.Done)
	// The store has a clock of its own.
	if at.Sub(before).Abs() > 5*time.Minute {
		t.Errorf("done at %s, want about %s", at, before)
	}
	a.claim(key, "a", long, stores.Done)
	a.release(key, "a")
	a.claim(key, "a", long, stores.Done)
	a.done(key, "a", nil) // the answer to the first time may have been lost
	b.claim(key, "b", long, stores.Done)
}

func expiredClaimIsDone(_ *testing.T, a, b instance) {
	key := newKey()
	a.claim(key, "a", short, stores.New)
	time.Sleep(2 * short)
	a.done(key, "a", nil)
	b.claim(key, "b", long, stores.Done)

	never := newKey() // the store could not be asked for a claim
	a.done(never, "a", nil)
	b.claim(never, "b", long, stores.Done)
}

func lostClaimIsNotDone(_ *testing.T, a, b instance) {
	key := newKey()
	a.claim(key, "a", short, stores.New)
	b.awaitClaim(key)
	a.done(key, "a", stores.ErrLost)
	a.claim(key, "a", long, stores.InProgress)
	b.release(key, "b")
	a.claim(key, "a", long, stores.New)
}

func doneMarkEnds(_ *testing.T, a, b instance) {
	key := newKey()
	a.claim(key, "a", long, stores.New)
	a.done(key, "a", nil)
	b.claim(key, "b", long, stores.Done)
	b.awaitClaim(key)
	b.forget(key, false)
}

func releasedClaimIsFree(_ *testing.T, a, b instance) {
	key := newKey()
	a.claim(key, "a", long, stores.New)
	a.release(key, "a")
	b.claim(key, "b", long, stores.New)
	a.release(key, "a") // that of b goes on
	a.claim(key, "a", long, stores.InProgress)
}

func onlyTheTokenReleases(_ *testing.T, a, b instance) {
	key := newKey()
	a.release(key, "a") // there is nothing
	a.claim(key, "a", long, stores.New)
	b.release(key, "b")
	b.claim(key, "b", long, stores.InProgress)
	b.release(key, "")
	b.claim(key, "b", long, stores.InProgress)
}

func doneIsForgotten(_ *testing.T, a, b instance) {
	key := newKey()
	b.forget(key, false)
	a.claim(key, "a", long, stores.New)
	a.done(key, "a", nil)
	b.forget(key, true)
	b.forget(key, false)
	a.claim(key, "another of a", long, stores.New)
}

func claimIsNotForgotten(_ *testing.T, a, b instance) {
	key := newKey()
	a.claim(key, "a", long, stores.New)
	b.forget(key, false)
	b.claim(key, "b", long, stores.InProgress)
	a.done(key, "a", nil)
	b.claim(key, "b", long, stores.Done)
}

func othersAreNotAffected(_ *testing.T, a, b instance) {
	first, second := newKey(), newKey()
	a.claim(first, "a", long, stores.New)
	b.claim(second, "a", long, stores.New)
	a.done(first, "a", nil)
	b.release(second, "a")
	b.claim(second, "b", long, stores.New)
	b.forget(first, true)
	b.claim(second, "c", long, stores.InProgress)
}

func oneOfMany(t *testing.T, a, b instance) {
	for range 20 {
		key := newKey()
		if n := claimAtOnce(t, key, a, b); n != 1 {
			t.Fatalf("%d of %d claims were granted, want 1", n, claimers)
		}
	}
}

func oneOfManyTakesOver(t *testing.T, a, b instance) {
	key := newKey()
	a.claim(key, "a", short, stores.New)
	var granted int32
	for start := time.Now(); granted == 0 && time.Since(start) < patience; {
		granted = claimAtOnce(t, key, a, b)
	}
	if granted != 1 {
		t.Errorf("%d claims were granted, want 1", granted)
	}
}

const claimers = 16

// claimAtOnce returns how many of many claims at once were granted.
func claimAtOnce(t *testing.T, key stores.Key, instances ...instance) int32 {
	t.Helper()
	var granted atomic.Int32
	var all sync.WaitGroup
	for n := range claimers {
		all.Go(func() {
			state, _, err := instances[n%len(instances)].Claim(t.Context(), key, rand.Text(), long)
			if err != nil {
				t.Errorf("claiming: %v", err)
			}
			if state == stores.New {
				granted.Add(1)
			}
		})
	}
	all.Wait()
	return granted.Load()
}

// callEndsWithItsContext checks that no call waits on. It may succeed if it needs
// no waiting.
func callEndsWithItsContext(t *testing.T, a, _ instance) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range map[string]func(stores.Key) error{
		"Claim":    func(key stores.Key) error { _, _, err := a.Claim(ended, key, "a", long); return err },
		"Renew":    func(key stores.Key) error { return a.Renew(ended, key, "a", long) },
		"MarkDone": func(key stores.Key) error { return a.MarkDone(ended, key, "a", window) },
		"Release":  func(key stores.Key) error { return a.Release(ended, key, "a") },
		"Forget":   func(key stores.Key) error { _, err := a.Forget(ended, key); return err },
	} {
		t.Run(name, func(t *testing.T) {
			returned := make(chan struct{})
			go func() {
				_ = call(newKey()) // it may succeed or fail
				close(returned)
			}()
			select {
			case <-returned:
			case <-time.After(patience):
				t.Errorf("it had not returned after %s", patience)
			}
		})
	}
}
