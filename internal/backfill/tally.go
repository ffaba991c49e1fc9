package backfill

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// Refusal is an event that the backend did not accept in any attempt.
type Refusal struct {
	Event  Event // without its Body
	Answer Answer
}

// Progress is how far a run is.
type Progress struct {
	// Phase is what is sent now: a Kind, or "deletions".
	Phase string

	// Done is how many objects of the phase are accepted, refused or not wanted, and
	// Total how many there are. Total is 0 if that is not known yet.
	Done, Total int

	// Began is when the phase began, and From what Done was then.
	Began time.Time
	From  int

	// Accepted counts the accepted events of all phases, by type.
	Accepted map[string]int

	// Refused, Waiting and Unwanted count events of all phases that were refused, that
	// wait for another attempt, and objects that --since does not select.
	Refused, Waiting, Unwanted int
}

// AllAccepted adds up Accepted.
func (p Progress) AllAccepted() (n int) {
	for _, count := range p.Accepted {
		n += count
	}
	return n
}

// shownWaits is how many events are named when they have to be sent again.
const shownWaits = 5

// tally knows what became of each event. Its memory does not grow with their number.
type tally struct {
	notify func(string)

	mu       sync.Mutex
	progress Progress
	state    state
	open     map[string]Kind // events that were refused, or wait for another attempt
	waiting  int
	refused  []Refusal
	inARow   int // refused since one was accepted
	shown    int
	batches  []*batch
}

// batch is the events of a page. It is settled when all of them are accepted or in
// tally.open. Then a run that resumes need not read the page again.
type batch struct {
	tally *tally
	place *place // where the list goes on, or nil if nothing can resume there
	left  int    // how many are not settled
	done  bool
}

func newTally(notify func(string), s state) *tally {
	t := &tally{notify: notify, state: s, open: make(map[string]Kind)}
	t.progress.Accepted = make(map[string]int)
	for kind, ids := range s.Open {
		for _, id := range ids {
			t.open[id] = kind
		}
	}
	return t
}

// enter begins a phase.
func (t *tally) enter(phase string, done, total int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := &t.progress
	p.Phase, p.Done, p.Total, p.From, p.Began = phase, done, total, done, time.Now()
}

func (t *tally) setTotal(total int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.progress.Total = total
}

func (t *tally) unwanted() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.progress.Done++
	t.progress.Unwanted++
}

func (t *tally) begin(p *place) *batch {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := &batch{tally: t, place: p, left: 1} // until its end
	t.batches = append(t.batches, b)
	return b
}

func (b *batch) add() {
	b.tally.mu.Lock()
	defer b.tally.mu.Unlock()
	b.left++
}

// end says that nothing more is added.
func (b *batch) end() {
	b.tally.mu.Lock()
	defer b.tally.mu.Unlock()
	b.tally.settle(b)
}

func (t *tally) settle(b *batch) {
	if b.left--; b.left > 0 {
		return
	}
	b.done = true
	for len(t.batches) > 0 && t.batches[0].done {
		if p := t.batches[0].place; p != nil {
			t.state.Place, t.state.Done = *p, t.progress.Done
		}
		t.batches = t.batches[1:]
	}
}

// accepted notes an accepted event. It has waited if waits was called for it before.
func (t *tally) accepted(e Event, b *batch, hasWaited bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.progress.Accepted[e.Type]++
	t.progress.Done++
	t.inARow = 0
	delete(t.open, e.Object)
	if hasWaited {
		t.waiting--
		return // it has settled
	}
	t.settle(b)
}

// waits notes an event that is sent again after the delay, when it is refused for the
// first time.
func (t *tally) waits(e Event, a Answer, delay time.Duration, b *batch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting++
	t.open[e.Object] = e.kind
	t.settle(b)
	if t.shown++; t.shown <= shownWaits {
		t.notify(fmt.Sprintf("%s of %s is refused (%s). It is sent again in %s", e.Type, e.Object, a.Summary(), delay))
	}
}

// Summary says in a few words how the backend answered.
func (a Answer) Summary() string {
	if a.Err != nil {
		return a.Err.Error()
	}
	return fmt.Sprint("status ", a.Status)
}

// refuse notes an event that is not sent again. waits was called for it before.
func (t *tally) refuse(e Event, a Answer) (refused, inARow int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e.Body, a.Header = nil, nil
	t.refused = append(t.refused, Refusal{e, a})
	t.progress.Refused++
	t.progress.Done++
	t.waiting--
	t.inARow++
	return len(t.refused), t.inARow
}

// finish notes that everything of a kind was sent.
func (t *tally) finish(kind Kind) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.state.Finished = append(t.state.Finished, kind)
	t.state.Place, t.state.Done = place{}, 0
	t.batches = nil
}

// forget drops events of an earlier run whose objects Clerk does not have any more.
func (t *tally) forget(ids map[string]bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id := range ids {
		delete(t.open, id)
	}
}

// openOf returns the ids of this kind that an earlier run left open.
func (t *tally) openOf(kind Kind) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var ids []string
	for id, of := range t.open {
		if of == kind {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// snapshot returns what a run that resumes has to know.
func (t *tally) snapshot() state {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.state
	s.Finished = slices.Clone(s.Finished)
	s.Open = make(map[Kind][]string)
	for id, kind := range t.open {
		s.Open[kind] = append(s.Open[kind], id)
	}
	return s
}

func (t *tally) now() Progress {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.progress
	p.Accepted = maps.Clone(p.Accepted)
	p.Waiting = t.waiting
	return p
}

func (t *tally) refusals() []Refusal {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.refused)
}
