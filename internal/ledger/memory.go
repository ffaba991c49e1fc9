package ledger

import (
	"context"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyclerk/caddy-clerk-webhook/stores"
)

// maxMarks bounds the memory for done deliveries. A million take about 40 MiB.
const maxMarks = 1_000_000

// Memory is a store in the process. It forgets everything when the process ends.
type Memory struct {
	now func() time.Time

	mu     sync.Mutex
	claims heldClaims
	done   doneMarks

	// elsewhere has the marks that another store keeps. They count only when that
	// store cannot be asked, because they may have been forgotten there.
	elsewhere doneMarks
}

// NewMemory returns an empty memory for at most limit done deliveries. Beyond that
// it forgets the oldest.
func NewMemory(limit int) *Memory {
	return &Memory{now: time.Now, claims: make(heldClaims), done: doneMarks{limit: limit}, elsewhere: doneMarks{limit: limit}}
}

// memories has the one *Memory of the process while any guard uses it. So a config
// reload changes nothing for the deliveries under way.
var memories = caddy.NewUsagePool()

const memoryKey = "memory"

// AcquireMemory returns the memory that all guards of the process share. Call
// ReleaseMemory once for each call.
func AcquireMemory() *Memory {
	memory, _ := memories.LoadOrStore(memoryKey, NewMemory(maxMarks))
	return memory.(*Memory)
}

// ReleaseMemory gives back what AcquireMemory returned.
func ReleaseMemory() error {
	_, err := memories.Delete(memoryKey)
	return err
}

// Claim satisfies stores.Store.
func (m *Memory) Claim(_ context.Context, key stores.Key, token string, lease time.Duration) (state stores.State, at time.Time, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	if m.claims.hasAnother(key, token, now) {
		return stores.InProgress, time.Time{}, nil
	}
	if at, ok := m.done.find(key, now); ok {
		return stores.Done, at, nil
	}
	m.claims.take(key, token, now, now.Add(lease))
	return stores.New, time.Time{}, nil
}

// Renew satisfies stores.Store.
func (m *Memory) Renew(_ context.Context, key stores.Key, token string, lease time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	if _, isDone := m.done.find(key, now); isDone || !m.claims.take(key, token, now, now.Add(lease)) {
		return stores.ErrLost
	}
	return nil
}

// MarkDone satisfies stores.Store.
func (m *Memory) MarkDone(_ context.Context, key stores.Key, token string, window time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	if m.claims.hasAnother(key, token, now) {
		return stores.ErrLost
	}
	m.done.add(key, now, window)
	delete(m.claims, key)
	return nil
}

// Release satisfies stores.Store.
func (m *Memory) Release(_ context.Context, key stores.Key, token string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.claims.release(key, token)
	return nil
}

// Forget satisfies stores.Store.
func (m *Memory) Forget(_ context.Context, key stores.Key) (known bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	m.elsewhere.remove(key, now)
	return m.done.remove(key, now), nil
}

// noteElsewhere ends the claim and remembers that another store knows the delivery
// as done.
func (m *Memory) noteElsewhere(key stores.Key, token string, window time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.elsewhere.add(key, m.now(), window)
	m.claims.release(key, token)
}

// moveElsewhere notes that another store has learnt of a delivery that only this
// process knew as done.
func (m *Memory) moveElsewhere(key stores.Key, window time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	if m.done.remove(key, now) {
		m.elsewhere.add(key, now, window)
	}
}

// doneElsewhere returns when a delivery was done that another store knows as done.
func (m *Memory) doneElsewhere(key stores.Key) (at time.Time, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.elsewhere.find(key, m.now())
}

// Interface guard
var _ stores.Store = (*Memory)(nil)
