package relay_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// run runs an endpoint with a name that no other has, so that no listener of another
// test is still there.
func run(t *testing.T, options string) (url string) {
	t.Helper()
	if !strings.HasPrefix(options, "name ") {
		options = "name " + testcaddy.NewEndpoint() + "\n" + options
	}
	address := testcaddy.FreeAddress(t)
	testcaddy.Run(t, "http://"+address+" {\nclerk_webhook /hooks* {\nsecret "+testcaddy.Secret+"\n"+options+"\n}\nrespond 207\n}")
	return "http://" + address + "/hooks"
}

func TestAListenerAnswersADelivery(t *testing.T) {
	url := run(t, "relay")
	w := listen(t, url, testcaddy.Secret, "")
	answers := deliver(t, url, testcaddy.UserCreated)
	f := w.receive(t)
	if f.Type != "event" || f.Data.Method != "POST" || string(f.Data.Body) != testcaddy.UserCreated {
		t.Errorf("the listener got %+v", f)
	}
	if f.Data.Headers["svix-id"] == "" || f.Data.Headers["svix-signature"] == "" || f.Data.Headers["content-length"] != "" {
		t.Errorf("the listener got the headers %v", f.Data.Headers)
	}
	w.answer(t, f, 201, "made")
	got := <-answers
	if got.StatusCode != 201 || got.Text != "made" || got.Header.Get("X-Backend") != "mine" {
		t.Errorf("the sender got %+v", got)
	}
}

func TestNobodyListens(t *testing.T) {
	url := run(t, "relay")
	got := <-deliver(t, url, testcaddy.UserCreated)
	if got.StatusCode != http.StatusServiceUnavailable || got.Header.Get("Retry-After") != "5" || !strings.Contains(got.Text, "Nobody listens") {
		t.Errorf("the sender got %+v", got)
	}
}

func TestTheFirstSuccessIsTheAnswer(t *testing.T) {
	tests := map[string]struct {
		statuses []int // in the order of the answers
		want     int
	}{
		"one success":                {[]int{500, 200, 404}, 200},
		"the first success":          {[]int{202, 201, 200}, 202},
		"no success: the last other": {[]int{500, 502, 404}, 404},
	}
	url := run(t, "relay")
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			listeners := []wire{listen(t, url, testcaddy.Secret, ""), listen(t, url, testcaddy.Secret, ""), listen(t, url, testcaddy.Secret, "")}
			answers := deliver(t, url, testcaddy.UserCreated)
			var frames []frame
			for _, w := range listeners {
				frames = append(frames, w.receive(t))
			}
			for i, status := range test.statuses {
				listeners[i].answer(t, frames[i], status, "")
				if status < 300 {
					break // what comes after is too late
				}
				if i < len(test.statuses)-1 {
					listeners[i].settle(t)
				}
			}
			if got := <-answers; got.StatusCode != test.want {
				t.Errorf("the sender got %d, want %d", got.StatusCode, test.want)
			}
			for _, w := range listeners {
				_ = w.CloseNow()
			}
		})
	}
}

// settle returns when the relay has read what was sent before.
func (w wire) settle(t *testing.T) {
	t.Helper()
	reading := w.CloseRead(t.Context())
	if err := w.Ping(reading); err != nil {
		t.Fatal(err)
	}
}

func TestCopiesDoNotChangeTheAnswer(t *testing.T) {
	url := run(t, "relay copy")
	w := listen(t, url, testcaddy.Secret, "")
	if got := <-deliver(t, url, testcaddy.UserCreated); got.StatusCode != http.StatusMultiStatus {
		t.Errorf("the sender got %d, want that of the next handler", got.StatusCode)
	}
	if f := w.receive(t); string(f.Data.Body) != testcaddy.UserCreated {
		t.Errorf("the listener got %+v", f)
	}
}

func TestStrangersLearnNothing(t *testing.T) {
	url := run(t, "relay")
	other := listenTo(t, testcaddy.OtherSecret)
	tests := map[string]string{
		"no token":                  `{"type":"start","version":1,"data":{}}`,
		"the wrong token":           `{"type":"start","version":1,"data":{"token":"c_abcdefghij"}}`,
		"a token of another secret": other,
		"another version":           `{"type":"start","version":2,"data":{"token":"c_abcdefghij"}}`,
		"another type":              `{"type":"event","version":1,"data":{}}`,
		"no JSON":                   `hello`,
		"a start of 10 MB":          `{"type":"start","version":1,"data":{"token":"` + strings.Repeat("a", 10_000_000) + `"}}`,
		"an empty frame":            ``,
	}
	for name, first := range tests {
		t.Run(name, func(t *testing.T) {
			w := dial(t, url)
			go func() { _ = w.Write(t.Context(), websocket.MessageText, []byte(first)) }() // the relay may close before it is sent
			if closed := w.closed(t); closed.Code != websocket.StatusPolicyViolation && closed.Code != websocket.StatusMessageTooBig {
				t.Errorf("the connection ended with %v", closed)
			}
		})
	}
}

func listenTo(t *testing.T, secret string) string {
	return `{"type":"start","version":1,"data":{"token":"` + tokenOf(t, secret) + `"}}`
}

func TestListenersStayOverAReload(t *testing.T) {
	address := testcaddy.FreeAddress(t)
	config := "http://" + address + " {\nclerk_webhook /hooks* {\nsecret " + testcaddy.Secret + "\nrelay\n}\nrespond %s\n}"
	testcaddy.Run(t, strings.Replace(config, "%s", "207", 1))
	url := "http://" + address + "/hooks"
	w := listen(t, url, testcaddy.Secret, "")
	testcaddy.Reload(t, strings.Replace(config, "%s", "208", 1))
	answers := deliver(t, url, testcaddy.UserCreated)
	w.answer(t, w.receive(t), 200, "")
	if got := <-answers; got.StatusCode != 200 {
		t.Errorf("the sender got %d", got.StatusCode)
	}
}

func TestAListenerLeavesWithItsEndpoint(t *testing.T) {
	address := testcaddy.FreeAddress(t)
	testcaddy.Run(t, "http://"+address+" {\nclerk_webhook /hooks* {\nsecret "+testcaddy.Secret+"\nrelay\n}\n}")
	w := listen(t, "http://"+address+"/hooks", testcaddy.Secret, "")
	testcaddy.Reload(t, "http://"+address+" {\nrespond 204\n}")
	if closed := w.closed(t); closed.Code != websocket.StatusServiceRestart || !strings.Contains(closed.Reason, "connect again") {
		t.Errorf("the connection ended with %v", closed)
	}
}

func TestListenersGetWhatTheyAskFor(t *testing.T) {
	tests := map[string]struct {
		wishes string
		wanted bool
	}{
		"an event":         {`,"events":["user.*"]`, true},
		"another event":    {`,"events":["session.*"]`, false},
		"a value":          {`,"match":{"type":"user.created"}`, true},
		"another value":    {`,"match":{"data.id":"user_other"}`, false},
		"event, but value": {`,"events":["user.*"],"match":{"data.id":"user_other"}`, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			url := run(t, "relay")
			w := listen(t, url, testcaddy.Secret, test.wishes)
			answers := deliver(t, url, testcaddy.UserCreated)
			want := http.StatusServiceUnavailable
			if test.wanted {
				want = 200
				w.answer(t, w.receive(t), 200, "")
			}
			if got := <-answers; got.StatusCode != want {
				t.Errorf("the sender got %d, want %d", got.StatusCode, want)
			}
			_ = w.CloseNow()
		})
	}
}
