// Package inspector keeps the last deliveries in memory, shows them, and sends
// them again: the recorder that guards write to, and the API and the page that
// people look at.
package inspector

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// How much is kept. Rejected deliveries have room of their own, so that a
// stranger cannot push out the genuine.
const (
	maxVerified      = 10_000
	maxVerifiedBytes = 40_000_000
	maxRejected      = 2_500
	maxRejectedBytes = 10_000_000
)

// recorders holds the process's one Recorder as long as anything uses it.
var recorders = caddy.NewUsagePool()

const recorderKey = "recorder"

// Acquire returns the process's recorder, which outlives config reloads.
// Release must be called once for each call. A request that still runs may go
// on using it afterwards.
func Acquire() *Recorder {
	value, _, _ := recorders.LoadOrNew(recorderKey, func() (caddy.Destructor, error) { return NewRecorder(), nil })
	return value.(*Recorder)
}

// Release gives back what Acquire has returned.
func (rc *Recorder) Release() error {
	_, err := recorders.Delete(recorderKey)
	return err
}

// Destruct forgets everything when nothing uses the recorder any more.
func (rc *Recorder) Destruct() error {
	rc.clear()
	return nil
}

// Recorder keeps the last deliveries.
type Recorder struct {
	run     string // tells ids of different recorders apart
	started time.Time

	mu        sync.Mutex
	lastSeq   uint64
	version   uint64 // counts changes
	clearedAt uint64 // the version of the last clear
	verified  shelf
	rejected  shelf
	watchers  map[chan struct{}]struct{}
	endpoints []*Endpoint // the newest last

	replays chan struct{} // as many as may be under way
}

// NewRecorder returns an empty one.
func NewRecorder() *Recorder {
	return &Recorder{
		run:      strings.ToLower(rand.Text()[:6]),
		started:  time.Now(),
		verified: shelf{max: maxVerified, maxBytes: maxVerifiedBytes},
		rejected: shelf{max: maxRejected, maxBytes: maxRejectedBytes},
		watchers: make(map[chan struct{}]struct{}),
		replays:  make(chan struct{}, maxReplays),
	}
}

// add keeps a new record and gives it its place.
func (rc *Recorder) add(r *Record) {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	rc.lastSeq++
	r.seq = rc.lastSeq
	r.version = rc.changed()
	rc.shelfOf(r).push(r)
}

// replace puts a record in the place of an earlier state of the same, if that
// is still kept.
func (rc *Recorder) replace(r *Record) {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	if rc.shelfOf(r).replace(r) {
		r.version = rc.changed()
	}
}

// shelfOf must be called with rc.mu held, as the next two.
func (rc *Recorder) shelfOf(r *Record) *shelf {
	if r.isRejected() {
		return &rc.rejected
	}
	return &rc.verified
}

// changed wakes those who watch and returns the new version.
func (rc *Recorder) changed() uint64 {
	rc.version++
	for watcher := range rc.watchers {
		select {
		case watcher <- struct{}{}:
		default: // has still to look at an earlier change
		}
	}
	return rc.version
}

// clear forgets all records and returns how many there were.
func (rc *Recorder) clear() int {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	count := len(rc.verified.kept()) + len(rc.rejected.kept())
	rc.verified.clear()
	rc.rejected.clear()
	rc.clearedAt = rc.changed()
	return count
}

// watch returns a channel that tells of changes, and what ends it, unless there
// are as many watchers already as there may be. Changes that follow each other
// may be told as one.
func (rc *Recorder) watch(maxWatchers int) (changes <-chan struct{}, stop func(), ok bool) {
	watcher := make(chan struct{}, 1)
	rc.mu.Lock()
	defer rc.mu.Unlock()
	if len(rc.watchers) >= maxWatchers {
		return nil, nil, false
	}
	rc.watchers[watcher] = struct{}{}
	return watcher, func() {
		rc.mu.Lock()
		defer rc.mu.Unlock()
		delete(rc.watchers, watcher)
	}, true
}

// snapshot is the state of a recorder at one moment.
type snapshot struct {
	records   []*Record // the oldest first
	version   uint64
	clearedAt uint64
}

func (rc *Recorder) snapshot() snapshot {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	return snapshot{
		records:   merge(rc.verified.kept(), rc.rejected.kept()),
		version:   rc.version,
		clearedAt: rc.clearedAt,
	}
}

// since returns the records that have changed after the version, in the order
// in which they did.
func (s snapshot) since(version uint64) []*Record {
	var changed []*Record
	for _, r := range s.records {
		if r.version > version {
			changed = append(changed, r)
		}
	}
	slices.SortFunc(changed, func(a, b *Record) int { return cmp.Compare(a.version, b.version) })
	return changed
}

// merge returns the records of both, which are sorted, sorted.
func merge(a, b []*Record) []*Record {
	all := make([]*Record, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if a[0].seq < b[0].seq {
			all, a = append(all, a[0]), a[1:]
		} else {
			all, b = append(all, b[0]), b[1:]
		}
	}
	return append(append(all, a...), b...)
}

// find returns the record with this place, or nil if it is not kept.
func (rc *Recorder) find(seq uint64) *Record {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	for _, s := range []*shelf{&rc.verified, &rc.rejected} {
		if i, found := s.index(seq); found {
			return s.kept()[i]
		}
	}
	return nil
}

// id names a place, or a version, to the outside.
func (rc *Recorder) id(n uint64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%s-%d", rc.run, n)
}

// parseID reads what id has written.
func (rc *Recorder) parseID(id string) (n uint64, ok bool) {
	digits, ok := strings.CutPrefix(id, rc.run+"-")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil
}

// Interface guard
var _ caddy.Destructor = (*Recorder)(nil)
