package inspector

import (
	"bytes"
	"errors"
	"net/http"

	"github.com/tidwall/gjson"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/event"
)

// Bounds of a timeline, because each delivery on it is read and compared.
const (
	maxTimeline      = 200
	maxComparedBytes = 256 << 10 // of a body
)

var errNotComparable = newCallError(http.StatusConflict, "not_comparable", "one of the two bodies is not JSON, or was not kept whole")

// changesView is how a payload differs from that of the entry since.
type changesView struct {
	Since string `json:"since"`
	event.Changes
}

func (h *Handler) changes(w http.ResponseWriter, r *http.Request, recording *Recording) error {
	since, ok := h.recorder.parseID(r.URL.Query().Get("since"))
	if !ok {
		return badRequest(errors.New("since: give the id of another entry of this run"))
	}
	before := h.recorder.find(since)
	if before == nil {
		return errNotFound
	}
	if !before.request.body.isComplete() || !recording.request.body.isComplete() {
		return errNotComparable
	}
	changes, err := event.Diff(before.request.body.data, recording.request.body.data)
	if err != nil {
		return errNotComparable
	}
	writeJSON(w, http.StatusOK, changesView{h.recorder.id(since), changes})
	return nil
}

type timelineEntry struct {
	summaryView
	Changes    *changesView `json:"changes"`
	OutOfOrder bool         `json:"out_of_order"`
}

type timelineView struct {
	ObjectID string          `json:"object_id"`
	Entries  []timelineEntry `json:"entries"`
	More     bool            `json:"more"`
}

func (h *Handler) timeline(w http.ResponseWriter, _ *http.Request, recording *Recording) error {
	writeJSON(w, http.StatusOK, h.recorder.timelineOf(recording))
	return nil
}

// timelineOf returns the deliveries about the object that r is about, the oldest first,
// with what each verified event changes.
func (rc *Recorder) timelineOf(r *Recording) timelineView {
	v := timelineView{ObjectID: r.subject.ObjectID, Entries: []timelineEntry{}}
	if v.ObjectID == "" {
		return v
	}
	var about []*Recording
	for _, other := range rc.snapshot().recordings {
		if other.subject.ObjectID == v.ObjectID {
			about = append(about, other)
		}
	}
	if v.More = len(about) > maxTimeline; v.More {
		about = about[len(about)-maxTimeline:]
	}
	o := object{recorder: rc}
	for _, recording := range about {
		entry := timelineEntry{summaryView: rc.summarize(recording)}
		entry.Changes, entry.OutOfOrder = o.next(recording)
		v.Entries = append(v.Entries, entry)
	}
	return v
}

// object is what the events so far have said about one object.
type object struct {
	recorder  *Recorder
	latest    *Recording // the last verified event
	isDeleted bool
}

// next returns what an event changes. There are no changes for the first event, for
// another attempt of the latest one, and for a deletion. isLate reports that it is older
// than the latest event, such as a retry that comes after newer events.
func (o *object) next(r *Recording) (changes *changesView, isLate bool) {
	if !r.decision.Verified || !isComparable(r) {
		return nil, false
	}
	if r.origin == Replayed {
		return o.sinceOriginal(r), false
	}
	before := o.latest
	switch {
	case before != nil && before.decision.MessageID == r.decision.MessageID:
		return nil, false
	case gjson.GetBytes(r.request.body.data, "data.deleted").Bool():
		o.isDeleted = true
		return nil, false
	case before == nil:
		o.latest = r
		return nil, o.isDeleted
	}
	if isLate = o.isDeleted || changedAt(r) < changedAt(before); !isLate {
		o.latest = r
	}
	return o.since(before, r), isLate
}

// sinceOriginal returns what was edited in a replay.
func (o *object) sinceOriginal(r *Recording) *changesView {
	original := o.recorder.find(r.replayOf)
	if original == nil || !isComparable(original) || bytes.Equal(original.request.body.data, r.request.body.data) {
		return nil
	}
	return o.since(original, r)
}

func (o *object) since(before, r *Recording) *changesView {
	changes, err := event.Diff(before.request.body.data, r.request.body.data)
	if err != nil {
		return nil
	}
	return &changesView{o.recorder.id(before.seq), changes.Within("data")}
}

func isComparable(r *Recording) bool {
	return r.request.body.state == whole && len(r.request.body.data) <= maxComparedBytes
}

// changedAt is when the object changed, in milliseconds since 1970.
func changedAt(r *Recording) int64 {
	for _, path := range []string{"data.updated_at", "timestamp"} {
		if value := gjson.GetBytes(r.request.body.data, path); value.Type == gjson.Number {
			return value.Int()
		}
	}
	return 0
}
