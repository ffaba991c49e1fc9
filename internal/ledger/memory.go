package ledger

import "time"

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
	window  time.Duration // the longest that add was called with
}

type bucket struct {
	start time.Time
	last  time.Time
	done  map[Key]uint32 // seconds after start
}

// add remembers for at least window that key was done at the given time. If there
// are more marks than the limit, it drops the oldest bucket.
func (m *doneMarks) add(key Key, at time.Time, window time.Duration) {
	m.window = max(m.window, window)
	b := m.current(at)
	m.count -= len(b.done)
	b.done[key] = uint32(max(0, at.Sub(b.start)/time.Second))
	if at.After(b.last) {
		b.last = at
	}
	m.count += len(b.done)
	for m.count > m.limit && len(m.buckets) > 1 {
		m.dropOldest()
	}
}

// current returns the bucket for new marks, a new one if the last is full or old.
func (m *doneMarks) current(at time.Time) *bucket {
	if n := len(m.buckets); n > 0 {
		b := m.buckets[n-1]
		if at.Sub(b.start) < m.window/bucketsPerWindow && len(b.done) <= m.limit/bucketsPerWindow {
			return b
		}
	}
	b := &bucket{start: at, last: at, done: make(map[Key]uint32)}
	m.buckets = append(m.buckets, b)
	return b
}

// find returns when key was last done. There can be an earlier mark too, if the
// delivery was handled again after a shorter window.
func (m *doneMarks) find(key Key) (at time.Time, ok bool) {
	for i := len(m.buckets) - 1; i >= 0; i-- {
		b := m.buckets[i]
		if seconds, ok := b.done[key]; ok {
			return b.start.Add(time.Duration(seconds) * time.Second), true
		}
	}
	return time.Time{}, false
}

func (m *doneMarks) remove(key Key) (found bool) {
	for _, b := range m.buckets {
		if _, ok := b.done[key]; ok {
			delete(b.done, key)
			m.count--
			found = true
		}
	}
	return found
}

func (m *doneMarks) expire(now time.Time) {
	for len(m.buckets) > 0 && now.Sub(m.buckets[0].last) >= m.window {
		m.dropOldest()
	}
}

func (m *doneMarks) dropOldest() {
	m.count -= len(m.buckets[0].done)
	m.buckets[0] = nil
	m.buckets = m.buckets[1:]
}
