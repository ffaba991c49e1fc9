package relay

import (
	"bytes"
	"encoding/json"
	"net/http"
	"testing"
)

func TestHeadersThatPassARelay(t *testing.T) {
	tests := map[string]struct {
		name, value string
		want        string // "" if it does not pass
	}{
		"a header of the sender":     {"Svix-Id", "msg_1", "msg_1"},
		"another encoding":           {"X-Name", "M\xfcller", "Müller"},
		"UTF-8":                      {"X-Name", "Müller", "Müller"},
		"the connection":             {"Connection", "close", ""},
		"the length":                 {"Content-Length", "3", ""},
		"the coding of the transfer": {"Transfer-Encoding", "chunked", ""},
		"the host":                   {"Host", "example.com", ""},
		"an upgrade":                 {"Upgrade", "websocket", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := http.Header{}
			HeadersOf(http.Header{test.name: {test.value}}).AddTo(got)
			if got.Get(test.name) != test.want {
				t.Errorf("got %q, want %q", got.Get(test.name), test.want)
			}
		})
	}
	got := http.Header{}
	Headers{"x-a": "b\r\nEvil: 1", "x y": "z", "": "z", "X-B\n": "z", "te": "trailers"}.AddTo(got)
	if len(got) != 0 {
		t.Errorf("headers that HTTP does not allow pass: %q", got)
	}
	HeadersOf(http.Header{"X-Two": {"a", "b"}}).AddTo(got)
	if got.Get("X-Two") != "a, b" {
		t.Errorf("two values became %q", got["X-Two"])
	}
}

// FuzzMessages reads what strangers and relays send. What can be read comes out the
// same when it is sent on.
func FuzzMessages(f *testing.F) {
	f.Add([]byte(`{"type":"start","version":1,"data":{"token":"c_1234567890","events":["user.*"],"match":{"data.id":"user_1"},"since":60}}`))
	f.Add([]byte(`{"type":"event","version":1,"data":{"id":"1","method":"POST","headers":{"a":"b"},"body":"aGk="}}`))
	f.Add([]byte(`{"type":"event","version":1,"data":{"id":"1","status":200,"headers":{},"body":null}}`))
	f.Add([]byte(`{"type":"event"`))
	f.Add([]byte(`{"type":"start","version":1,"data":{"match":{"type":"start","data.match.type":"start","data..0":"","":""},"events":[[{"a":1}]]}}`))
	f.Fuzz(func(t *testing.T, frame []byte) {
		var start Start
		if decode(frame, typeStart, &start) == nil {
			_, _ = start.compile()
			newChoice([]*listener{{wishes: start.Wishes}}).wanting(&Delivery{Body: frame})
		}
		var request Request
		if decode(frame, typeEvent, &request) != nil {
			return
		}
		again, err := encode(typeEvent, request)
		if err != nil {
			t.Fatal(err)
		}
		var second Request
		if err := decode(again, typeEvent, &second); err != nil || !bytes.Equal(second.Body, request.Body) || second.ID != request.ID {
			t.Errorf("%v became %v: %v", request, second, err)
		}
		header := http.Header{}
		request.Headers.AddTo(header)
		if err := header.Write(&bytes.Buffer{}); err != nil {
			t.Error(err)
		}
		if _, err := json.Marshal(HeadersOf(header)); err != nil {
			t.Error(err)
		}
	})
}
