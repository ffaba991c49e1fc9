package relay_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// TestWhatWasMissedComesFirst asks for what the inspector has recorded. It is signed
// anew, so a guard on the listener's machine treats it as fresh.
func TestWhatWasMissedComesFirst(t *testing.T) {
	url := run(t, "relay copy\ninspect")
	<-deliver(t, url, testcaddy.UserCreated)
	w := listen(t, url, testcaddy.Secret, `,"since":60`)
	f := w.receive(t)
	if string(f.Data.Body) != testcaddy.UserCreated {
		t.Errorf("the listener got %q", f.Data.Body)
	}
	header := http.Header{}
	for name, value := range f.Data.Headers {
		header.Set(name, value)
	}
	key, err := signature.ParseSecret(testcaddy.Secret)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := signature.ParseHeaders(header)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := signature.Verify([]*signature.Key{key}, &parsed, f.Data.Body); err != nil {
		t.Error(err)
	}
}

func TestNothingWasMissedWithoutTheInspector(t *testing.T) {
	url := run(t, "relay copy")
	<-deliver(t, url, testcaddy.UserCreated)
	w := listen(t, url, testcaddy.Secret, `,"since":60`)
	<-deliver(t, url, userDeleted)
	if f := w.receive(t); string(f.Data.Body) != userDeleted {
		t.Errorf("the listener got %q", f.Data.Body)
	}
}

// TestTheInspectorShowsWhoListened looks at the answers of two listeners.
func TestTheInspectorShowsWhoListened(t *testing.T) {
	for _, options := range []string{"relay", "relay copy"} {
		t.Run(options, func(t *testing.T) {
			address, page := testcaddy.FreeAddress(t), testcaddy.FreeAddress(t)
			testcaddy.Run(t, "http://"+address+" {\nclerk_webhook {\nsecret "+testcaddy.Secret+"\ninspect\n"+options+"\n}\nrespond 204\n}\nhttp://"+page+" {\nclerk_webhook_inspector\n}")
			w := listen(t, "http://"+address, testcaddy.Secret, "")
			answers := deliver(t, "http://"+address, testcaddy.UserCreated)
			w.answer(t, w.receive(t), 418, "")
			<-answers
			testcaddy.Await(t, "the listener's answer in the inspector", func() bool {
				listeners := listenersOf(t, "http://"+page)
				return len(listeners) == 1 && listeners[0].Who == "127.0.0.1" && listeners[0].Status == 418
			})
		})
	}
}

type listenerView struct {
	Who    string
	Status int
}

func listenersOf(t *testing.T, inspector string) []listenerView {
	t.Helper()
	var list struct{ Entries []struct{ ID string } }
	get(t, inspector+"/api/entries", &list)
	var entry struct{ Listeners []listenerView }
	get(t, inspector+"/api/entries/"+list.Entries[0].ID, &entry)
	return entry.Listeners
}

func get(t *testing.T, url string, into any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer := testcaddy.Send(t, http.DefaultClient, r)
	if err := json.Unmarshal([]byte(answer.Text), into); err != nil {
		t.Fatalf("%v: %s", err, answer.Text)
	}
}

func TestMetricsOfARelay(t *testing.T) {
	endpoint, address := testcaddy.NewEndpoint(), testcaddy.FreeAddress(t)
	testcaddy.Run(t, testcaddy.Measured(address, "clerk_webhook {\nname "+endpoint+"\nsecret "+testcaddy.Secret+"\nrelay\n}"))
	w := listen(t, "http://"+address+"/hooks", testcaddy.Secret, "")
	answers := deliver(t, "http://"+address+"/hooks", testcaddy.UserCreated)
	w.answer(t, w.receive(t), 503, "")
	<-answers
	samples := testcaddy.Scrape(t, address)
	for sample, want := range map[string]float64{
		`caddy_clerk_webhook_listeners{endpoint="` + endpoint + `"}`:                        1,
		`caddy_clerk_webhook_relayed_total{endpoint="` + endpoint + `",outcome="failed"}`:   1,
		`caddy_clerk_webhook_relayed_total{endpoint="` + endpoint + `",outcome="answered"}`: 0,
	} {
		if got, exists := samples[sample]; !exists || got != want {
			t.Errorf("%s is %v, want %v", sample, got, want)
		}
	}
	_ = w.CloseNow()
	testcaddy.Await(t, "the listener to be gone", func() bool {
		return testcaddy.Scrape(t, address)[`caddy_clerk_webhook_listeners{endpoint="`+endpoint+`"}`] == 0
	})
}
