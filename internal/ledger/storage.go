package ledger

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
)

const (
	// recordsPrefix is the folder in the storage. Each day has a folder in it:
	// "clerk_webhook/2026-11-21/<key>".
	recordsPrefix = "clerk_webhook"
	dayLayout     = time.DateOnly
	day           = 24 * time.Hour

	// callTimeout bounds the wait for the storage in each step. A sender gives up
	// after 15 seconds, and the backend needs most of them.
	callTimeout = time.Second

	// clockSkew is how far apart the clocks of instances may be, and how far one
	// may be set back. Within it, a record is still looked for on its day.
	clockSkew = time.Hour

	// maxCalls bounds the calls under way, because a storage may go on when its
	// context has ended.
	maxCalls = 256
)

// Records writes claims and done marks to a Caddy storage. Each delivery has one
// record, which first has the claim and then the done mark. Records does not use
// the storage's locks, which are made for slow and rare work.
type Records struct {
	// LongestWindow returns the longest window of all records that this process
	// writes to the storage, so that cleaning keeps what others still need.
	// Default: the window of these records.
	LongestWindow func() time.Duration

	// CleanFailed is called with the error if old records could not be removed.
	// The removal is tried again an hour later. Default: nothing.
	CleanFailed func(error)

	storage certmagic.Storage
	window  time.Duration
	now     func() time.Time
	calls   chan struct{}

	cleaning  atomic.Bool
	nextClean atomic.Int64 // when to look for old records again, in seconds since 1970
}

// NewRecords returns records in the storage. A delivery that was done is new again
// after window.
func NewRecords(storage certmagic.Storage, window time.Duration, now func() time.Time) *Records {
	return &Records{
		LongestWindow: func() time.Duration { return window },
		CleanFailed:   func(error) {},
		storage:       storage,
		window:        window,
		now:           now,
		calls:         make(chan struct{}, maxCalls),
	}
}

var errUnreadable = errors.New("it is damaged")

// record is what the storage has about a delivery, as JSON.
type record struct {
	// ClaimedUntil is the end of the claim's lease. Token tells the claim from
	// others that are written at the same time.
	ClaimedUntil time.Time `json:"claimed_until,omitzero"`
	Token        string    `json:"claimed_by,omitempty"`

	// Done is the time when the delivery was handled.
	Done time.Time `json:"done,omitzero"`
}

// claim looks for the delivery's record. If the delivery is new, claim writes a
// record for c and then reads it: of instances that write at the same time the
// last one wins. One that writes after another has read wins too. Without locks
// this cannot be prevented.
func (r *Records) claim(ctx context.Context, c *Claim) (state State, at time.Time, err error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	r.cleanDaily()

	_, found, err := r.find(ctx, c.key)
	if err != nil {
		return New, time.Time{}, err
	}
	if state := r.state(found); state != New {
		return state, found.Done, nil
	}
	// Even if writing fails, the record may be there or appear later.
	c.record, c.token = r.name(r.now(), c.key), rand.Text()
	if err := r.store(ctx, c.record, record{ClaimedUntil: c.until, Token: c.token}); err != nil {
		return New, time.Time{}, err
	}
	found, err = r.load(ctx, c.record)
	if err != nil || found.Token == c.token {
		return New, time.Time{}, err
	}
	return r.state(found), found.Done, nil
}

// bounded returns a context for one step. It goes on if the sender hangs up.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
}

// state returns the state of a delivery that has this record.
func (r *Records) state(found record) State {
	switch now := r.now(); {
	case !found.Done.IsZero() && now.Sub(found.Done) < r.window:
		return Done
	case found.isClaimed(now):
		return InProgress
	}
	return New
}

// isClaimed reports whether the record has a claim whose lease has not ended. It
// ignores a lease that ends later than any lease can, even if clocks differ. Such
// a lease began before the clock was set back, and to wait for its end would hold
// up the delivery for as long as the clock was wrong.
func (r record) isClaimed(now time.Time) bool {
	left := r.ClaimedUntil.Sub(now)
	return left > 0 && left <= 2*Lease
}

// markDone writes the done mark over the claim. If there was no claim, because the
// storage failed, it tries a new record.
func (r *Records) markDone(ctx context.Context, name string, key Key, at time.Time) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	if name == "" {
		name = r.name(at, key)
	}
	return r.store(ctx, name, record{Done: at})
}

// release removes the record of a claim, unless another instance has written its
// own claim or a done mark over it.
func (r *Records) release(ctx context.Context, name, token string) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	found, err := r.load(ctx, name)
	if err != nil || found.Token != token {
		return err
	}
	return r.call(ctx, func() error { return r.storage.Delete(ctx, name) })
}

// forget removes the record of a delivery if it has a done mark.
func (r *Records) forget(ctx context.Context, key Key) (known bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	name, found, err := r.find(ctx, key)
	if err != nil || found.Done.IsZero() {
		return false, err
	}
	return true, r.call(ctx, func() error { return r.storage.Delete(ctx, name) })
}

func (r *Records) name(at time.Time, key Key) string {
	return path.Join(recordsPrefix, at.UTC().Format(dayLayout), hex.EncodeToString(key[:]))
}

// find reads the record on each day of the window, all days at the same time,
// because an id does not tell when it was first seen. If there is no record it
// returns an empty one.
func (r *Records) find(ctx context.Context, key Key) (name string, found record, err error) {
	now := r.now()
	type answer struct {
		name  string
		found record
		err   error
	}
	days := r.days(now)
	answers := make(chan answer, len(days))
	for _, date := range days {
		name := r.name(date, key)
		go func() {
			found, err := r.load(ctx, name)
			answers <- answer{name, found, err}
		}()
	}
	for range days {
		a := <-answers
		switch {
		case a.err != nil:
			err = a.err
		case !a.found.Done.IsZero() && now.Sub(a.found.Done) >= r.window: // it is over
		case !a.found.Done.IsZero(), a.found.ClaimedUntil.After(found.ClaimedUntil) && found.Done.IsZero():
			name, found = a.name, a.found
		}
	}
	if !found.Done.IsZero() || found.isClaimed(now) {
		err = nil // another day cannot change that
	}
	return name, found, err
}

// days returns the days on which a record that counts now can have been written.
// Shortly before midnight that includes tomorrow, because the clock of another
// instance may be ahead.
func (r *Records) days(now time.Time) []time.Time {
	var days []time.Time
	oldest := now.Add(-r.window).Truncate(day) // UTC, as the names are
	for date := now.Add(clockSkew).Truncate(day); !date.Before(oldest); date = date.Add(-day) {
		days = append(days, date)
	}
	return days
}

func (r *Records) load(ctx context.Context, name string) (record, error) {
	var value []byte
	err := r.call(ctx, func() (err error) {
		value, err = r.storage.Load(ctx, name)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return record{}, nil
	}
	if err != nil {
		return record{}, fmt.Errorf("reading %s: %w", name, err)
	}
	var found record
	if err := json.Unmarshal(value, &found); err != nil {
		return record{}, fmt.Errorf("reading %s: %w: %w", name, errUnreadable, err)
	}
	return found, nil
}

func (r *Records) store(ctx context.Context, name string, value record) error {
	encoded, err := json.Marshal(value)
	if err != nil {
		return err
	}
	if err := r.call(ctx, func() error { return r.storage.Store(ctx, name, encoded) }); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

// call runs f, which uses the storage. It returns when ctx ends, even if f goes on.
func (r *Records) call(ctx context.Context, f func() error) error {
	select {
	case r.calls <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	result := make(chan error, 1)
	go func() {
		defer func() { <-r.calls }()
		result <- f()
	}()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
