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

// cleaning is the record of the last removal, as JSON.
type cleaning struct {
	ClaimedUntil time.Time `json:"claimed_until,omitzero"` // while it is under way
	Done         time.Time `json:"done,omitzero"`
}

// cleanDaily removes the records of days that are over. It does so in the
// background, at the first call of a day. After a failure it tries again an hour
// later. In a fleet the first instance does the work. If two do it at the same
// time, they only waste time.
func (s *Storage) cleanDaily() {
	now := s.now()
	if now.Unix() < s.nextClean.Load() || !s.cleaning.CompareAndSwap(false, true) {
		return
	}
	s.nextClean.Store(now.Add(time.Hour).Unix())
	go func() {
		defer s.cleaning.Store(false)
		ctx, cancel := context.WithTimeout(context.Background(), cleanTimeout)
		defer cancel()
		if err := s.clean(ctx); err != nil {
			s.CleanFailed(err)
			return
		}
		s.nextClean.Store(now.Truncate(day).Add(day).Unix()) // UTC, as the names are
	}()
}

func (s *Storage) clean(ctx context.Context) error {
	now := s.now()
	var last cleaning
	if err := s.read(ctx, cleanerName, &last); err != nil && !errors.Is(err, errUnreadable) {
		return err
	}
	if now.Before(last.ClaimedUntil) || sameDay(now, last.Done) {
		return nil
	}
	if err := s.write(ctx, cleanerName, cleaning{ClaimedUntil: now.Add(cleanTimeout)}); err != nil {
		return err
	}
	names, err := s.storage.List(ctx, recordsPrefix, false)
	if err != nil {
		return err
	}
	kept := s.longestWindow() + 2*day
	for _, name := range names {
		date, err := time.Parse(dayLayout, path.Base(name))
		if err != nil || now.Sub(date) <= kept {
			continue
		}
		if err := s.deleteAll(ctx, name); err != nil {
			return err
		}
	}
	return s.write(ctx, cleanerName, cleaning{Done: now})
}

func sameDay(a, b time.Time) bool {
	return a.UTC().Format(dayLayout) == b.UTC().Format(dayLayout)
}

// deleteAll removes a folder with its records. certmagic.Storage asks Delete to do
// that, but not every storage does.
func (s *Storage) deleteAll(ctx context.Context, folder string) error {
	if err := s.storage.Delete(ctx, folder); err != nil {
		return err
	}
	if !s.storage.Exists(ctx, folder) {
		return nil
	}
	names, err := s.storage.List(ctx, folder, true)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := s.storage.Delete(ctx, name); err != nil {
			return err
		}
	}
	return nil
}
