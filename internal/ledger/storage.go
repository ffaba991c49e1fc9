package ledger

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/caddyclerk/caddy-clerk-webhook/stores"
)

const (
	// recordsPrefix is the folder in the storage. Each day has a folder in it:
	// "clerk_webhook/2026-11-21/<key>".
	recordsPrefix = "clerk_webhook"
	dayLayout     = time.DateOnly
	day           = 24 * time.Hour

	// clockSkew is how far apart the clocks of instances may be, and how far one
	// may be set back. Within it, a record is still looked for on its day.
	clockSkew = time.Hour

	// maxCalls bounds the calls under way, because a storage may go on when its
	// context has ended.
	maxCalls = 256
)

// Storage is a store that writes done marks to a Caddy storage. Claims are only in
// the process, because the storage has no atomic operations.
type Storage struct {
	// CleanFailed is called with the error if old records could not be removed.
	// The removal is tried again an hour later. Default: nothing.
	CleanFailed func(error)

	process *StorageProcess
	storage certmagic.Storage
	window  time.Duration
	now     func() time.Time
	calls   chan struct{}

	cleaning  atomic.Bool
	nextClean atomic.Int64 // when to look for old records again, in seconds since 1970
}

// StorageProcess is what all Storage of a process share.
type StorageProcess struct {
	mu      sync.Mutex
	claims  heldClaims
	windows map[*Storage]time.Duration
}

// NewStorageProcess returns a process without claims.
func NewStorageProcess() *StorageProcess {
	return &StorageProcess{claims: make(heldClaims), windows: make(map[*Storage]time.Duration)}
}

// NewStorage returns a store in the storage. Close it when no config uses it.
func NewStorage(process *StorageProcess, storage certmagic.Storage) *Storage {
	return &Storage{
		CleanFailed: func(error) {},
		process:     process,
		storage:     storage,
		now:         time.Now,
		calls:       make(chan struct{}, maxCalls),
	}
}

// SetWindow satisfies stores.Windowed. A mark is looked for on the days of the
// window. All that are in use keep the records of the longest window.
func (s *Storage) SetWindow(window time.Duration) {
	s.process.mu.Lock()
	defer s.process.mu.Unlock()
	s.window = window
	s.process.windows[s] = window
}

// Close lets other stores of the process remove what only this one still needs.
func (s *Storage) Close() {
	s.process.mu.Lock()
	defer s.process.mu.Unlock()
	delete(s.process.windows, s)
}

func (s *Storage) longestWindow() time.Duration {
	s.process.mu.Lock()
	defer s.process.mu.Unlock()
	longest := s.window
	for _, window := range s.process.windows {
		longest = max(longest, window)
	}
	return longest
}

var errUnreadable = errors.New("it is damaged; forget the delivery to remove it")

// record is what the storage has about a delivery, as JSON.
type record struct {
	// Done is the time when the delivery was handled.
	Done time.Time `json:"done,omitzero"`
}

// Claim satisfies stores.Store.
func (s *Storage) Claim(ctx context.Context, key stores.Key, token string, lease time.Duration) (state stores.State, at time.Time, err error) {
	s.cleanDaily()
	if !s.take(key, token, lease) {
		return stores.InProgress, time.Time{}, nil
	}
	_, found, err := s.find(ctx, key)
	if err != nil {
		s.release(key, token)
		return stores.New, time.Time{}, err
	}
	if !found.Done.IsZero() {
		s.release(key, token)
		return stores.Done, found.Done, nil
	}
	return stores.New, time.Time{}, nil
}

func (s *Storage) take(key stores.Key, token string, lease time.Duration) bool {
	s.process.mu.Lock()
	defer s.process.mu.Unlock()
	now := s.now()
	return s.process.claims.take(key, token, now, now.Add(lease))
}

func (s *Storage) release(key stores.Key, token string) {
	s.process.mu.Lock()
	defer s.process.mu.Unlock()
	s.process.claims.release(key, token)
}

