package relay_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

func TestAListenerGetsDeliveriesOfItsSecretOnly(t *testing.T) {
	address := testcaddy.FreeAddress(t)
	testcaddy.Run(t, "http://"+address+" {\nclerk_webhook {\nsecret "+testcaddy.Secret+"\nsecret "+testcaddy.OtherSecret+"\nrelay\n}\n}")
	url := "http://" + address
	other := listen(t, url, testcaddy.OtherSecret, "")
	if got := <-deliver(t, url, testcaddy.UserCreated); got.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("with a listener of another secret the sender got %d", got.StatusCode)
	}
	mine := listen(t, url, testcaddy.Secret, "")
	answers := deliver(t, url, testcaddy.UserCreated)
	mine.answer(t, mine.receive(t), 200, "")
	<-answers
	other.wantNothing(t)
}

// wantNothing fails the test if a delivery has been sent to the listener.
func (w wire) wantNothing(t *testing.T) {
	t.Helper()
	reading, cancel := context.WithCancel(t.Context())
	defer cancel()
	frames := make(chan []byte, 1)
	go func() {
		if _, data, err := w.Read(reading); err == nil {
			frames <- data
		}
	}()
	if err := w.Ping(t.Context()); err != nil { // its pong comes after what was sent before
		t.Fatal(err)
	}
	select {
	case data := <-frames:
		t.Errorf("the listener got %s", data)
	default:
	}
}

func TestSecretsOfARotationShareListeners(t *testing.T) {
	address := testcaddy.FreeAddress(t)
	testcaddy.Run(t, "http://"+address+" {\nclerk_webhook {\nsecret "+testcaddy.OtherSecret+" "+testcaddy.Secret+"\nrelay\n}\n}")
	w := listen(t, "http://"+address, testcaddy.OtherSecret, "")
	answers := deliver(t, "http://"+address, testcaddy.UserCreated)
	w.answer(t, w.receive(t), 200, "")
	if got := <-answers; got.StatusCode != 200 {
		t.Errorf("the sender got %d", got.StatusCode)
	}
}

func TestBrowsersOfOtherSitesCannotListen(t *testing.T) {
	url := run(t, "relay")
	_, res, err := websocket.Dial(t.Context(), strings.Replace(url, "http", "ws", 1),
		&websocket.DialOptions{HTTPHeader: http.Header{"Origin": {"https://evil.example"}}})
	if err == nil || res == nil || res.StatusCode != http.StatusForbidden {
		t.Errorf("the connection was not refused: %v", err)
	}
}

func TestWithoutRelayAListenerIsARequestLikeEveryOther(t *testing.T) {
	url := run(t, "")
	_, res, err := websocket.Dial(t.Context(), strings.Replace(url, "http", "ws", 1), nil)
	if err == nil || res == nil || res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("the connection was not refused: %v", err)
	}
}

func TestASlowListenerMissesCopies(t *testing.T) {
	url := run(t, "relay copy")
	w := listen(t, url, testcaddy.Secret, "")
	const sent = 80 // more than may be under way
	for range sent {
		if got := <-deliver(t, url, testcaddy.UserCreated); got.StatusCode != http.StatusMultiStatus {
			t.Fatalf("the sender got %d", got.StatusCode)
		}
	}
	var first frame
	for i := range 64 {
		if f := w.receive(t); i == 0 {
			first = f
		}
	}
	w.answer(t, first, 200, "")
	copied := make(chan error, 1)
	go func() {
		_, _, err := w.Read(t.Context()) // a read with a time-out would end the connection
		copied <- err
	}()
	testcaddy.Await(t, "a copy after an answer", func() bool {
		<-deliver(t, url, testcaddy.UserCreated)
		select {
		case err := <-copied:
			return err == nil
		default:
			return false
		}
	})
}

func TestOnlyVerifiedDeliveriesAreRelayed(t *testing.T) {
	for _, options := range []string{"relay", "relay copy", "relay\nreport_only"} {
		t.Run(strings.ReplaceAll(options, "\n", " "), func(t *testing.T) {
			url := run(t, options)
			w := listen(t, url, testcaddy.Secret, "")
			for name, change := range map[string]func(r *http.Request){
				"forged":   func(r *http.Request) { r.Header.Set("Svix-Id", "msg_other") },
				"unsigned": func(r *http.Request) { r.Header.Del("Svix-Signature") },
				"stale":    func(r *http.Request) { r.Header.Set("Svix-Timestamp", "1614265330") },
			} {
				r := testcaddy.SignedRequest(t, url, testcaddy.Secret, testcaddy.UserCreated)
				change(r)
				if got := testcaddy.Send(t, testcaddy.NewConnections, r); got.StatusCode < 300 && !strings.Contains(options, "report_only") {
					t.Errorf("%s: the sender got %d", name, got.StatusCode)
				}
			}
			w.wantNothing(t)
		})
	}
}

