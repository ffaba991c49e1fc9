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
	// recordsPrefix is the folder in the storage. Each day has a folder below it:
	// "clerk_webhook/2026-11-21/<key>".
	recordsPrefix = "clerk_webhook"
	dayLayout     = time.DateOnly
	day           = 24 * time.Hour

	// callTimeout bounds each step that waits for the storage. A sender gives up
	// after 15 seconds, and the backend needs most of them.
	callTimeout = time.Second

	// clockSkew is how far the clocks of instances may be apart, and how far one may
	// be set back. Records are still found on the right day.
	clockSkew = time.Hour

	// maxCalls bounds the calls under way. Some storages do not return when their
	// context ends.
	maxCalls = 256
)

// Records keeps the ledger in a Caddy storage. Each delivery has one record: first
// its claim, then when it was done. It does not use the storage's locks, which are
// made for slow and rare work.
type Records struct {
	// LongestWindow returns the longest window of all records of this process,
	// because none may remove what another still needs. Default: the window of
	// these records.
	LongestWindow func() time.Duration

	// CleanFailed is called when old records could not be removed. Records tries
	// again later.
	CleanFailed func(error)

	storage certmagic.Storage
	window  time.Duration
	now     func() time.Time
	calls   chan struct{}

	cleaning  atomic.Bool
	nextClean atomic.Int64 // when to look for old records again, in seconds since 1970
}

// NewRecords returns the records of the last window in a storage.
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

// record is the value that is stored, as JSON.
type record struct {
	// ClaimedUntil is when the lease of a delivery that is under way ends.
	// ClaimedBy is the token of its claim, which tells it from others that are made
	// at the same time.
	ClaimedUntil time.Time `json:"claimed_until,omitzero"`
	ClaimedBy    string    `json:"claimed_by,omitempty"`

	// Done is when the delivery was handled.
	Done time.Time `json:"done,omitzero"`
}

// claim looks for the delivery. If it is new, claim writes a record that says that it
// is under way, and returns the record's name and the token in it. Then it reads the
// record again: of instances that claim at the same time, the last to write wins. An
// instance that writes after another has read wins, too. That is the price of having
// no locks.
func (r *Records) claim(ctx context.Context, key Key, until time.Time) (name, token string, state State, at time.Time, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	r.cleanDaily()

	_, found, err := r.find(ctx, key)
	if err != nil {
		return "", "", New, time.Time{}, err
	}
	if state := r.state(found); state != New {
		return "", "", state, found.Done, nil
	}
	name = r.name(r.now(), key)
	mine := record{ClaimedUntil: until, ClaimedBy: rand.Text()}
	if err := r.store(ctx, name, mine); err != nil {
		// The record may be there all the same if the storage is only slow.
		return name, mine.ClaimedBy, New, time.Time{}, err
	}
	found, err = r.load(ctx, name)
	switch {
	case err != nil:
		return name, mine.ClaimedBy, New, time.Time{}, err
	case found.ClaimedBy != mine.ClaimedBy:
		return "", "", r.state(found), found.Done, nil
	}
	return name, mine.ClaimedBy, New, time.Time{}, nil
}

// state is what a record says now.
func (r *Records) state(found record) State {
	switch now := r.now(); {
	case !found.Done.IsZero() && now.Sub(found.Done) < r.window:
		return Done
	case found.isClaimed(now):
		return InProgress
	}
	return New
}

// isClaimed reports whether the lease goes on. A lease that ends later than two
// leases from now was given before the clock was set back. To wait for its end would
// delay the delivery for as long as the clock was wrong.
func (r record) isClaimed(now time.Time) bool {
	left := r.ClaimedUntil.Sub(now)
	return left > 0 && left <= 2*Lease
}

// markDone overwrites the claim. It writes a record even if the claim could not be
// written, because the storage may work again.
func (r *Records) markDone(ctx context.Context, name string, key Key, at time.Time) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	if name == "" {
		name = r.name(at, key)
	}
	return r.store(ctx, name, record{Done: at})
}

// release removes the claim, unless another instance has replaced it.
func (r *Records) release(ctx context.Context, name, token string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	found, err := r.load(ctx, name)
	if err != nil || found.ClaimedBy != token {
		return err
	}
	return r.call(ctx, func() error { return r.storage.Delete(ctx, name) })
}

// forget removes the record of a delivery that is done.
func (r *Records) forget(ctx context.Context, key Key) (known bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	name, found, err := r.find(ctx, key)
	if err != nil || found.Done.IsZero() {
		return false, err
	}
	return true, r.call(ctx, func() error { return r.storage.Delete(ctx, name) })
}

// name returns the storage key of a record that is written now.
func (r *Records) name(now time.Time, key Key) string {
	return path.Join(recordsPrefix, now.UTC().Format(dayLayout), hex.EncodeToString(key[:]))
}

// find asks for the record on each day of the window at the same time, because an id
// does not say when it was first seen. It returns an empty record if there is none.
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
		case !a.found.Done.IsZero() && now.Sub(a.found.Done) >= r.window: // over
		case !a.found.Done.IsZero(), a.found.ClaimedUntil.After(found.ClaimedUntil) && found.Done.IsZero():
			name, found = a.name, a.found
		}
	}
	if !found.Done.IsZero() || found.isClaimed(now) {
		err = nil // an error about another day does not matter
	}
	return name, found, err
}

// days returns the days on which a record that counts now can have been written.
// Shortly before midnight that includes tomorrow, for an instance whose clock is
// ahead.
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

// call runs f, which uses the storage. It returns when ctx ends, even if f does not.
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
