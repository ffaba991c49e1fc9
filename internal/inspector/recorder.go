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

// How much is kept. Rejected deliveries have room of their own, so that a stranger
// cannot push out genuine ones.
const (
	maxVerified      = 10_000
	maxVerifiedBytes = 40_000_000
	maxRejected      = 2_500
	maxRejectedBytes = 10_000_000
)

// recorders holds the process's one Recorder as long as anything uses it.
var recorders = caddy.NewUsagePool()

const recorderKey = "recorder"

// Acquire returns the process's recorder, which outlives config reloads. Release
// must be called once for each call. A request that still runs may use the recorder
// after that.
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
	run     string // begins every id, and differs for each recorder
	started time.Time

	mu        sync.Mutex
	lastSeq   uint64
	version   uint64 // counts changes
	clearedAt uint64 // the version of the last clear
	ended     uint64 // counts deliveries that were answered
	verified  queue
	rejected  queue
	watchers  map[chan struct{}]struct{}
	streams   int         // that are open
	endpoints []*Endpoint // the newest last

	replays chan struct{} // has room for as many as may be under way
}

// NewRecorder returns an empty recorder.
func NewRecorder() *Recorder {
	return &Recorder{
		run:      strings.ToLower(rand.Text()[:6]),
		started:  time.Now(),
		verified: queue{usage: usage{MaxEntries: maxVerified, MaxBytes: maxVerifiedBytes}},
		rejected: queue{usage: usage{MaxEntries: maxRejected, MaxBytes: maxRejectedBytes}},
		watchers: make(map[chan struct{}]struct{}),
		replays:  make(chan struct{}, maxReplays),
	}
}

// add keeps a new recording and numbers it.
func (rc *Recorder) add(r *Recording) {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	rc.lastSeq++
	r.seq = rc.lastSeq
	rc.countEnded(r)
	r.version = rc.changed()
	rc.queueOf(r).push(r)
}

// replace replaces an earlier state of the same recording, if that is still kept.
func (rc *Recorder) replace(r *Recording) {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	rc.countEnded(r)
	if rc.queueOf(r).replace(r) {
		r.version = rc.changed()
	}
}

// remove forgets one delivery.
func (rc *Recorder) remove(r *Recording) {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	rc.queueOf(r).remove(r.seq)
}

func (rc *Recorder) countEnded(r *Recording) {
	if r.answer != nil {
		rc.ended++
	}
}

// queueOf must be called with rc.mu held. So must changed and countEnded.
func (rc *Recorder) queueOf(r *Recording) *queue {
	if r.isRejected() {
		return &rc.rejected
	}
	return &rc.verified
}

func (rc *Recorder) changed() uint64 {
	rc.version++
	for watcher := range rc.watchers {
		select {
		case watcher <- struct{}{}:
		default: // it has not seen an earlier change yet
		}
	}
	return rc.version
}

func (rc *Recorder) clear() int {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	count := rc.verified.Entries + rc.rejected.Entries
	rc.verified.clear()
	rc.rejected.clear()
	rc.clearedAt = rc.changed()
	return count
}

// watch returns a channel that signals changes, and a function that ends the
// watching. One message can stand for several changes.
func (rc *Recorder) watch() (changes <-chan struct{}, stop func()) {
	watcher := make(chan struct{}, 1)
	rc.mu.Lock()
	defer rc.mu.Unlock()
	rc.watchers[watcher] = struct{}{}
	return watcher, func() {
		rc.mu.Lock()
		defer rc.mu.Unlock()
		delete(rc.watchers, watcher)
	}
}

// openStream reports false if there are maxStreams already. Otherwise closeStream must
// be called at its end.
func (rc *Recorder) openStream() bool {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	if rc.streams >= maxStreams {
		return false
	}
	rc.streams++
	return true
}

func (rc *Recorder) closeStream() {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	rc.streams--
}

// snapshot is the state of a recorder at one moment.
type snapshot struct {
	recordings []*Recording // the oldest first
	version    uint64
	clearedAt  uint64
	ended      uint64
}

func (rc *Recorder) snapshot() snapshot {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	return snapshot{
		recordings: merge(rc.verified.recordings, rc.rejected.recordings),
		version:    rc.version,
		clearedAt:  rc.clearedAt,
		ended:      rc.ended,
	}
}

// since returns the recordings that have changed after the version, in the order of
// their changes.
func (s snapshot) since(version uint64) []*Recording {
	var changed []*Recording
	for _, r := range s.recordings {
		if r.version > version {
			changed = append(changed, r)
		}
	}
	slices.SortFunc(changed, func(a, b *Recording) int { return cmp.Compare(a.version, b.version) })
	return changed
}

func merge(a, b []*Recording) []*Recording {
	all := make([]*Recording, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if a[0].seq < b[0].seq {
			all, a = append(all, a[0]), a[1:]
		} else {
			all, b = append(all, b[0]), b[1:]
		}
	}
	return append(append(all, a...), b...)
}

// find returns the recording with this number, or nil if it is not kept.
func (rc *Recorder) find(seq uint64) *Recording {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	for _, q := range []*queue{&rc.verified, &rc.rejected} {
		if i, found := q.index(seq); found {
			return q.recordings[i]
		}
	}
	return nil
}

func (rc *Recorder) id(n uint64) string { return fmt.Sprintf("%s-%d", rc.run, n) }

// parseID reads what id has written.
func (rc *Recorder) parseID(id string) (n uint64, ok bool) {
	digits, ok := strings.CutPrefix(id, rc.run+"-")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil
}

// queue keeps recordings, bounded in number and memory.
type queue struct {
	usage
	recordings []*Recording
}

type usage struct {
	Entries    int    `json:"entries"`
	Bytes      int64  `json:"bytes"`
	MaxEntries int    `json:"max_entries"`
	MaxBytes   int64  `json:"max_bytes"`
	Evicted    uint64 `json:"evicted"`
}

func (q *queue) push(r *Recording) {
	q.recordings = append(q.recordings, r)
	q.Entries++
	q.Bytes += r.size()
	q.evict()
}

func (q *queue) replace(r *Recording) bool {
	i, found := q.index(r.seq)
	if !found {
		return false
	}
	q.Bytes += r.size() - q.recordings[i].size()
	q.recordings[i] = r
	q.evict()
	return true
}

// evict makes room, but never removes the newest.
func (q *queue) evict() {
	for q.Entries > 1 && (q.Entries > q.MaxEntries || q.Bytes > q.MaxBytes) {
		q.Bytes -= q.recordings[0].size()
		q.recordings[0] = nil // its memory is free although the slice's array stays
		q.recordings = q.recordings[1:]
		q.Entries--
		q.Evicted++
	}
}

func (q *queue) remove(seq uint64) {
	i, found := q.index(seq)
	if !found {
		return
	}
	q.Bytes -= q.recordings[i].size()
	q.Entries--
	q.recordings = slices.Delete(q.recordings, i, i+1)
}

func (q *queue) index(seq uint64) (int, bool) {
	return slices.BinarySearchFunc(q.recordings, seq, func(r *Recording, seq uint64) int { return cmp.Compare(r.seq, seq) })
}

func (q *queue) clear() { q.recordings, q.Entries, q.Bytes = nil, 0, 0 }
