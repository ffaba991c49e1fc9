//go:build long

package relay_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

func TestALateAnswerIsNone(t *testing.T) {
	endpoint, address := testcaddy.NewEndpoint(), testcaddy.FreeAddress(t)
	testcaddy.Run(t, testcaddy.Measured(address, "clerk_webhook {\nname "+endpoint+"\nsecret "+testcaddy.Secret+"\nrelay\n}"))
	url := "http://" + address + "/hooks"
	const listeners = 20
	var all []wire
	for range listeners {
		all = append(all, listen(t, url, testcaddy.Secret, ""))
	}
	answers := deliver(t, url, testcaddy.UserCreated)
	late := all[0].receive(t)
	if got := <-answers; got.StatusCode != http.StatusGatewayTimeout {
		t.Errorf("the sender got %d", got.StatusCode)
	}
	unanswered := testcaddy.Scrape(t, address)[`caddy_clerk_webhook_relayed_total{endpoint="`+endpoint+`",outcome="unanswered"}`]
	if unanswered != listeners {
		t.Errorf("%v are counted that have not answered, want %d", unanswered, listeners)
	}
	all[0].answer(t, late, 200, "")
	all[0].wantAnotherAnswered(t, url)
}

// TestASlowReaderLeaves has a listener that reads nothing, beside one that answers.
func TestASlowReaderLeaves(t *testing.T) {
	const (
		more   = 40 // megabytes than the connection takes in
		within = 20 * time.Second
	)
	url := run(t, "relay")
	slow := upgrade(t, url)
	slow.Send(t, wireFrame(opText|fin, listenTo(t, testcaddy.Secret)))
	testcaddy.Log.WaitFor(t, "a listener has connected")
	w := listen(t, url, testcaddy.Secret, "")
	testcaddy.Log.Reset()
	body := testcaddy.Replace(t, testcaddy.UserCreated, "user_1", strings.Repeat("x", 1_000_000))
	for range more {
		answers := deliver(t, url, body)
		w.answer(t, w.receive(t), 200, "")
		if got := <-answers; got.StatusCode != 200 {
			t.Fatalf("the sender got %d", got.StatusCode)
		}
	}
	began := time.Now()
	testcaddy.Log.WaitFor(t, "a listener has left")
	if took := time.Since(began); took > within {
		t.Errorf("it left after %s", took)
	}
	w.wantAnotherAnswered(t, url)
}
