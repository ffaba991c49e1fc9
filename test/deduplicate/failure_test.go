package deduplicate_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
	"github.com/caddyclerk/caddy-clerk-webhook/stores"
)

// labelled is testcaddy.Measured for answers that are told apart.
func labelled(address, directives string) string {
	return strings.TrimSuffix(testcaddy.Measured(address, directives), "}\n") + testcaddy.Labelled + "}\n"
}

// With on_failure refuse, a delivery is not forwarded without the store. Its sender
// tries again, and nothing is handled twice.
func TestOnFailureRefuse(t *testing.T) {
	backend := testcaddy.NewBackend(t, nil)
	address, endpoint := testcaddy.FreeAddress(t), testcaddy.NewEndpoint()
	testcaddy.Run(t, labelled(address, "clerk_webhook {\nname "+endpoint+"\nsecret "+testcaddy.Secret+"\ndeduplicate 48h storage {\non_failure refuse\n}\n}\nreverse_proxy "+backend.Address), closingStorage(t))
	deliver(t, address, "msg_1").Check(t, http.StatusOK, "forwarded")
	testcaddy.OnlyRequest(t, backend)

	breakStorage(t, errors.New("disk on fire"))
	for range 2 {
		a := deliver(t, address, "msg_2")
		a.Check(t, http.StatusServiceUnavailable, "refused store_failed")
		if got := a.Header.Get("Retry-After"); got != "5" {
			t.Errorf("Retry-After is %q", got)
		}
	}
	deliver(t, address, "msg_1").Check(t, http.StatusOK, duplicateDone) // this process knows
	testcaddy.WantNothing(t, backend)
	if got := testcaddy.Scrape(t, address)[testcaddy.DeliveriesLabels(endpoint, "refused", "store_failed", "user.created")]; got != 2 {
		t.Errorf("%v deliveries are counted as refused, want 2", got)
	}
	if n := len(testcaddy.Log.Entries(t, "the store of deliveries failed")); n != 1 {
		t.Errorf("%d lines are in the log, want 1 in the first minute", n)
	}

	mendStorage()
	deliver(t, address, "msg_2").Check(t, http.StatusOK, "forwarded")
	deliver(t, address, "msg_2").Check(t, http.StatusOK, duplicateDone)
	testcaddy.OnlyRequest(t, backend)
}

func init() { testcaddy.RegisterStore("test_losing", losingStore{}) }

// losingStore is a store that always says that another instance has the claim.
type losingStore struct{ stores.Store }

func (losingStore) Claim(context.Context, stores.Key, string, time.Duration) (stores.State, time.Time, error) {
	return stores.New, time.Time{}, nil
}

func (losingStore) Renew(context.Context, stores.Key, string, time.Duration) error {
	return stores.ErrLost
}

func (losingStore) MarkDone(context.Context, stores.Key, string, time.Duration) error {
	return stores.ErrLost
}

// The handlers run on if their claim is lost, because what they have begun cannot be
// taken back. An operator learns of it.
func TestHandlersRunOnWhenTheClaimIsLost(t *testing.T) {
	g := newGate(t)
	backend := testcaddy.NewBackend(t, func(w http.ResponseWriter, r *http.Request) {
		g.pass()
		if err := r.Context().Err(); err != nil {
			t.Errorf("the backend was told to stop: %v", err)
		}
		w.WriteHeader(http.StatusCreated)
	})
	address := testcaddy.FreeAddress(t)
	testcaddy.Run(t, labelled(address, "clerk_webhook {\nsecret "+testcaddy.Secret+"\ndeduplicate test_losing\n}\nreverse_proxy "+backend.Address))
	const lost = `caddy_clerk_webhook_claims_lost_total{store="test_losing"}`
	before := testcaddy.Scrape(t, address)[lost]
	first := deliverAsync(t, address, "msg_1")
	<-g.begun
	const message = "another instance took a delivery over, so it may be handled twice"
	testcaddy.Log.WaitFor(t, message)
	g.open()
	(<-first).Check(t, http.StatusCreated, "forwarded")
	entries := testcaddy.Log.Entries(t, message)
	if len(entries) == 0 || entries[0]["level"] != "error" || entries[0]["step"] != "renew" {
		t.Errorf("the log has %v", entries)
	}
	testcaddy.Await(t, lost, func() bool { return testcaddy.Scrape(t, address)[lost] == before+2 }) // when it is marked, too
}
