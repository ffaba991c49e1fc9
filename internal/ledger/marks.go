package ledger

import "time"

// bucketsPerWindow is how many parts the marks of one window have. More parts expire
// more evenly and take longer to search.
const bucketsPerWindow = 16

// marks remembers when deliveries were done. It keeps them in buckets, oldest first,
// and a bucket expires whole. So a mark costs its key and four bytes, and has no
// timer. It is not safe for concurrent use.
type marks struct {
	buckets []*bucket
	count   int
	limit   int
	window  time.Duration // the longest that was asked for
}

type bucket struct {
	start time.Time
	last  time.Time
	done  map[Key]uint32 // seconds after start
}

// add remembers for at least window that key was done at this time. If there are more
// than the limit, the oldest go first.
func (m *marks) add(key Key, at time.Time, window time.Duration) {
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

// current returns the bucket for new marks.
func (m *marks) current(at time.Time) *bucket {
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

// find returns the latest mark of key. An earlier one can still be there if the
// delivery was handled again after a shorter window.
func (m *marks) find(key Key) (at time.Time, ok bool) {
	for i := len(m.buckets) - 1; i >= 0; i-- {
		b := m.buckets[i]
		if seconds, ok := b.done[key]; ok {
			return b.start.Add(time.Duration(seconds) * time.Second), true
		}
	}
	return time.Time{}, false
}

func (m *marks) remove(key Key) (found bool) {
	for _, b := range m.buckets {
		if _, ok := b.done[key]; ok {
			delete(b.done, key)
			m.count--
			found = true
		}
	}
	return found
}

// expire drops the buckets whose last mark is older than the window.
func (m *marks) expire(now time.Time) {
	for len(m.buckets) > 0 && now.Sub(m.buckets[0].last) >= m.window {
		m.dropOldest()
	}
}

func (m *marks) dropOldest() {
	m.count -= len(m.buckets[0].done)
	m.buckets[0] = nil
	m.buckets = m.buckets[1:]
}
