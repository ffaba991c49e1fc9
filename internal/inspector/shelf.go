package inspector

import (
	"cmp"
	"slices"
)

// shelf is a queue of records that is bounded in number and memory.
type shelf struct {
	records  []*Record
	start    int // of those kept, in records
	bytes    int64
	evicted  uint64
	max      int
	maxBytes int64
}

func (s *shelf) kept() []*Record { return s.records[s.start:] }

func (s *shelf) push(r *Record) {
	if s.start > len(s.records)/2 { // cheaper than to move all each time
		n := copy(s.records, s.kept())
		clear(s.records[n:])
		s.records, s.start = s.records[:n], 0
	}
	s.records = append(s.records, r)
	s.bytes += r.size()
	s.evict()
}

func (s *shelf) replace(r *Record) bool {
	i, found := s.index(r.seq)
	if !found {
		return false
	}
	s.bytes += r.size() - s.kept()[i].size()
	s.kept()[i] = r
	s.evict()
	return true
}

// evict makes room, but never takes the newest.
func (s *shelf) evict() {
	for len(s.kept()) > 1 && (len(s.kept()) > s.max || s.bytes > s.maxBytes) {
		s.bytes -= s.records[s.start].size()
		s.records[s.start] = nil
		s.start++
		s.evicted++
	}
}

func (s *shelf) index(seq uint64) (int, bool) {
	return slices.BinarySearchFunc(s.kept(), seq, func(r *Record, seq uint64) int { return cmp.Compare(r.seq, seq) })
}

func (s *shelf) clear() { s.records, s.start, s.bytes = nil, 0, 0 }
