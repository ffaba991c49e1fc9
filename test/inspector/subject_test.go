package inspector_test

import (
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

func TestInspectSaysWhatADeliveryIsAbout(t *testing.T) {
	d := openDesk(t, "events user.*", "respond ok")
	const body = `{"data":{"id":"user_7","first_name":"Ada","email_addresses":[{"email_address":"ada@example.com"}]},"type":"user.created"}`
	for _, test := range []struct {
		name          string
		m             message
		text, id, typ string
	}{
		{"a genuine delivery", message{body: body}, "Ada, ada@example.com", "user_7", "user.created"},
		{"a forged one", message{body: body, secret: testcaddy.OtherSecret}, "Ada, ada@example.com", "user_7", "user.created"},
		{"a filtered one", message{body: `{"data":{"id":"org_1","name":"Acme"},"type":"organization.created"}`}, "Acme", "org_1", "organization.created"},
		{"one that was rejected before its body was read", message{body: body, age: 3600e9}, "", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			d.deliver(t, test.m)
			if got := d.last(t).Subject; got.Text != test.text || got.ObjectID != test.id || got.Type != test.typ {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestReplayTakesAsLongAsItsEntry(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	d.deliver(t, message{body: testcaddy.UserCreated})
	var sent struct {
		DurationMS float64 `json:"duration_ms"`
	}
	d.call(t, "POST", "api/entries/"+d.last(t).ID+"/replay", map[string]any{}, 200, &sent)
	if entry := d.last(t); entry.DurationMS != sent.DurationMS {
		t.Errorf("the answer says %v ms, and the list %v ms", sent.DurationMS, entry.DurationMS)
	}
}
