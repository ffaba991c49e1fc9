package inspector

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/event"
)

func (h *Handler) list(w http.ResponseWriter, r *http.Request) error {
	f, err := h.recorder.parseFilter(r.URL.RawQuery, defaultLimit)
	if err != nil {
		return badRequest(err)
	}
	now := h.recorder.snapshot()
	selected, more := f.selectFrom(h.recorder, now.recordings)
	next := ""
	if more {
		next = h.recorder.id(selected[len(selected)-1].seq)
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"entries": h.recorder.summarizeAll(selected),
		"next":    next,
		"cursor":  h.recorder.id(now.version),
	})
	return nil
}

func (h *Handler) clear(w http.ResponseWriter, r *http.Request) error {
	if r.URL.RawQuery != "" {
		return badRequest(errors.New("this call removes all entries: remove the parameters"))
	}
	writeJSON(w, http.StatusOK, map[string]int{"cleared": h.recorder.clear()})
	return nil
}

func (h *Handler) one(w http.ResponseWriter, _ *http.Request, recording *Recording) error {
	writeJSON(w, http.StatusOK, h.recorder.describe(recording))
	return nil
}

func (h *Handler) message(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	now := h.recorder.snapshot()
	attempts := slices.DeleteFunc(now.recordings, func(r *Recording) bool { return r.decision.MessageID != id })
	if len(attempts) == 0 {
		return errNotFound
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"message_id": id,
		"entries":    h.recorder.summarizeAll(attempts),
		"cursor":     h.recorder.id(now.version),
	})
	return nil
}

const (
	defaultLimit = 100
	maxLimit     = 1000

	// Bounds, because every recording is compared with what is given.
	maxValues     = 100
	maxValueBytes = 1000
)

type filter struct {
	values   url.Values // the parameters whose values are compared as they are
	types    []event.Pattern
	text     string // in lower case
	from, to time.Time
	before   uint64
	limit    int
	failed   bool
}

// parseFilter reads the parameters of a list. limit is the default of the parameter
// with that name. A parameter that is unknown or cannot be read is an error, because
// a filter without it would select too much.
func (rc *Recorder) parseFilter(query string, limit int) (filter, error) {
	parameters, err := url.ParseQuery(query)
	if err != nil {
		return filter{}, fmt.Errorf("the parameters: %w", err)
	}
	f := filter{values: parameters, limit: limit}
	for name, values := range parameters {
		if err := checkValues(values); err != nil {
			return filter{}, fmt.Errorf("%s: %w", name, err)
		}
		if err := rc.setFilter(&f, name, values); err != nil {
			return filter{}, fmt.Errorf("%s: %w", name, err)
		}
	}
	return f, nil
}

func checkValues(values []string) error {
	if len(values) > maxValues {
		return fmt.Errorf("there are %d values, and there may be %d", len(values), maxValues)
	}
	if slices.ContainsFunc(values, func(v string) bool { return len(v) > maxValueBytes }) {
		return fmt.Errorf("a value is longer than %d bytes", maxValueBytes)
	}
	return nil
}

func (rc *Recorder) setFilter(f *filter, name string, values []string) error {
	switch name {
	case "outcome", "reason", "endpoint", "origin":
		return nil
	case "type":
		return f.setTypes(values)
	case "status":
		return checkStatuses(values)
	}
	if len(values) != 1 {
		return fmt.Errorf("it is given %d times: give it once", len(values))
	}
	return rc.setSingle(f, name, values[0])
}

