package inspector_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

func TestInspectFilters(t *testing.T) {
	backend := testcaddy.NewBackend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Fail") != "" {
			w.WriteHeader(http.StatusBadGateway)
		}
		_, _ = io.WriteString(w, "answer of the Backend")
	})
	d := openDesk(t, "events user.* organization.*", "reverse_proxy "+backend.Address)
	start := time.Now()
	d.deliver(t, message{id: "msg_a", body: `{"type":"user.created","data":{"name":"Nadia"}}`})
	d.deliver(t, message{id: "msg_b", body: `{"type":"user.updated"}`, header: http.Header{"X-Fail": {"yes"}}})
	d.deliver(t, message{id: "msg_c", body: `{"type":"organization.created"}`, header: http.Header{"X-Trace": {"Needle"}}})
	d.deliver(t, message{id: "msg_d", body: `{"type":"session.created"}`})
	d.deliver(t, message{id: "msg_e", body: testcaddy.UserCreated, secret: testcaddy.OtherSecret})
	all := d.list(t, "")
	inTime := func(at time.Time) string { return url.QueryEscape(at.Format(time.RFC3339Nano)) }

	for _, test := range []struct{ parameters, want string }{
		{"", "e d c b a"},
		{"type=user.created", "a"},
		{"type=user.*", "b a"},
		{"type=user.created&type=organization*", "c a"},
		{"outcome=rejected", "e"},
		{"outcome=filtered&outcome=rejected", "e d"},
		{"reason=signature_mismatch", "e"},
		{"status=502", "b"},
		{"status=2xx", "d c a"},
		{"status=4xx&status=502", "e b"},
		{"failed=true", "e b"},
		{"failed=true&outcome=forwarded", "b"},
		{"endpoint=default", "e d c b a"},
		{"endpoint=other", ""},
		{"origin=replay", ""},
		{"id=msg_c", "c"},
		{"id=" + all[4].ID, "a"},
		{"text=nadia", "a"},
		{"text=x-trace:+needle", "c"},
		{"text=answer+of+the+backend", "c b a"},
		{"text=" + url.QueryEscape(hookPath), "e d c b a"},
		{"text=absent", ""},
		{"type=user.*&status=2xx", "a"},
		{"from=" + inTime(start), "e d c b a"},
		{"from=" + inTime(time.Now().Add(time.Hour)), ""},
		{"to=" + inTime(start), ""},
		{"limit=2", "e d"},
		{"before=" + all[1].ID, "c b a"},
		{"before=" + all[1].ID + "&limit=1", "c"},
	} {
		t.Run(test.parameters, func(t *testing.T) {
			var got []string
			for _, e := range d.list(t, test.parameters) {
				got = append(got, strings.TrimPrefix(e.MessageID, "msg_"))
			}
			if strings.Join(got, " ") != test.want {
				t.Errorf("got %v, want %s", got, test.want)
			}
		})
	}
	for _, parameters := range []string{"typ=user.created", "type=user/created", "status=ok", "status=12xx", "from=yesterday", "limit=0", "limit=1001", "failed=no", "before=17", "id=a&id=b"} {
		t.Run("refuses "+parameters, func(t *testing.T) {
			var refusal struct{ Code, Error string }
			d.call(t, http.MethodGet, "api/entries?"+parameters, nil, http.StatusBadRequest, &refusal)
			if name, _, _ := strings.Cut(parameters, "="); refusal.Code != "bad_request" || !strings.HasPrefix(refusal.Error, name+":") {
				t.Errorf("%+v", refusal)
			}
		})
	}
}

func TestInspectPages(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	for i := range 5 {
		d.deliver(t, message{body: testcaddy.UserCreated, id: fmt.Sprintf("msg_%d", i)})
	}
	var seen []string
	for next := ""; ; {
		path := "api/entries?limit=2"
		if next != "" {
			path += "&before=" + next
		}
		var list struct {
			Entries []entry
			Next    string
		}
		d.call(t, http.MethodGet, path, nil, http.StatusOK, &list)
		for _, e := range list.Entries {
			seen = append(seen, e.MessageID)
		}
		if next = list.Next; next == "" {
			break
		}
	}
	if got := strings.Join(seen, " "); got != "msg_4 msg_3 msg_2 msg_1 msg_0" {
		t.Errorf("the pages have %s", got)
	}
}

func TestInspectGathersTheAttemptsOfAMessage(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	d.deliver(t, message{id: "msg_retried", body: testcaddy.UserCreated, secret: testcaddy.OtherSecret})
	d.deliver(t, message{id: "msg_other", body: testcaddy.UserCreated})
	d.deliver(t, message{id: "msg_retried", body: testcaddy.UserCreated})
	var message struct{ Entries []entry }
	d.call(t, http.MethodGet, "api/messages/msg_retried", nil, http.StatusOK, &message)
	if e := message.Entries; len(e) != 2 || e[0].Outcome != "rejected" || e[1].Outcome != "forwarded" {
		t.Errorf("attempts %+v", e)
	}
	d.call(t, http.MethodGet, "api/messages/msg_unknown", nil, http.StatusNotFound, nil)
}

func TestInspectFindsMessagesWhateverTheirIDs(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	for _, id := range []string{"a/b", "/a", "a//b", "a/", "%2F", "a?b#c", "<script>"} {
		d.deliver(t, message{id: id, body: testcaddy.UserCreated})
		var message struct{ Entries []entry }
		d.call(t, http.MethodGet, "api/messages/"+url.PathEscape(id), nil, http.StatusOK, &message)
		if e := message.Entries; len(e) != 1 || e[0].MessageID != id {
			t.Errorf("%q: attempts %+v", id, e)
		}
	}
}

func TestInspectClears(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	d.deliver(t, message{body: testcaddy.UserCreated})
	d.deliver(t, message{body: testcaddy.UserCreated, secret: testcaddy.OtherSecret})
	id := d.last(t).ID
	var cleared struct{ Cleared int }
	d.call(t, http.MethodDelete, "api/entries", nil, http.StatusOK, &cleared)
	if cleared.Cleared != 2 || len(d.list(t, "")) != 0 {
		t.Errorf("cleared %d, left %d", cleared.Cleared, len(d.list(t, "")))
	}
	d.call(t, http.MethodGet, "api/entries/"+id, nil, http.StatusNotFound, nil)
	d.deliver(t, message{body: testcaddy.UserCreated})
	if e := d.last(t); e.ID == id {
		t.Errorf("the id %s was used again", id)
	}
}

func TestInspectClearsAllOrNothing(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	d.deliver(t, message{body: testcaddy.UserCreated})
	if code := d.refusal(t, http.MethodDelete, "api/entries?outcome=rejected", nil, http.StatusBadRequest); code != "bad_request" {
		t.Error(code)
	}
	if len(d.list(t, "")) != 1 {
		t.Error("a call that was refused has forgotten a delivery")
	}
}
