package guard_test

import (
	"cmp"
	"context"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/ledger"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// wallClock is a clock that can be set, like that of a machine. Unlike
// time.Now it has no monotonic part, so jumps reach everything that uses it.
type wallClock struct{ now time.Time }

func (c *wallClock) read() time.Time { return c.now }

func (c *wallClock) jump(by time.Duration) { c.now = c.now.Add(by) }

// TestClockJumps sets the clock of a ledger while deliveries are under way and
// after they are done. Nothing may be lost, that is answered as done though it
// is not, or in progress for long though nothing is; and a jump within the window
// lets nothing through twice.
func TestClockJumps(t *testing.T) {
	const window = 48 * time.Hour
	tests := map[string]struct {
		isDone  bool          // before the jump, else its process died while it was under way
		at      time.Duration // past midnight, or 0 for the afternoon
		restart bool          // only the storage remembers
		jump    time.Duration
		state   ledger.State
	}{
		"done, an hour back":                             {isDone: true, jump: -time.Hour, state: ledger.Done},
		"done, an hour on":                               {isDone: true, jump: time.Hour, state: ledger.Done},
		"done, a year back":                              {isDone: true, jump: -365 * 24 * time.Hour, state: ledger.Done},
		"done, past the window":                          {isDone: true, jump: window + time.Hour, state: ledger.New},
		"done, an hour back and a restart":               {isDone: true, restart: true, jump: -time.Hour, state: ledger.Done},
		"done, an hour on and a restart":                 {isDone: true, restart: true, jump: time.Hour, state: ledger.Done},
		"done, past the window and a restart":            {isDone: true, restart: true, jump: window + time.Hour, state: ledger.New},
		"done, an hour back over midnight and a restart": {isDone: true, restart: true, at: 10 * time.Minute, jump: -time.Hour, state: ledger.Done},
		"under way, a minute on":                         {jump: time.Minute, state: ledger.InProgress},
		"under way, past the lease":                      {jump: time.Hour, state: ledger.New},
		"died under way, a minute on and a restart":      {restart: true, jump: time.Minute, state: ledger.InProgress},
		"died under way, past the lease and a restart":   {restart: true, jump: time.Hour, state: ledger.New},
		"died under way, a minute back and a restart":    {restart: true, jump: -time.Minute, state: ledger.InProgress},
		"died under way, twelve hours back, and restart": {restart: true, jump: -12 * time.Hour, state: ledger.New},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			clock := &wallClock{now: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC).Add(cmp.Or(test.at, 14*time.Hour))}
			storage := &certmagic.FileStorage{Path: testcaddy.StorageDir(t)}
			start := func() (*ledger.Ledger, *ledger.Records) {
				return ledger.NewLedger(clock.read, 1000), ledger.NewRecords(storage, window, clock.read)
			}
			key := ledger.KeyOf([32]byte{1}, "msg_1")
			l, records := start()
			claim, state, _, err := l.Claim(context.Background(), key, window, records)
			if err != nil || state != ledger.New {
				t.Fatalf("the first copy is %v, %v", state, err)
			}
			if test.isDone {
				if err := claim.Done(context.Background()); err != nil {
					t.Fatal(err)
				}
			}

			clock.jump(test.jump)
			if test.restart {
				l, records = start()
			}
			if _, state, _, err = l.Claim(context.Background(), key, window, records); err != nil || state != test.state {
				t.Errorf("the next copy is %v, %v, want %v", state, err, test.state)
			}
		})
	}
}

// Two instances whose clocks differ by a second look for a delivery on the same
// days, at midnight too.
func TestInstancesWhoseClocksDifferAgreeAtMidnight(t *testing.T) {
	const window = 48 * time.Hour
	midnight := time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC)
	for name, isDone := range map[string]bool{"done": true, "under way": false} {
		t.Run(name, func(t *testing.T) {
			storage := &certmagic.FileStorage{Path: testcaddy.StorageDir(t)}
			key := ledger.KeyOf([32]byte{1}, "msg_1")
			claimAt := func(now time.Time) (*ledger.Claim, ledger.State) {
				clock := &wallClock{now}
				records := ledger.NewRecords(storage, window, clock.read)
				claim, state, _, err := ledger.NewLedger(clock.read, 1000).Claim(context.Background(), key, window, records)
				if err != nil {
					t.Fatal(err)
				}
				return claim, state
			}
			claim, _ := claimAt(midnight)
			want := ledger.InProgress
			if isDone {
				want = ledger.Done
				if err := claim.Done(context.Background()); err != nil {
					t.Fatal(err)
				}
			}
			if _, state := claimAt(midnight.Add(-time.Second)); state != want {
				t.Errorf("the instance whose clock is behind finds %v, want %v", state, want)
			}
		})
	}
}