// setSingle sets a parameter that can only be given once.
func (rc *Recorder) setSingle(f *filter, name, value string) (err error) {
	switch name {
	case "id":
	case "text":
		f.text = strings.ToLower(value)
	case "failed":
		if f.failed = value == "true"; !f.failed {
			return fmt.Errorf("%q is not true: remove it to select all", value)
		}
	case "from":
		f.from, err = time.Parse(time.RFC3339, value)
	case "to":
		f.to, err = time.Parse(time.RFC3339, value)
	case "before":
		var ok bool
		if f.before, ok = rc.parseID(value); !ok {
			return fmt.Errorf("%q is not the id of an entry of this run", value)
		}
	case "limit":
		f.limit, err = strconv.Atoi(value)
		if err != nil || f.limit < 1 || f.limit > maxLimit {
			return fmt.Errorf("%q is not a number from 1 to %d", value, maxLimit)
		}
	default:
		return errors.New("there is no such parameter")
	}
	return err
}

func (f *filter) setTypes(patterns []string) error {
	for _, p := range patterns {
		pattern := event.Pattern(p)
		if err := pattern.Validate(); err != nil {
			return err
		}
		f.types = append(f.types, pattern)
	}
	return nil
}

func checkStatuses(statuses []string) error {
	for _, status := range statuses {
		class, isClass := strings.CutSuffix(status, "xx")
		n, err := strconv.Atoi(class)
		if err != nil || n < 0 || n > 999 || isClass && n > 9 {
			return fmt.Errorf("%q is not a status such as 200, a class such as 2xx, or 0", status)
		}
	}
	return nil
}

// selectFrom returns the recordings that f selects, the newest first. It returns
// at most as many as the limit, and whether there are more.
func (f *filter) selectFrom(rc *Recorder, recordings []*Recording) (selected []*Recording, more bool) {
	for _, r := range slices.Backward(recordings) {
		if f.before != 0 && r.seq >= f.before || !f.match(rc, r) {
			continue
		}
		if len(selected) == f.limit {
			return selected, true
		}
		selected = append(selected, r)
	}
	return selected, false
}

func (f *filter) match(rc *Recorder, r *Recording) bool {
	id := f.values.Get("id")
	return f.matchValue("outcome", r.decision.Outcome) &&
		f.matchValue("reason", r.decision.Reason) &&
		f.matchValue("endpoint", r.endpoint) &&
		f.matchValue("origin", string(r.origin)) &&
		f.matchType(r.decision.Type) &&
		f.matchStatus(strconv.Itoa(r.status())) &&
		f.matchTime(r) &&
		(!f.failed || r.isFailed()) &&
		(id == "" || strings.Contains(rc.id(r.seq), id) || strings.Contains(r.decision.MessageID, id)) &&
		f.matchText(r)
}

func (f *filter) matchValue(name, value string) bool {
	return len(f.values[name]) == 0 || slices.Contains(f.values[name], value)
}

func (f *filter) matchType(eventType string) bool {
	return len(f.types) == 0 || eventType != "" &&
		slices.ContainsFunc(f.types, func(p event.Pattern) bool { return p.Match(eventType) })
}

func (f *filter) matchStatus(status string) bool {
	return f.matchValue("status", status) || len(status) == 3 && slices.Contains(f.values["status"], status[:1]+"xx")
}

func (f *filter) matchTime(r *Recording) bool {
	return (f.from.IsZero() || !r.time.Before(f.from)) && (f.to.IsZero() || r.time.Before(f.to))
}

// matchText looks into the bodies last, because they take the longest.
func (f *filter) matchText(r *Recording) bool {
	if f.text == "" || f.inText(r.url()) || f.inHeader(r.request.header) {
		return true
	}
	if r.answer != nil && (f.inHeader(r.answer.header) || f.inBody(r.answer.body)) {
		return true
	}
	return f.inBody(r.request.body)
}

func (f *filter) inText(text string) bool { return strings.Contains(strings.ToLower(text), f.text) }

func (f *filter) inHeader(header fields) bool {
	return slices.ContainsFunc(header, func(line field) bool { return f.inText(line.Name + ": " + line.Value) })
}

func (f *filter) inBody(b body) bool { return bytes.Contains(bytes.ToLower(b.data), []byte(f.text)) }
