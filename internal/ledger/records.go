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
	// recordsPrefix is the folder in the storage, below which each day has its
	// own: "clerk_webhook/2026-11-21/<key>".
	recordsPrefix = "clerk_webhook"
	dayLayout     = time.DateOnly
	day           = 24 * time.Hour

	// callTimeout bounds every step that waits for the storage. A sender gives
	// up after 15 seconds, most of which belong to the backend.
	callTimeout = time.Second

	// clockSkew is how far the clocks of instances may be apart, and how far one
	// may be set back, without a record being looked for on the wrong day.
	clockSkew = time.Hour

	// maxCalls bounds the calls under way, for storages that do not return when
	// they are told to.
	maxCalls = 256
)

// Records keeps the ledger in a Caddy storage, one record for each delivery:
// first its claim, then when it was done. It uses no locks of the storage,
// which are made for slow and rare work.
type Records struct {
	// LongestWindow returns the longest window of all that this process keeps in
	// the storage, for none may remove what another still needs. Default: that
	// of these records.
	LongestWindow func() time.Duration

	// CleanFailed is called when old records could not be removed, which is
	// tried again later.
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
	// ClaimedUntil is when the lease of a delivery that is under way ends, and
	// ClaimedBy tells its claim from others that are made at the same time.
	ClaimedUntil time.Time `json:"claimed_until,omitzero"`
	ClaimedBy    string    `json:"claimed_by,omitempty"`

	// Done is when the delivery was handled.
	Done time.Time `json:"done,omitzero"`
}

// claim looks for the delivery and, if it is new, writes that it is under way,
// in the record whose name it returns, as claimedBy. Then it reads what it wrote: of instances
// that claim at the same time the last to write wins. One that writes after
// another has read wins too: without locks that is the price.
func (r *Records) claim(ctx context.Context, key Key, until time.Time) (name, claimedBy string, state State, at time.Time, err error) {
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
		// It may be there all the same, or come to be, if the storage is only slow.
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

// state is what a record tells now.
func (r *Records) state(found record) State {
	switch now := r.now(); {
	case !found.Done.IsZero() && now.Sub(found.Done) < r.window:
		return Done
	case found.isClaimed(now):
		return InProgress
	}
	return New
}

// isClaimed reports whether the lease has not ended. One that ends later than a
// lease can, with as much again for clocks that differ, was given before the
// clock was set back; waiting for its end would hold up the delivery for as long
// as the clock was wrong.
func (r record) isClaimed(now time.Time) bool {
	left := r.ClaimedUntil.Sub(now)
	return left > 0 && left <= 2*Lease
}

// markDone overwrites the claim. If it could not be written there is a record
// all the same, in case the storage works again.
func (r *Records) markDone(ctx context.Context, name string, key Key, at time.Time) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	if name == "" {
		name = r.name(at, key)
	}
	return r.store(ctx, name, record{Done: at})
}

// release removes the claim, unless another instance has put its own or its
// mark in the place of it.
func (r *Records) release(ctx context.Context, name, claimedBy string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	found, err := r.load(ctx, name)
	if err != nil || found.ClaimedBy != claimedBy {
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

// find asks for the record on each day of the window at the same time, since
// nothing in an id tells when it was first seen. It returns an empty record if
// there is none.
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
		err = nil // what another day would have said does not matter
	}
	return name, found, err
}

// days returns those on which a record that counts now can have been written:
// also tomorrow, shortly before midnight, by an instance whose clock is ahead.
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

// call runs f, which does something with the storage, but waits no longer than
// ctx allows even if f does.
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
