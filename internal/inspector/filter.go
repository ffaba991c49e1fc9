package inspector

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/event"
)

const (
	defaultLimit = 100
	maxLimit     = 1000

	// What may be given, since all records are compared with it.
	maxValues     = 100
	maxValueBytes = 1000
)

// filter selects records. What is empty selects all.
type filter struct {
	types     []event.Pattern
	outcomes  []string
	reasons   []string
	endpoints []string
	origins   []string
	statuses  []string
	id        string
	text      string // in lower case
	from, to  time.Time
	before    uint64
	limit     int
}

// parseFilter reads the parameters of a list, of which limit is the one that
// applies if none is given. Those that cannot be read, and unknown ones, are an
// error: to leave them out would select all.
func (rc *Recorder) parseFilter(query string, limit int) (filter, error) {
	f := filter{limit: limit}
	parameters, err := url.ParseQuery(query)
	if err != nil {
		return filter{}, fmt.Errorf("the parameters: %w", err)
	}
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
		return fmt.Errorf("there are %d values, which is more than %d", len(values), maxValues)
	}
	if slices.ContainsFunc(values, func(v string) bool { return len(v) > maxValueBytes }) {
		return fmt.Errorf("a value is longer than %d bytes", maxValueBytes)
	}
	return nil
}

func (rc *Recorder) setFilter(f *filter, name string, values []string) error {
	switch name {
	case "type":
		return f.setTypes(values)
	case "outcome":
		f.outcomes = values
		return nil
	case "reason":
		f.reasons = values
		return nil
	case "endpoint":
		f.endpoints = values
		return nil
	case "origin":
		f.origins = values
		return nil
	case "status":
		f.statuses = values
		return checkStatuses(values)
	}
	if len(values) != 1 {
		return fmt.Errorf("it is given %d times", len(values))
	}
	return rc.setSingle(f, name, values[0])
}

// setSingle sets what can be given once only.
func (rc *Recorder) setSingle(f *filter, name, value string) (err error) {
	switch name {
	case "id":
		f.id = value
	case "text":
		f.text = strings.ToLower(value)
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

// selectFrom returns the records that f selects, the newest first and at most
// as many as its limit, and whether there are more.
func (f *filter) selectFrom(rc *Recorder, records []*Record) (selected []*Record, more bool) {
	for _, r := range slices.Backward(records) {
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

func (f *filter) match(rc *Recorder, r *Record) bool {
	return has(f.outcomes, r.verdict.Outcome) &&
		has(f.reasons, r.verdict.Reason) &&
		has(f.endpoints, r.endpoint) &&
		has(f.origins, string(r.origin)) &&
		f.matchType(r) &&
		f.matchStatus(r) &&
		f.matchTime(r) &&
		(f.id == "" || strings.Contains(rc.id(r.seq), f.id) || strings.Contains(r.verdict.MessageID, f.id)) &&
		f.matchText(r)
}

func has(wanted []string, value string) bool {
	return len(wanted) == 0 || slices.Contains(wanted, value)
}

func (f *filter) matchType(r *Record) bool {
	return len(f.types) == 0 || r.verdict.Type != "" &&
		slices.ContainsFunc(f.types, func(p event.Pattern) bool { return p.Match(r.verdict.Type) })
}

func (f *filter) matchStatus(r *Record) bool {
	status := strconv.Itoa(r.status())
	return len(f.statuses) == 0 || slices.ContainsFunc(f.statuses, func(wanted string) bool {
		class, isClass := strings.CutSuffix(wanted, "xx")
		return wanted == status || isClass && len(status) == 3 && status[:1] == class
	})
}

func (f *filter) matchTime(r *Record) bool {
	return (f.from.IsZero() || !r.time.Before(f.from)) && (f.to.IsZero() || r.time.Before(f.to))
}

// matchText looks everywhere, the costliest last.
func (f *filter) matchText(r *Record) bool {
	if f.text == "" || f.inText(r.url()) || f.inHeader(r.request.header) {
		return true
	}
	if r.answer != nil && (f.inHeader(r.answer.header) || f.inBody(r.answer.body)) {
		return true
	}
	return f.inBody(r.request.body)
}

func (f *filter) inText(text string) bool { return strings.Contains(strings.ToLower(text), f.text) }

func (f *filter) inHeader(fields []field) bool {
	return slices.ContainsFunc(fields, func(line field) bool { return f.inText(line.name + ": " + line.value) })
}

func (f *filter) inBody(b body) bool { return bytes.Contains(bytes.ToLower(b.data), []byte(f.text)) }

// status is that of the answer, or 0 if there is none yet.
func (r *Record) status() int {
	if r.answer == nil {
		return 0
	}
	return r.answer.status
}
