package backfill

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// Event is an event to send.
type Event struct {
	// ID is the svix-id. It is the same whenever the same state of the object is sent.
	ID string

	// Type is the event type, such as user.created.
	Type string

	// Object is the id of the object.
	Object string

	// Body is the payload, as Svix sends it: compact JSON.
	Body []byte

	kind Kind
}

// The ends of event types.
const (
	Created = "created"
	Updated = "updated"
	deleted = "deleted"
)

// IsDeletion reports whether the event says that a user is gone.
func (e Event) IsDeletion() bool { return e.Type == "user."+deleted }

// newEvent returns the event about an object whose state was read at this time. Its
// data is the object's JSON byte for byte, without white space between the tokens.
func newEvent(kind Kind, verb, instance string, o object, readAt time.Time) (Event, error) {
	e := Event{
		ID:     fmt.Sprintf("msg_backfill_%s_%s_%d", o.id, verb, o.updated),
		Type:   kind.family() + "." + verb,
		Object: o.id,
		kind:   kind,
	}
	var body bytes.Buffer
	body.Grow(len(o.json) + 200)
	body.WriteString(`{"data":`)
	if err := json.Compact(&body, []byte(o.json)); err != nil {
		return Event{}, fmt.Errorf("%s: %w", o.id, err)
	}
	e.Body = finish(&body, e.Type, instance, readAt)
	return e, nil
}

// newDeletion returns the event about a user that Clerk does not have any more.
func newDeletion(id, instance string, readAt time.Time) Event {
	e := Event{ID: "msg_backfill_" + id + "_" + deleted, Type: "user." + deleted, Object: id, kind: Users}
	var body bytes.Buffer
	body.WriteString(`{"data":{"deleted":true,"id":"` + id + `","object":"user"}`)
	e.Body = finish(&body, e.Type, instance, readAt)
	return e
}

// finish writes the rest of the envelope. None of the values needs an escape.
func finish(body *bytes.Buffer, eventType, instance string, readAt time.Time) []byte {
	body.WriteString(`,"instance_id":"` + instance + `","object":"event","timestamp":`)
	body.WriteString(strconv.FormatInt(readAt.UnixMilli(), 10))
	body.WriteString(`,"type":"` + eventType + `"}`)
	return body.Bytes()
}
