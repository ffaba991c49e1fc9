package ledger

import (
	"context"
	"errors"
	"path"
	"time"
)

const (
	cleanTimeout = 10 * time.Minute

	// cleanerName is the record that says that an instance is removing old
	// records. It is outside the days' folders.
	cleanerName = recordsPrefix + "/cleaner"
)

// cleanDaily removes the records of days that are over. It does so in the
// background, at the first call of a day. After a failure it tries again an hour
// later. In a fleet the first instance does the work. If two do it at the same
// time, they only waste time.
func (r *Records) cleanDaily() {
	now := r.now()
	if now.Unix() < r.nextClean.Load() || !r.cleaning.CompareAndSwap(false, true) {
		return
	}
	r.nextClean.Store(now.Add(time.Hour).Unix())
	go func() {
		defer r.cleaning.Store(false)
		ctx, cancel := context.WithTimeout(context.Background(), cleanTimeout)
		defer cancel()
		if err := r.clean(ctx); err != nil {
			r.CleanFailed(err)
			return
		}
		r.nextClean.Store(now.Truncate(day).Add(day).Unix()) // UTC, as the names are
	}()
}

func (r *Records) clean(ctx context.Context) error {
	now := r.now()
	cleaner, err := r.load(ctx, cleanerName)
	if err != nil && !errors.Is(err, errUnreadable) {
		return err
	}
	if now.Before(cleaner.ClaimedUntil) || sameDay(now, cleaner.Done) {
		return nil
	}
	if err := r.store(ctx, cleanerName, record{ClaimedUntil: now.Add(cleanTimeout)}); err != nil {
		return err
	}
	names, err := r.storage.List(ctx, recordsPrefix, false)
	if err != nil {
		return err
	}
	kept := max(r.window, r.LongestWindow()) + 2*day
	for _, name := range names {
		date, err := time.Parse(dayLayout, path.Base(name))
		if err != nil || now.Sub(date) <= kept {
			continue
		}
		if err := r.deleteAll(ctx, name); err != nil {
			return err
		}
	}
	return r.store(ctx, cleanerName, record{Done: now})
}

func sameDay(a, b time.Time) bool {
	return a.UTC().Format(dayLayout) == b.UTC().Format(dayLayout)
}

// deleteAll removes a folder with its records. certmagic.Storage asks Delete to do
// that, but not every storage does.
func (r *Records) deleteAll(ctx context.Context, folder string) error {
	if err := r.storage.Delete(ctx, folder); err != nil {
		return err
	}
	if !r.storage.Exists(ctx, folder) {
		return nil
	}
	names, err := r.storage.List(ctx, folder, true)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := r.storage.Delete(ctx, name); err != nil {
			return err
		}
	}
	return nil
}