// Renew satisfies stores.Store.
func (s *Storage) Renew(ctx context.Context, key stores.Key, token string, lease time.Duration) error {
	if s.has(key, token) {
		s.take(key, token, lease)
		return nil
	}
	state, _, err := s.Claim(ctx, key, token, lease)
	if err == nil && state != stores.New {
		return stores.ErrLost
	}
	return err
}

func (s *Storage) has(key stores.Key, token string) bool {
	s.process.mu.Lock()
	defer s.process.mu.Unlock()
	return s.process.claims[key].token == token
}

// MarkDone satisfies stores.Store. The mark lasts for the window of SetWindow.
func (s *Storage) MarkDone(ctx context.Context, key stores.Key, token string, _ time.Duration) error {
	// Nobody else gets the claim while the mark is written.
	if !s.take(key, token, 2*callTimeout) {
		return stores.ErrLost
	}
	now := s.now()
	if err := s.write(ctx, s.name(now, key), record{Done: now}); err != nil {
		return err
	}
	s.release(key, token)
	return nil
}

// Release satisfies stores.Store.
func (s *Storage) Release(_ context.Context, key stores.Key, token string) error {
	s.release(key, token)
	return nil
}

// Forget satisfies stores.Store. It also removes a record that is damaged.
func (s *Storage) Forget(ctx context.Context, key stores.Key) (known bool, err error) {
	name, found, err := s.find(ctx, key)
	if found.Done.IsZero() && !errors.Is(err, errUnreadable) {
		return false, err
	}
	return true, s.call(ctx, func() error { return s.storage.Delete(ctx, name) })
}

func (s *Storage) name(at time.Time, key stores.Key) string {
	return path.Join(recordsPrefix, at.UTC().Format(dayLayout), hex.EncodeToString(key[:]))
}

// find reads the record on each day of the window, all days at the same time,
// because an id does not tell when it was handled. If there is none that still
// counts, it returns an empty one. With an error it returns the name of the record
// that could not be read.
func (s *Storage) find(ctx context.Context, key stores.Key) (name string, found record, err error) {
	now := s.now()
	type answer struct {
		name  string
		found record
		err   error
	}
	days := s.days(now)
	answers := make(chan answer, len(days))
	for _, date := range days {
		name := s.name(date, key)
		go func() {
			var found record
			err := s.read(ctx, name, &found)
			answers <- answer{name, found, err}
		}()
	}
	for range days {
		a := <-answers
		switch {
		case a.err != nil && found.Done.IsZero():
			name, err = a.name, a.err
		case !a.found.Done.IsZero() && now.Sub(a.found.Done) < s.window: // another day cannot change that
			name, found, err = a.name, a.found, nil
		}
	}
	return name, found, err
}

// days returns the days on which a record that counts now can have been written.
// Shortly before midnight that includes tomorrow, because the clock of another
// instance may be ahead.
func (s *Storage) days(now time.Time) []time.Time {
	var days []time.Time
	oldest := now.Add(-s.window).Truncate(day) // UTC, as the names are
	for date := now.Add(clockSkew).Truncate(day); !date.Before(oldest); date = date.Add(-day) {
		days = append(days, date)
	}
	return days
}

// read leaves value as it is if there is nothing of this name.
func (s *Storage) read(ctx context.Context, name string, value any) error {
	var text []byte
	err := s.call(ctx, func() (err error) {
		text, err = s.storage.Load(ctx, name)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	if err := json.Unmarshal(text, value); err != nil {
		return fmt.Errorf("reading %s: %w: %w", name, errUnreadable, err)
	}
	return nil
}

func (s *Storage) write(ctx context.Context, name string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	if err := s.call(ctx, func() error { return s.storage.Store(ctx, name, text) }); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

// call runs f, which uses the storage. It returns when ctx ends, even if f goes on.
func (s *Storage) call(ctx context.Context, f func() error) error {
	select {
	case s.calls <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	result := make(chan error, 1)
	go func() {
		defer func() { <-s.calls }()
		result <- f()
	}()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Interface guards
var (
	_ stores.Store    = (*Storage)(nil)
	_ stores.Windowed = (*Storage)(nil)
)