func TestRefusedListenersAreLoggedOnceAMinute(t *testing.T) {
	url := run(t, "relay")
	testcaddy.Log.Reset()
	for range 20 {
		w := dial(t, url)
		w.send(t, `{"type":"start","version":1,"data":{"token":"c_abcdefghij"}}`)
		w.closed(t)
	}
	testcaddy.Log.WaitFor(t, "listeners refused")
	if entries := testcaddy.Log.Entries(t, "listeners refused"); len(entries) != 1 || entries[0]["reason"] != "token" {
		t.Errorf("logged %v", entries)
	}
	if text := testcaddy.Log.String(); strings.Contains(text, "c_abcdefghij") {
		t.Errorf("the log has a token:\n%s", text)
	}
}

func TestARelayNeedsASecretThatIsOne(t *testing.T) {
	err := testcaddy.TryRun(t, ":0 {\nclerk_webhook {\nsecret whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\nrelay\n}\n}")
	if err == nil || !strings.Contains(err.Error(), "add a whsec_ secret") {
		t.Errorf("it loads: %v", err)
	}
}

// TestAListenerCannotMakeTheRelayCompute sends paths that would make 250 kB of a
// payload of two bytes, and more with each step.
func TestAListenerCannotMakeTheRelayCompute(t *testing.T) {
	url := run(t, "relay")
	for name, path := range map[string]string{
		"doubled":  strings.Repeat("[@this,@this]|", 16) + "0",
		"joined":   strings.Repeat("{a:@this,b:@this}|", 16) + "a",
		"modifier": "@pretty",
		"static":   `!"text"`,
		"query":    `data.email_addresses.#(id=="x").id`,
		"count":    "data.email_addresses.#",
		"pipe":     "data|id",
		"wildcard": "data.*a*a*a*a*",
		"any":      "data.????",
		"escape":   `data\.id`,
		"deep":     "a" + strings.Repeat(".a", 16),
		"empty":    "",
	} {
		t.Run(name, func(t *testing.T) {
			text, _ := json.Marshal(path)
			w := dial(t, url)
			w.send(t, `{"type":"start","version":1,"data":{"token":"`+tokenOf(t, testcaddy.Secret)+`","match":{`+string(text)+`:"x"}}}`)
			if closed := w.closed(t); closed.Code != websocket.StatusPolicyViolation || !strings.Contains(closed.Reason, "data.id") {
				t.Errorf("the connection ended with %v", closed)
			}
		})
	}
}

func TestRefusedListenersAreLoggedWithoutTheirText(t *testing.T) {
	const chosen = "chosen-by-a-stranger"
	handshake := func(name, value string) func(t *testing.T, url string) {
		return func(t *testing.T, url string) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			r.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"AAAAAAAAAAAAAAAAAAAAAA=="}}
			r.Header.Set(name, value)
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
		}
	}
	for name, come := range map[string]func(t *testing.T, url string){
		"a version": handshake("Sec-WebSocket-Version", chosen),
		"an origin": handshake("Origin", "https://"+chosen+".example"),
		"a reason":  func(t *testing.T, url string) { _ = dial(t, url).Close(websocket.StatusNormalClosure, chosen) },
		"a pattern": func(t *testing.T, url string) {
			w := dial(t, url)
			w.send(t, `{"type":"start","version":1,"data":{"token":"`+tokenOf(t, testcaddy.Secret)+`","events":["`+chosen+` "]}}`)
			w.closed(t)
		},
	} {
		t.Run(name, func(t *testing.T) {
			url := run(t, "relay")
			testcaddy.Log.Reset()
			come(t, url)
			testcaddy.Log.WaitFor(t, "listeners refused")
			if text := testcaddy.Log.String(); strings.Contains(text, chosen) {
				t.Errorf("the log:\n%s", text)
			}
		})
	}
}

// TestAListenerIsToldWhyItsWishesAreRefused has reasons that are too long for a close
// frame.
func TestAListenerIsToldWhyItsWishesAreRefused(t *testing.T) {
	long := strings.Repeat("ü", 500)
	tests := map[string]struct{ wishes, reason string }{
		"a pattern":         {`"events":["user created"]`, "user created"},
		"a long pattern":    {`"events":["user ` + long + `"]`, "events: "},
		"too many patterns": {`"events":["a.b"` + strings.Repeat(`,"a.b"`, 20) + `]`, "20 patterns"},
		"too many matches":  {`"match":{"a":"","b":"","c":"","d":"","e":"","f":""}`, "5 matches"},
		"a path":            {`"match":{"a.#":""}`, "names and indexes"},
		"a long path":       {`"match":{"` + long + `.#":""}`, "names and indexes"},
	}
	url := run(t, "relay")
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := dial(t, url)
			w.send(t, `{"type":"start","version":1,"data":{"token":"`+tokenOf(t, testcaddy.Secret)+`",`+test.wishes+`}}`)
			if closed := w.closed(t); closed.Code != websocket.StatusPolicyViolation || !strings.Contains(closed.Reason, test.reason) {
				t.Errorf("the connection ended with %v", closed)
			}
		})
	}
}
