package ledger

import (
	"slices"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/stores"
)

// bucketsPerWindow is the number of buckets for the done marks of one window. More
// buckets expire more evenly and take longer to search.
const bucketsPerWindow = 16

// doneMarks remembers when deliveries were done. The marks are in buckets, the
// oldest bucket first, and a bucket expires as a whole. So a mark needs no timer
// and no more memory than its key and four bytes. It is not safe for concurrent
// use.
type doneMarks struct {
	buckets []*bucket
	count   int
	limit   int
}

type bucket struct {
	start  time.Time
	last   time.Time
	window time.Duration         // for which its marks count
	done   map[stores.Key]uint32 // seconds after start
}

func (b *bucket) find(key stores.Key, now time.Time) (at time.Time, ok bool) {
	seconds, ok := b.done[key]
	at = b.start.Add(time.Duration(seconds) * time.Second)
	return at, ok && now.Sub(at) < b.window
}

// add remembers for window that key was done at the given time. If there are more
// marks than the limit, it drops the oldest bucket.
func (m *doneMarks) add(key stores.Key, at time.Time, window time.Duration) {
	b := m.current(at, window)
	m.count -= len(b.done)
	b.done[key] = uint32(max(0, at.Sub(b.start)/time.Second))
	if at.After(b.last) {
		b.last = at
	}
	m.count += len(b.done)
	for m.count > m.limit && len(m.buckets) > 1 {
		m.drop(m.buckets[0])
	}
}

// current returns the bucket for new marks of a window, a new one if the last is
// full or old.
func (m *doneMarks) current(at time.Time, window time.Duration) *bucket {
	for _, b := range slices.Backward(m.buckets) {
		if b.window != window {
			continue
		}
		if at.Sub(b.start) < window/bucketsPerWindow && len(b.done) <= m.limit/bucketsPerWindow {
			return b
		}
		break
	}
	m.expire(at)
	b := &bucket{start: at, last: at, window: window, done: make(map[stores.Key]uint32)}
	m.buckets = append(m.buckets, b)
	return b
}

// find returns when key was last done. There can be an earlier mark too, if the
// delivery was forgotten and handled again.
func (m *doneMarks) find(key stores.Key, now time.Time) (at time.Time, ok bool) {
	for _, b := range slices.Backward(m.buckets) {
		if at, ok := b.find(key, now); ok {
			return at, true
		}
	}
	return time.Time{}, false
}

// remove removes all marks of key, and reports whether one of them still counted.
func (m *doneMarks) remove(key stores.Key, now time.Time) (found bool) {
	for _, b := range m.buckets {
		if _, counts := b.find(key, now); counts {
			found = true
		}
		m.count -= len(b.done)
		delete(b.done, key)
		m.count += len(b.done)
	}
	return found
}

func (m *doneMarks) expire(now time.Time) {
	for _, b := range slices.Clone(m.buckets) {
		if now.Sub(b.last) >= b.window {
			m.drop(b)
		}
	}
}

func (m *doneMarks) drop(b *bucket) {
	m.count -= len(b.done)
	m.buckets = slices.DeleteFunc(m.buckets, func(other *bucket) bool { return other == b })
}
