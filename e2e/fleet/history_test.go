package fleet

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// attempt is what the backend saw of a delivery.
type attempt struct {
	node        string
	start, end  time.Time
	isCompleted bool // answered with success
}

// faultKind is what was done to the fleet.
type faultKind string

const (
	kill    faultKind = "kill"
	pause   faultKind = "pause"
	outage  faultKind = "outage" // of the store, or of the way to it
	reload  faultKind = "reload"
	failure faultKind = "failure" // of the store, as a node has counted it
)

// fault is what was done to a node, or to all if it has none.
type fault struct {
	kind     faultKind
	node     string
	from, to time.Time
}

func (f fault) hits(node string, from, to time.Time) bool {
	return (f.node == "" || f.node == node) && f.from.Before(to) && f.to.After(from)
}

const (
	// storeTimeout bounds how long a guard waits for a store.
	storeTimeout = time.Second

	// settling is how long a node may need to reach its store after an outage.
	settling = 2 * time.Second
)

// history is the record of a run.
type history struct {
	attempts map[string][]attempt // by id
	faults   []fault
	forwards bool // what on_failure says
}

// explain returns why two attempts of a delivery could happen, or "" if nothing in
// the record allows it. An instance that was killed or paused may have handled the
// delivery without being able to say so. Under forward, a store that fails has the
// same effect. That the store was out is no reason by itself.
func (h history) explain(first, second attempt) string {
	marked := first.end.Add(storeTimeout)
	for _, f := range h.faults { // a mark that fails is tried again as soon as the store is back
		if f.kind == outage && f.hits(first.node, first.end, marked) {
			marked = f.to.Add(settling)
			break
		}
	}
	for _, f := range h.faults {
		switch {
		case f.kind == kill && f.hits(first.node, first.start, marked):
			return "an instance was killed"
		case f.kind == pause && (f.hits(first.node, first.start.Add(-storeTimeout), marked) ||
			f.hits(second.node, second.start.Add(-storeTimeout), second.start)):
			return "an instance was paused"
		}
	}
	for _, f := range h.faults {
		if f.kind == failure && h.forwards && (f.hits(first.node, first.start.Add(-storeTimeout), marked) ||
			f.hits(second.node, second.start.Add(-storeTimeout), second.start)) {
			return "the store could not be asked"
		}
	}
	return ""
}

// verdict is what a history says.
type verdict struct {
	repeated map[string]int // explained, by the reason
	wrong    []string
}

// check requires that each delivery was completed, and that none was handled
// twice, after one another or at the same time, without a reason in the record.
func (h history) check(ids []string) verdict {
	v := verdict{repeated: make(map[string]int)}
	for _, id := range ids {
		attempts := slices.SortedFunc(slices.Values(h.attempts[id]), func(a, b attempt) int { return a.start.Compare(b.start) })
		if !slices.ContainsFunc(attempts, func(a attempt) bool { return a.isCompleted }) {
			v.wrong = append(v.wrong, fmt.Sprintf("%s was lost: %d attempts", id, len(attempts)))
		}
		for i, second := range attempts {
			for _, first := range attempts[:i] {
				v.checkPair(h, id, first, second)
			}
		}
	}
	return v
}

func (v *verdict) checkPair(h history, id string, first, second attempt) {
	isRepeated := first.isCompleted && second.isCompleted
	if !isRepeated && !second.start.Before(first.end) {
		return // a failure, and its retry
	}
	switch reason := h.explain(first, second); {
	case reason == "":
		v.wrong = append(v.wrong, fmt.Sprintf("%s was handled by %s from %s to %s and by %s from %s to %s (completed: %t, %t)", id,
			first.node, clockTime(first.start), clockTime(first.end), second.node, clockTime(second.start), clockTime(second.end), first.isCompleted, second.isCompleted))
	case isRepeated:
		v.repeated["completed again: "+reason]++
	default:
		v.repeated["at the same time as an attempt that failed: "+reason]++
	}
}

func clockTime(t time.Time) string { return t.Format("15:04:05.000") }

// String lists what was explained, after the number of what was not, the most frequent reason first.
func (v verdict) String() string {
	text := fmt.Sprintf("%d handled twice without a reason or lost", len(v.wrong))
	for _, reason := range slices.SortedFunc(maps.Keys(v.repeated), func(a, b string) int { return cmp.Or(v.repeated[b]-v.repeated[a], cmp.Compare(a, b)) }) {
		text += fmt.Sprintf("; %d %s", v.repeated[reason], reason)
	}
	return text
}
