package deduplicate_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// The secrets of a third and a fourth endpoint.
const (
	thirdSecret  = "whsec_ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="
	fourthSecret = "whsec_QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8="
)

// rotating returns a site whose guard at / has the secret options, and deduplicates.
func rotating(address, store, upstream, secrets string) string {
	return "http://" + address + " {\nclerk_webhook {\n" + secrets + "\ndeduplicate " + store + "\n}\nreverse_proxy " + upstream + testcaddy.Labelled + "}\n"
}

func send(t testing.TB, url, secret, id string) testcaddy.Answer {
	t.Helper()
	return testcaddy.Send(t, testcaddy.NewConnections, copyOf(t, url, secret, id))
}

// Clerk rotates with a second endpoint, so each event comes twice under one id.
func TestEventOfAnEndpointInRotationIsForwardedOnce(t *testing.T) {
	inEveryStore(t, func(t *testing.T, store, storage string) {
		backend := testcaddy.NewBackend(t, nil)
		address := testcaddy.FreeAddress(t)
		testcaddy.Run(t, rotating(address, store, backend.Address,
			"secret production "+testcaddy.Secret+" "+testcaddy.OtherSecret+"\nsecret development "+thirdSecret), storage)
		for _, step := range []struct{ secret, id, guard string }{
			{testcaddy.Secret, "msg_1", "forwarded"},
			{testcaddy.OtherSecret, "msg_1", duplicateDone},
			{testcaddy.OtherSecret, "msg_2", "forwarded"},
			{testcaddy.Secret, "msg_2", duplicateDone},
			{thirdSecret, "msg_2", "forwarded"}, // another environment on the same URL
			{thirdSecret, "msg_3", "forwarded"},
			{testcaddy.Secret, "msg_3", "forwarded"},
		} {
			send(t, "http://"+address, step.secret, step.id).Check(t, http.StatusOK, step.guard)
		}
	})
}

func TestCopyOfARotationWaitsForTheOther(t *testing.T) {
	inEveryStore(t, func(t *testing.T, store, storage string) {
		g := newGate(t)
		backend := testcaddy.NewBackend(t, func(http.ResponseWriter, *http.Request) { g.pass() })
		address := testcaddy.FreeAddress(t)
		testcaddy.Run(t, rotating(address, store, backend.Address, "secret "+testcaddy.OtherSecret+" "+testcaddy.Secret), storage)

		first := deliverAsync(t, address, "msg_1")
		<-g.begun
		for _, secret := range []string{testcaddy.OtherSecret, testcaddy.Secret} {
			send(t, "http://"+address, secret, "msg_1").Check(t, http.StatusConflict, duplicateInProgress)
		}
		g.open()
		(<-first).Check(t, http.StatusOK, "forwarded")
		send(t, "http://"+address, testcaddy.OtherSecret, "msg_1").Check(t, http.StatusOK, duplicateDone)
		testcaddy.OnlyRequest(t, backend)
	})
}

// What failed is new again under each secret.
func TestFailureInARotationIsForwardedAgain(t *testing.T) {
	inEveryStore(t, func(t *testing.T, store, storage string) {
		backend := testcaddy.NewBackend(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
		address := testcaddy.FreeAddress(t)
		testcaddy.Run(t, rotating(address, store, backend.Address, "secret "+testcaddy.Secret+" "+testcaddy.OtherSecret), storage)
		for _, secret := range []string{testcaddy.Secret, testcaddy.OtherSecret, testcaddy.Secret} {
			send(t, "http://"+address, secret, "msg_1").Check(t, http.StatusInternalServerError, "forwarded")
		}
	})
}

// One message can go to two endpoints of one application. Each has its own secrets.
func TestTwoEndpointsInRotationGetEachMessage(t *testing.T) {
	inEveryStore(t, func(t *testing.T, store, storage string) {
		backend := testcaddy.NewBackend(t, nil)
		address := testcaddy.FreeAddress(t)
		guard := func(path, secrets string) string {
			return "handle " + path + " {\nclerk_webhook {\nsecret production " + secrets + "\ndeduplicate " + store + "\n}\nreverse_proxy " + backend.Address + "\n}\n"
		}
		testcaddy.Run(t, "http://"+address+" {\n"+guard("/a", testcaddy.Secret+" "+testcaddy.OtherSecret)+guard("/b", thirdSecret+" "+fourthSecret)+testcaddy.Labelled+"}\n", storage)
		for _, step := range []struct{ path, secret, guard string }{
			{"/a", testcaddy.Secret, "forwarded"},
			{"/b", thirdSecret, "forwarded"},
			{"/a", testcaddy.OtherSecret, duplicateDone},
			{"/b", fourthSecret, duplicateDone},
		} {
			send(t, "http://"+address+step.path, step.secret, "msg_1").Check(t, http.StatusOK, step.guard)
		}
	})
}

// A handled delivery stays handled through all steps of a rotation.
func TestStepsOfARotation(t *testing.T) {
	inEveryStore(t, func(t *testing.T, store, storage string) {
		const before, after = testcaddy.Secret, testcaddy.OtherSecret
		backend := testcaddy.NewBackend(t, nil)
		address := testcaddy.FreeAddress(t)
		testcaddy.Run(t, rotating(address, store, backend.Address, "secret "+before), storage)
		done := make(map[string]bool)
		deliver := func(secret, id string) {
			want := "forwarded"
			if done[id] {
				want = duplicateDone
			}
			done[id] = true
			send(t, "http://"+address, secret, id).Check(t, http.StatusOK, want)
		}
		deliver(before, "msg_1")
		for step, values := range []string{before + " " + after, after + " " + before, before + " " + after} {
			testcaddy.Reload(t, rotating(address, store, backend.Address, "secret "+values), storage)
			for number := range step + 2 {
				id := fmt.Sprintf("msg_%d", number+1)
				deliver(after, id)
				deliver(before, id)
			}
		}
		testcaddy.Reload(t, rotating(address, store, backend.Address, "secret "+after), storage)
		for _, id := range []string{"msg_2", "msg_3", "msg_4", "msg_5"} {
			deliver(after, id)
		}
	})
}

// forget lets the delivery be handled again, whichever of the secrets signs it.
func TestForgetInARotation(t *testing.T) {
	inEveryStore(t, func(t *testing.T, store, storage string) {
		backend := testcaddy.NewBackend(t, nil)
		address, admin := testcaddy.FreeAddress(t), testcaddy.FreeAddress(t)
		testcaddy.Run(t, rotating(address, store, backend.Address, "secret "+testcaddy.Secret+" "+testcaddy.OtherSecret), storage, "admin "+admin)
		first, second := testcaddy.Secret, testcaddy.OtherSecret
		for range 2 {
			send(t, "http://"+address, first, "msg_1").Check(t, http.StatusOK, "forwarded")
			send(t, "http://"+address, second, "msg_1").Check(t, http.StatusOK, duplicateDone)
			res, err := http.Post("http://"+admin+"/clerk_webhook/forget", "application/json", strings.NewReader(`{"id": "msg_1"}`))
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != http.StatusOK {
				t.Errorf("forget answers %s", res.Status)
			}
			first, second = second, first
		}
	})
}
