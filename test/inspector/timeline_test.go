package inspector_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

type changes struct {
	Since string
	List  []struct{ Path, Kind, Before, After string }
	More  bool
}

type timeline struct {
	ObjectID string `json:"object_id"`
	Entries  []struct {
		entry
		Changes    *changes
		OutOfOrder bool `json:"out_of_order"`
	}
	More bool
}

func (d *desk) timeline(t testing.TB, id string) timeline {
	t.Helper()
	var found timeline
	d.call(t, http.MethodGet, "api/entries/"+id+"/timeline", nil, http.StatusOK, &found)
	return found
}

// text writes a timeline as one line for each entry: what changed since which message.
func (tl timeline) text() string {
	messages := map[string]string{}
	var lines []string
	for _, e := range tl.Entries {
		messages[e.ID] = e.MessageID
		line := strings.TrimPrefix(e.MessageID, "msg_") + " " + e.Outcome
		if e.Changes != nil {
			line += " since " + strings.TrimPrefix(messages[e.Changes.Since], "msg_")
			for _, c := range e.Changes.List {
				line += fmt.Sprintf(" %s:%s>%s", c.Path, c.Before, c.After)
			}
		}
		if e.OutOfOrder {
			line += " late"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func aboutUser(eventType, name string, updated int) string {
	return fmt.Sprintf(`{"data":{"id":"user_1","name":%q,"updated_at":%d},"timestamp":%d,"type":%q}`, name, updated, updated, eventType)
}

func TestTimelineShowsWhatEachEventChanges(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	first := aboutUser("user.created", "Ada", 1)
	d.deliver(t, message{id: "msg_a", body: first})
	d.deliver(t, message{id: "msg_a", body: first})
	d.deliver(t, message{id: "msg_x", body: `{"data":{"id":"user_2","name":"Grace"},"type":"user.created"}`})
	d.deliver(t, message{id: "msg_c", body: aboutUser("user.updated", "Ada L.", 3)})
	d.deliver(t, message{id: "msg_forged", body: aboutUser("user.updated", "Mallory", 4), secret: testcaddy.OtherSecret})
	d.deliver(t, message{id: "msg_b", body: aboutUser("user.updated", "Ada K.", 2)}) // a late retry
	d.deliver(t, message{id: "msg_d", body: aboutUser("user.updated", "Ada B.", 5)})
	d.act(t, d.last(t).ID, "replay", map[string]any{"body": aboutUser("user.updated", "Edited", 5)})
	d.deliver(t, message{id: "msg_e", body: `{"data":{"id":"user_1","deleted":true},"type":"user.deleted"}`})
	d.deliver(t, message{id: "msg_f", body: aboutUser("user.updated", "Ada B.", 6)})

	tl := d.timeline(t, d.last(t).ID)
	const want = `a forwarded
a forwarded
c forwarded since a data.name:"Ada">"Ada L." data.updated_at:1>3
forged rejected
b forwarded since c data.name:"Ada L.">"Ada K." data.updated_at:3>2 late
d forwarded since c data.name:"Ada L.">"Ada B." data.updated_at:3>5
d forwarded since d data.name:"Ada B.">"Edited"
e forwarded
f forwarded since d data.updated_at:5>6 late`
	if got := tl.text(); got != want || tl.ObjectID != "user_1" || tl.More {
		t.Errorf("the timeline of %s, more: %v, is\n%s\nwant\n%s", tl.ObjectID, tl.More, got, want)
	}
}

func TestTimelineIsBounded(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	for i := range 202 {
		d.deliver(t, message{id: fmt.Sprint("msg_", i), body: aboutUser("user.updated", "Ada", i)})
	}
	if tl := d.timeline(t, d.last(t).ID); len(tl.Entries) != 200 || !tl.More || tl.Entries[199].MessageID != "msg_201" {
		t.Errorf("%d entries, more: %v", len(tl.Entries), tl.More)
	}
}

func TestTimelineOfADeliveryAboutNothing(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	d.deliver(t, message{body: `{"type":"user.created"}`})
	d.deliver(t, message{body: `no JSON`})
	if tl := d.timeline(t, d.last(t).ID); tl.ObjectID != "" || len(tl.Entries) != 0 {
		t.Errorf("got %+v", tl)
	}
}

func TestCompareTwoDeliveries(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	d.deliver(t, message{body: aboutUser("user.created", "Ada", 1)})
	before := d.last(t)
	d.deliver(t, message{body: aboutUser("user.updated", "Grace", 1), secret: testcaddy.OtherSecret})
	after := d.last(t)
	var got changes
	d.call(t, http.MethodGet, "api/entries/"+after.ID+"/changes?since="+before.ID, nil, http.StatusOK, &got)
	if len(got.List) != 2 || got.List[0].Path != "data.name" || got.List[1].Path != "type" || got.Since != before.ID {
		t.Errorf("got %+v", got)
	}

	d.deliver(t, message{body: "no JSON"})
	text := d.last(t)
	d.deliver(t, message{body: aboutUser("user.created", "Ada", 1), age: 3600e9}) // rejected before its body is read
	unread := d.last(t)
	run, _, _ := strings.Cut(text.ID, "-")
	for _, test := range []struct {
		name, since string
		status      int
	}{
		{"text", text.ID, http.StatusConflict},
		{"a body that was not read", unread.ID, http.StatusConflict},
		{"an entry that is not kept", run + "-999", http.StatusNotFound},
		{"nothing", "", http.StatusBadRequest},
	} {
		t.Run(test.name, func(t *testing.T) {
			d.call(t, http.MethodGet, "api/entries/"+after.ID+"/changes?since="+test.since, nil, test.status, nil)
		})
	}
}
