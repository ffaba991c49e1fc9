package event_test

import (
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/event"
)

const settable = `{"data":{"id":"user_1","emails":[{"e":"a<b"},{"e":"c"}],"n":null,"a.b":1},"type":"user.created"}`

func TestSet(t *testing.T) {
	for _, tt := range []struct{ name, path, value, want string }{
		{"text", "data.id", "user_2", `{"data":{"id":"user_2","emails":[{"e":"a<b"},{"e":"c"}],"n":null,"a.b":1},"type":"user.created"}`},
		{"a number", "data.id", "7", `{"data":{"id":7,"emails":[{"e":"a<b"},{"e":"c"}],"n":null,"a.b":1},"type":"user.created"}`},
		{"digits as text", "data.id", `"7"`, `{"data":{"id":"7","emails":[{"e":"a<b"},{"e":"c"}],"n":null,"a.b":1},"type":"user.created"}`},
		{"an object, compacted", "data", `{ "x" : [ 1.0 ] }`, `{"data":{"x":[1]},"type":"user.created"}`},
		{"empty text", "type", "", `{"data":{"id":"user_1","emails":[{"e":"a<b"},{"e":"c"}],"n":null,"a.b":1},"type":""}`},
		{"text with an equals sign and html", "type", "a=<b>", `{"data":{"id":"user_1","emails":[{"e":"a<b"},{"e":"c"}],"n":null,"a.b":1},"type":"a=<b>"}`},
		{"an element of an array", "data.emails.1.e", "d", `{"data":{"id":"user_1","emails":[{"e":"a<b"},{"e":"d"}],"n":null,"a.b":1},"type":"user.created"}`},
		{"one more element", "data.emails.2.e", "d", `{"data":{"id":"user_1","emails":[{"e":"a<b"},{"e":"c"},{"e":"d"}],"n":null,"a.b":1},"type":"user.created"}`},
		{"a new member, last", "data.x.y", "true", `{"data":{"id":"user_1","emails":[{"e":"a<b"},{"e":"c"}],"n":null,"a.b":1,"x":{"y":true}},"type":"user.created"}`},
		{"a member of null", "data.n.x", "1", `{"data":{"id":"user_1","emails":[{"e":"a<b"},{"e":"c"}],"n":{"x":1},"a.b":1},"type":"user.created"}`},
		{"a name with a full stop", `data.a\.b`, "2", `{"data":{"id":"user_1","emails":[{"e":"a<b"},{"e":"c"}],"n":null,"a.b":2},"type":"user.created"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := event.Set([]byte(settable), tt.path, tt.value)
			if err != nil || string(got) != tt.want {
				t.Errorf("got %s, %v\nwant %s", got, err, tt.want)
			}
		})
	}
}

func TestSetRefuses(t *testing.T) {
	for _, tt := range []struct{ name, path, value, want string }{
		{"an empty path", "", "1", "a name in it is empty"},
		{"an empty name", "data..id", "1", "a name in it is empty"},
		{"a member of text", "data.id.x", "1", `"user_1", which has no member "x"`},
		{"a name in an array", "data.emails.first", "1", "no index"},
		{"a negative index", "data.emails.-1", "1", "no index"},
		{"an index far behind an array", "data.emails.7", "1", "only 2 elements"},
		{"a number that JavaScript would change", "data.id", "12345678901234567890", "send it as a string"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := event.Set([]byte(settable), tt.path, tt.value); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %s, %v, want an error with %q", got, err, tt.want)
			}
		})
	}
}

// The error cuts the value, which must not hide from Redact that it has a password.
func TestSetRepeatsNoPassword(t *testing.T) {
	_, err := event.Set([]byte(`{"data":"postgresql://postgres.abcdef:Tr0ub4dor-and-3xtra-long@db.example.com/x"}`), "data.x", "1")
	if err == nil || strings.Contains(err.Error(), "Tr0ub4dor") {
		t.Errorf("got %v", err)
	}
}
