package ledger

import (
	"cmp"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/caddyclerk/caddy-clerk-webhook/stores"
)

// wallClock is a clock that can be set, like that of a machine. Unlike
// time.Now it has no monotonic part, so jumps reach everything that uses it.
type wallClock struct{ now time.Time }

func (c *wallClock) read() time.Time { return c.now }

// newNodeBy returns a process that has just started and goes by this clock.
func newNodeBy(storage certmagic.Storage, clock func() time.Time) node {
	n := newNode(storage)
	n.storage.now, n.memory.now = clock, clock
	n.storage.nextClean.Store(clock().Add(10 * 365 * day).Unix()) // nothing may write when the test has ended
	return n
}

// Nothing may be lost when a clock is set, that is answered as done though it is not,
// or in progress for long though nothing is. A jump within the window lets nothing
// through twice.
func TestClockJumps(t *testing.T) {
	tests := map[string]struct {
		isDone  bool          // before the jump, else its process died while it was under way
		at      time.Duration // past midnight, or 0 for the afternoon
		restart bool          // only the storage remembers
		jump    time.Duration
		state   stores.State
	}{
		"done, an hour back":                             {isDone: true, jump: -time.Hour, state: stores.Done},
		"done, an hour on":                               {isDone: true, jump: time.Hour, state: stores.Done},
		"done, past the window":                          {isDone: true, jump: window + time.Hour, state: stores.New},
		"done, an hour back and a restart":               {isDone: true, restart: true, jump: -time.Hour, state: stores.Done},
		"done, an hour on and a restart":                 {isDone: true, restart: true, jump: time.Hour, state: stores.Done},
		"done, past the window and a restart":            {isDone: true, restart: true, jump: window + time.Hour, state: stores.New},
		"done, an hour back over midnight and a restart": {isDone: true, restart: true, at: 10 * time.Minute, jump: -time.Hour, state: stores.Done},
		"under way, a minute on":                         {jump: time.Minute, state: stores.InProgress},
		"under way, past the longest claim":              {jump: time.Hour, state: stores.New},
		"died under way, twelve hours back, and restart": {restart: true, jump: -12 * time.Hour, state: stores.New},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			clock := &wallClock{now: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC).Add(cmp.Or(test.at, 14*time.Hour))}
			storage := &certmagic.FileStorage{Path: t.TempDir()}
			n := newNodeBy(storage, clock.read)
			claim := n.expect(t, "1", stores.New)
			if test.isDone {
				claim.Done(t.Context())
			} else {
				claim.kill() // a renewal would read the clock while it is set
			}
			clock.now = clock.now.Add(test.jump)
			if test.restart {
				n = newNodeBy(storage, clock.read)
			}
			n.expect(t, "1", test.state)
		})
	}
}

// A jump far back must not hide what was done, also where only the process knows it.
func TestMemoryKnowsWhatIsDoneAfterAYearBack(t *testing.T) {
	clock := &wallClock{now: time.Date(2026, 3, 2, 14, 0, 0, 0, time.UTC)}
	n := newNodeWith(nil, false)
	n.memory.now = clock.read
	n.expect(t, "1", stores.New).Done(t.Context())
	clock.now = clock.now.Add(-365 * day)
	n.expect(t, "1", stores.Done)
}

// Two instances whose clocks differ by a second look for a delivery on the same
// days, at midnight too.
func TestInstancesWhoseClocksDifferAgreeAtMidnight(t *testing.T) {
	midnight := time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC)
	storage := &certmagic.FileStorage{Path: t.TempDir()}
	at := func(now time.Time) node {
		clock := &wallClock{now}
		return newNodeBy(storage, clock.read)
	}
	at(midnight).expect(t, "1", stores.New).Done(t.Context())
	at(midnight.Add(-time.Second)).expect(t, "1", stores.Done)
}
